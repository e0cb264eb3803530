"""The vector index on Pinecone: one document index, a namespace for each partition and model.

Reads are eventually consistent: a row shows up, and a deleted one goes, some time after Pinecone
acknowledged it. The ledger tells which rows count; see docs/pinecone.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ragline.adapters.pinecone.connection import Connection
from ragline.adapters.pinecone.documents import (
    TERMS,
    VECTOR,
    dead,
    id_prefix,
    keywords,
    parse_id,
)
from ragline.adapters.pinecone.namespaces import namespace_name, namespaces
from ragline.adapters.pinecone.search import search
from ragline.adapters.pinecone.writes import WRITE_SECONDS, Writer
from ragline.domain.chunks import Candidate, Filter, Passage, Row
from ragline.domain.documents import Partition, check_name, is_document_id
from ragline.domain.errors import ServiceUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PAGE = 100
NO_CHUNK = "none:0:0"


class PineconeIndexes:
    """The Indexes of one Pinecone index, which all models share that give vectors of its length.

    Args:
        host: the index's own address, as Pinecone's console shows it.
        api_key: gives the key; asked again when Pinecone no longer accepts the last one.
        secret: says where the key is kept, for people.
        longest_wait: in seconds; a longer Retry-After is not waited out but ``Throttled``.
        catch_up: for how many seconds ``entries`` waits until all that was written shows.
    """

    def __init__(
        self,
        host: str,
        api_key: Callable[[], str],
        *,
        secret: str,
        longest_wait: float = 2.0,
        catch_up: float = 60.0,
    ) -> None:
        self._connection = Connection(host, api_key, secret=secret, longest_wait=longest_wait)
        self._catch_up = catch_up
        self._indexes: dict[str, PineconeIndex] = {}

    def of(self, fingerprint: str) -> PineconeIndex:
        check_name(fingerprint, "fingerprint")
        made = PineconeIndex(self._connection, fingerprint, catch_up=self._catch_up)
        return self._indexes.setdefault(fingerprint, made)

    def fingerprints(self, partition: Partition) -> list[str]:
        prefix = namespace_name(partition, "")
        return sorted(model for _, model, _ in namespaces(self._connection, prefix))

    def partitions(self) -> list[Partition]:
        """Those that were ever written with vectors of any model, sorted."""
        found = {partition for partition, _, _ in namespaces(self._connection)}
        return sorted(found, key=lambda one: (one.tenant, one.collection))

    def length(self) -> int | None:
        return self._connection.length()

    def drop(self, partition: Partition, fingerprint: str) -> None:
        self.of(fingerprint).drop(partition)

    def close(self) -> None:
        """Give its sockets back; it can be used again."""
        self._connection.close()


class PineconeIndex:
    """A VectorIndex: the rows of one embedding model.

    Every method raises ``TransientError``; ``SetupError`` if Pinecone refuses us (``ModelMismatch``
    if vectors have another length than the index's). ``upsert`` raises ``LimitExceeded`` for the
    first row that Pinecone cannot keep, before it writes anything.
    """

    def __init__(self, connection: Connection, fingerprint: str, *, catch_up: float) -> None:
        self._connection = connection
        self._catch_up_seconds = catch_up
        self._fingerprint = fingerprint
        self._writer = Writer(connection, fingerprint)

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        if rows:
            self._writer.upsert(partition, rows)

    def delete(
        self, partition: Partition, document_id: str, *, below: int | None = None, keep: int = 0
    ) -> None:
        # By filter, in the namespace's log after the upserts before it; a list of ids to delete
        # would lack those of rows that do not show up yet.
        with self._connection.unless_missing() as index:
            index.documents.delete(
                namespace=self._namespace(partition),
                filter=dead(document_id, below, keep),
                timeout=WRITE_SECONDS,
            )

    def drop(self, partition: Partition) -> None:
        self._writer.forget(partition)
        with self._connection.unless_missing() as index:
            index.delete_namespace(name=self._namespace(partition), timeout=WRITE_SECONDS)

    def optimize(self, partition: Partition) -> None:
        """Nothing to do: Pinecone does it."""

    def dense(
        self, partition: Partition, vector: NDArray[np.float32], limit: int, where: Filter
    ) -> list[Candidate]:
        clause = {"type": "dense_vector", "fields": [VECTOR], "values": vector.tolist()}
        with (
            self._connection.unless_missing() as index,
            self._connection.explained(partition, vector.size),
        ):
            return search(index, self._namespace(partition), clause, limit, where)
        return []

    def bm25(self, partition: Partition, query: str, limit: int, where: Filter) -> list[Candidate]:
        clause = {"type": "text", "fields": [TERMS], "query": keywords(query)}
        if clause["query"]:
            with self._connection.unless_missing() as index:
                return search(index, self._namespace(partition), clause, limit, where)
        return []

    def passages(self, partition: Partition, candidates: Sequence[Candidate]) -> dict[str, Passage]:
        """As the legs' own answers had them: Pinecone gives the fields with the rows, and asking
        again would be a request that tells no more."""
        return {one.chunk_id: one.hint for one in candidates if isinstance(one.hint, Passage)}

    def count(self, partition: Partition, document_id: str | None = None) -> int:
        """As far as Pinecone shows it yet."""
        if document_id is not None:
            return sum(1 for _ in self._ids(partition, document_id))
        name = self._namespace(partition)
        # Not by describe_namespace: it is rate limited, and a 404 of it would be ambiguous.
        found = namespaces(self._connection, name)
        return next((rows for _, model, rows in found if model == self._fingerprint), 0)

    def entries(self, partition: Partition) -> Iterator[tuple[str, int, int]]:
        """Of all that was written before; a request for each 100 rows.

        ``ServiceUnavailable`` if Pinecone does not show it all in time: who compares the rows with
        the ledger must not take late ones for lost.
        """
        self._catch_up(partition)
        yield from map(parse_id, self._ids(partition))

    def _catch_up(self, partition: Partition) -> None:
        """Wait until a search has seen all that is acknowledged, whoever wrote it.

        How far that is, only a write tells: this one removes an id that no chunk has.
        """
        namespace = self._namespace(partition)
        clause = {"type": "text", "fields": [TERMS], "query": "x"}
        deadline = time.monotonic() + self._catch_up_seconds
        with self._connection.unless_missing() as index:
            mark = index.documents.delete(namespace=namespace, ids=[NO_CHUNK]).response_info
            target = mark.lsn_committed if mark else None
            while target is not None:
                seen = index.documents.search(namespace=namespace, score_by=[clause], top_k=1)
                shown = seen.response_info.lsn_reconciled if seen.response_info else None
                if shown is None or shown >= target:
                    return
                if time.monotonic() > deadline:
                    raise ServiceUnavailable(
                        f"Pinecone does not show all rows of {partition} yet, after "
                        f"{self._catch_up_seconds:g} s: look again later."
                    )
                time.sleep(min(0.5, self._catch_up_seconds / 10))

    def _ids(self, partition: Partition, document_id: str | None = None) -> Iterator[str]:
        if document_id is not None and not is_document_id(document_id):
            return
        prefix = None if document_id is None else id_prefix(document_id)
        with self._connection.unless_missing() as index:
            listed = index.documents.list(
                namespace=self._namespace(partition), prefix=prefix, limit=PAGE
            )
            for one in listed:
                yield one.id

    def _namespace(self, partition: Partition) -> str:
        return namespace_name(partition, self._fingerprint)
