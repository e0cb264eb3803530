"""The indexer: the only code that writes the index, one partition's operations in their order."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from ragline.domain.chunks import Part, Row
from ragline.domain.documents import Document, Partition, Reason
from ragline.domain.errors import OutOfTime, StoredDataLost
from ragline.domain.keys import document_prefixes
from ragline.domain.ledger import ChunkState
from ragline.domain.messages import Delete, Upsert
from ragline.ports import Ledger, Objects, Queues, VectorIndex
from ragline.usecases.failures import fail_chunks
from ragline.usecases.parts import read_part, read_vectors
from ragline.usecases.settle import settle

STAGE = "index"

_KEYS_PER_DELETE = 1_000


def apply_ops(
    partition: Partition,
    ops: Sequence[Upsert | Delete],
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    index: VectorIndex,
    deadline: float = math.inf,
) -> tuple[int, Exception | None]:
    """Apply one partition's operations in order; neighbouring upserts become one commit.

    Returns how many operations from the front are done, and the error that stopped the rest:
    everything after it must be delivered again, so that the order holds. ``deadline``, in seconds
    of ``time.monotonic``, stops it with ``OutOfTime`` between two commits.
    """
    done = 0
    for kind, run in groupby(ops, key=type):
        batch = list(run)
        try:
            if kind is Upsert:
                _check_time(deadline)
                upserts = [op for op in batch if isinstance(op, Upsert)]
                _upsert(partition, upserts, ledger, objects, queues, index)
                done += len(batch)
                continue
            for op in batch:
                if isinstance(op, Delete):
                    _check_time(deadline)
                    _delete(partition, op, ledger, objects, index, deadline)
                    done += 1
        except Exception as error:  # what is done stays done, whatever stopped the rest
            return done, error
    index.optimize(partition)
    return done, None


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise OutOfTime("the indexer's time is nearly over; the rest was put back.")


def _upsert(
    partition: Partition,
    ops: Sequence[Upsert],
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    index: VectorIndex,
) -> None:
    documents = ledger.get_many(partition.tenant, {op.document_id for op in ops})
    rows: list[Row] = []
    touched: dict[str, tuple[Document, list[int]]] = {}
    for op in ops:
        document = documents.get(op.document_id)
        if document is None or not document.wants(op.generation):
            # A late upsert of a deleted or replaced generation. Its vectors may have been written
            # after the removal that is in this queue before it.
            if document is not None and document.live_generation != op.generation:
                objects.delete([op.vectors_key])
            continue
        try:
            found = _rows(document, op, objects)
        except StoredDataLost as error:
            reason = Reason(error.code, str(error), STAGE, chunk=op.ordinals[0])
            fail_chunks(document, op.ordinals, reason, ledger)
            found = []
        rows += found
        _, ordinals = touched.setdefault(op.document_id, (document, []))
        ordinals += [row.chunk.ordinal for row in found]
    if rows:
        index.upsert(partition, rows)
    for document, ordinals in touched.values():
        ledger.record_chunks(document, sorted(set(ordinals)), ChunkState.INDEXED)
        settle(document, ledger=ledger, queues=queues)


def _rows(document: Document, op: Upsert, objects: Objects) -> list[Row]:
    vectors = read_vectors(objects, op.vectors_key)
    rows: list[Row] = []
    for span in op.parts:
        part = Part(op.partition, op.document_id, op.generation, span.first, span.count)
        chunks = read_part(objects, part)
        rows += [
            Row(
                op.document_id,
                op.generation,
                chunk,
                document.filename,
                vectors[chunk.ordinal],
                document.metadata,
            )
            for chunk in chunks
            if chunk.ordinal in vectors  # the others were set apart by the embedder
        ]
    return rows


def _delete(
    partition: Partition,
    op: Delete,
    ledger: Ledger,
    objects: Objects,
    index: VectorIndex,
    deadline: float,
) -> None:
    """Rows first, then the chunks and vectors that could bring them back, then their records.

    A removal that is too long for one invocation goes on where it stopped when it comes again.
    """
    index.delete(partition, op.document_id, below=op.below, keep=op.keep)
    for prefix in document_prefixes(partition, op.document_id):
        dead = (key for key in objects.list(prefix) if _dead(op, _generation(key, prefix)))
        for some in _batches(dead):
            _check_time(deadline)
            objects.delete(some)
    document = ledger.get(op.tenant, op.document_id)
    # Its records are elsewhere if it was found in a collection that is not its own.
    if op.below is not None and document is not None and document.partition == partition:
        ledger.forget(op.tenant, op.document_id, op.below, op.keep)


def _dead(op: Delete, generation: int) -> bool:
    return (op.below is None or generation < op.below) and generation != op.keep


def _batches(keys: Iterator[str]) -> Iterator[list[str]]:
    while some := list(islice(keys, _KEYS_PER_DELETE)):
        yield some


def _generation(key: str, prefix: str) -> int:
    match = re.match(r"(\d+)/", key[len(prefix) :])
    return int(match[1]) if match else 0
