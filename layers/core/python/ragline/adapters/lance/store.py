"""A place of Lance tables: how it is reached, and what the tables in it are named.

A partition has a table for each embedding model that its rows were embedded by, named
``{tenant}.{collection}.{fingerprint}``. Names have no dot, so no two share a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ragline.adapters.lance.errors import means_missing, translated
from ragline.domain.documents import Partition, check_name
from ragline.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from ragline.adapters.lance.replica import Replica

NAMES_PER_PAGE = 1_000

INDEX_CACHE_BYTES = 384 * 1024 * 1024
METADATA_CACHE_BYTES = 64 * 1024 * 1024
"""LanceDB would keep 6 GB and 1 GB, and with it the indexes of versions that are long gone. 100,000
rows have indexes of 57 MB, a million 600 MB: with a cache of 384 MB, a query of that million read
50 MB of them anew from S3 (414 ms where a request takes 20 ms), with 700 MB none (160 ms), in a
process of 1.0 GB either way."""


def storage_options(endpoint_url: str, region: str) -> dict[str, str]:
    """How to reach S3, or the endpoint of a local cloud ('' means AWS itself).

    Credentials come from the usual AWS environment. Requests give up early: a queue
    retries better than a function that waits out its time.
    """
    options = {
        "region": region,
        "timeout": "15s",
        "connect_timeout": "5s",
        "client_max_retries": "3",
        "client_retry_timeout": "10",
    }
    if endpoint_url:
        options |= {"endpoint": endpoint_url, "virtual_hosted_style_request": "false"}
        options["allow_http"] = str(endpoint_url.startswith("http:")).lower()
    return options


class Store:
    """A folder or bucket of tables, at ``uri``: a path or ``s3://bucket/…``.

    ``replica`` has copies of some of them in a folder, for readers.
    """

    def __init__(
        self,
        uri: str,
        *,
        storage_options: Mapping[str, str] | None = None,
        replica: Replica | None = None,
        cache_bytes: int = INDEX_CACHE_BYTES,
    ) -> None:
        import lancedb

        self.replica = replica
        with translated():
            session = lancedb.Session(cache_bytes, METADATA_CACHE_BYTES)
            self.connection = _connect(uri, session, dict(storage_options or {}) or None)
            self.copies = _connect(str(replica.folder), session) if replica else None

    def names(self) -> Iterator[tuple[Partition, str]]:
        """The partition and the fingerprint of every table that is one of ours."""
        token: str | None = None
        with translated():
            while True:
                page = self.connection.list_tables(page_token=token, limit=NAMES_PER_PAGE)
                yield from (named for name in page.tables if (named := parse_name(name)))
                token = page.page_token
                if not token:
                    return

    def drop(self, name: str) -> None:
        """Remove a table with all its versions; none is no error."""
        with translated():
            try:
                self.connection.drop_table(name)
            except Exception as error:
                if not means_missing(error):
                    raise


def _connect(uri: str, session: Any, storage_options: dict[str, str] | None = None) -> Any:
    import lancedb

    # Tables asks once what the latest version is; LanceDB would ask at each step of a query, four
    # times one after the other.
    return lancedb.connect(
        uri, storage_options=storage_options, session=session, read_consistency_interval=None
    )


def table_name(partition: Partition, fingerprint: str) -> str:
    tenant = check_name(partition.tenant, "tenant")
    collection = check_name(partition.collection, "collection")
    return f"{tenant}.{collection}.{check_name(fingerprint, 'fingerprint')}"


def parse_name(name: str) -> tuple[Partition, str] | None:
    """The partition and the fingerprint whose table it is; None if it is not one of ours."""
    parts = name.split(".")
    if len(parts) != 3:
        return None
    try:
        tenant, collection = check_name(parts[0], "tenant"), check_name(parts[1], "collection")
        return Partition(tenant, collection), check_name(parts[2], "fingerprint")
    except InvalidRequest:
        return None
