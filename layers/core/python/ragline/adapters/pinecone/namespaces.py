"""The namespaces of a Pinecone index: one for each partition and embedding model.

They are named ``{tenant}.{collection}.{fingerprint}``. Names have no dot, so no two share one; at
most 191 of the 512 ASCII characters that Pinecone allows.
"""

from __future__ import annotations

from collections.abc import Iterator

from ragline.adapters.pinecone.connection import Connection
from ragline.domain.documents import Partition, check_name
from ragline.domain.errors import InvalidRequest

PER_PAGE = 100


def namespace_name(partition: Partition, fingerprint: str) -> str:
    """With '' for the fingerprint: what the names of all the partition's namespaces begin with."""
    tenant = check_name(partition.tenant, "tenant")
    return f"{tenant}.{check_name(partition.collection, 'collection')}.{fingerprint}"


def parse_name(name: str) -> tuple[Partition, str] | None:
    """The partition and fingerprint; None if the namespace is not one of ours."""
    try:
        tenant, collection, model = (check_name(part, "name") for part in name.split("."))
    except (InvalidRequest, ValueError):
        return None
    return Partition(tenant, collection), model


def namespaces(
    connection: Connection, prefix: str | None = None
) -> Iterator[tuple[Partition, str, int]]:
    """The partition, fingerprint and rows of each namespace that is one of ours, by name.

    Rows are counted as far as Pinecone shows them yet.
    """
    with connection.call() as index:
        for page in index.list_namespaces(prefix=prefix, limit=PER_PAGE):
            for one in page:
                if (parsed := parse_name(one.name)) is not None:
                    yield *parsed, one.record_count
