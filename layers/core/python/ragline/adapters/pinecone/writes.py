"""Rows into Pinecone: in requests that it takes, until it has acknowledged them all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from pinecone.errors import ConflictError

from ragline.adapters.pinecone.connection import Connection, mismatch
from ragline.adapters.pinecone.documents import (
    Document,
    batches,
    namespace_schema,
    parse_id,
    to_document,
)
from ragline.adapters.pinecone.namespaces import namespace_name
from ragline.domain.chunks import Row
from ragline.domain.documents import Partition
from ragline.domain.errors import LimitExceeded, ServiceUnavailable

WRITERS = 4
SENDS = 3
WRITE_SECONDS = 10.0
"""For one attempt, of three: Pinecone that hangs is given up well within the indexer's time."""


class Writer:
    """Writes the rows of one embedding model; knows which namespaces it has seen to."""

    def __init__(self, connection: Connection, fingerprint: str) -> None:
        self._connection = connection
        self._fingerprint = fingerprint
        self._made: set[Partition] = set()

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        """As ``VectorIndex.upsert``; raises as ``PineconeIndex`` says."""
        last = list({row.chunk_id: row for row in rows}.values())
        lengths = {row.vector.size for row in last}
        if len(lengths) > 1:
            held = self._connection.length() or last[0].vector.size
            raise mismatch(partition, held, next(iter(lengths - {held})))
        documents = [to_document(row) for row in last]
        self._make(partition)
        length, parts, failed = lengths.pop(), list(batches(documents)), threading.Event()

        def send(batch: Sequence[Document]) -> None:
            if failed.is_set():  # all are sent again anyhow, and this one may hang as well
                return
            try:
                self._send(partition, length, batch)
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(min(WRITERS, len(parts))) as pool:
            for _ in pool.map(send, parts):
                pass

    def forget(self, partition: Partition) -> None:
        """Its namespace is about to be dropped."""
        self._made.discard(partition)

    def _make(self, partition: Partition) -> None:
        """Create the namespace, once: only then Pinecone heeds what of it is to be filtered by."""
        if partition in self._made:
            return
        name = namespace_name(partition, self._fingerprint)
        with self._connection.call() as index, suppress(ConflictError):  # it may be there
            index.create_namespace(name=name, schema=namespace_schema())
        self._made.add(partition)

    def _send(self, partition: Partition, length: int, batch: Sequence[Document]) -> None:
        """Until all are acknowledged. Which ones are not, Pinecone does not say: all go again."""
        name = namespace_name(partition, self._fingerprint)
        taken = 0
        for _ in range(SENDS):
            try:
                with (
                    self._connection.call() as index,
                    self._connection.explained(partition, length),
                ):
                    taken = index.documents.upsert(
                        namespace=name, documents=batch, timeout=WRITE_SECONDS
                    ).upserted_count
            except LimitExceeded as error:
                return self._send_halves(partition, length, batch, error)
            if taken >= len(batch):
                return None
        raise ServiceUnavailable(f"Pinecone took {taken} of {len(batch)} rows of {partition}.")

    def _send_halves(
        self, partition: Partition, length: int, batch: Sequence[Document], error: LimitExceeded
    ) -> None:
        if len(batch) == 1:
            document_id, _, ordinal = parse_id(batch[0]["_id"])
            raise LimitExceeded(f"chunk {ordinal} of {document_id}: {error}", chunk=ordinal)
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            self._send(partition, length, half)
