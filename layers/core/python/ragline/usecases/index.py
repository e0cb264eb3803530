"""The indexer: the only code that writes the index, one partition's operations in their order.

A store has an index for each embedding model. A batch of vectors goes to the one of its model,
which its key names; what is deleted goes from all of them.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice

from ragline.domain.chunks import Part, Row
from ragline.domain.documents import Document, Partition, Reason, Status, check_name
from ragline.domain.errors import InvalidRequest, OutOfTime, StoredDataLost
from ragline.domain.keys import (
    document_prefixes,
    parse_stored_key,
    recognised_prefix,
    vectors_prefix,
)
from ragline.domain.ledger import ChunkState
from ragline.domain.messages import Delete, Drop, IndexOp, Optimize, Upsert
from ragline.ports import Indexes, Ledger, Objects, Queues
from ragline.usecases.failures import fail_chunks
from ragline.usecases.fitting import set_apart, upsert_what_fits
from ragline.usecases.parts import read_part, read_vectors
from ragline.usecases.settle import settle

STAGE = "index"

_KEYS_PER_DELETE = 1_000

UPKEEP_SECONDS = 30
"""Housekeeping begins with so much time left; with less, it is left to the next batch."""


def apply_ops(
    partition: Partition,
    ops: Sequence[IndexOp],
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    indexes: Indexes,
    deadline: float = math.inf,
) -> tuple[int, Exception | None]:
    """Apply one partition's operations in order; neighbouring upserts become one commit a model.

    Returns how many operations from the front are done, and the error that stopped the rest:
    everything after it must be delivered again, so that the order holds. ``deadline``, in seconds
    of ``time.monotonic``, stops it with ``OutOfTime`` between two commits.
    """
    work = _Work(partition, ledger, objects, queues, indexes, deadline)
    done = 0
    for kind, run in groupby(ops, key=type):
        batch = list(run)
        try:
            if kind is Upsert:
                work.check_time()
                _upsert([op for op in batch if isinstance(op, Upsert)], work)
                done += len(batch)
                continue
            for op in batch:
                work.check_time()
                if isinstance(op, Delete):
                    _delete(op, work)
                elif isinstance(op, Drop):
                    _drop(op, work)
                elif isinstance(op, Optimize):
                    work.written.update(work.fingerprints())
                done += 1
        except Exception as error:  # what is done stays done, whatever stopped the rest
            return done, error
    for fingerprint in sorted(work.written):
        if time.monotonic() + UPKEEP_SECONDS < deadline:
            indexes.of(fingerprint).optimize(partition)
    return done, None


def rows_of(document: Document, op: Upsert, objects: Objects) -> list[Row]:
    """The rows that an operation means: its chunks with their vectors.

    Raises:
        StoredDataLost: they are not (or no longer) in the bucket.
    """
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


@dataclass(slots=True)
class _Work:
    """The ports, how long there is, and which models' indexes were ``written``."""

    partition: Partition
    ledger: Ledger
    objects: Objects
    queues: Queues
    indexes: Indexes
    deadline: float
    written: set[str] = field(default_factory=set)
    _listed: set[str] | None = None

    def check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise OutOfTime("the indexer's time is nearly over; the rest was put back.")

    def fingerprints(self) -> list[str]:
        """The models that have rows here. Listed once: no one else writes a partition."""
        if self._listed is None:
            self._listed = set(self.indexes.fingerprints(self.partition))
        return sorted(self._listed | self.written)

    def indexed(self, document: Document, op: Upsert) -> set[int]:
        """The ordinals of its chunks that are indexed, by whatever model."""
        states = self.ledger.states(replace(document, generation=op.generation), op.ordinals)
        return {n for n, state in states.items() if state is ChunkState.INDEXED}

    def forget(self, fingerprint: str) -> None:
        """The model has no rows here any more."""
        self.written.discard(fingerprint)
        self._listed = None


def _upsert(ops: Sequence[Upsert], work: _Work) -> None:
    tenant = work.partition.tenant
    documents = work.ledger.get_many(tenant, {op.document_id for op in ops})
    rows: dict[str, list[Row]] = defaultdict(list)
    touched: dict[str, tuple[Document, list[int]]] = {}
    for op in ops:
        document = documents.get(op.document_id)
        wanted = document is not None and document.wants(op.generation)
        if document is None or not (wanted or document.shows(op.generation)):
            # A late upsert of a deleted or replaced generation. Its vectors may have been written
            # after the removal that is in this queue before it.
            if document is not None:
                work.objects.delete([op.vectors_key])
            continue
        fingerprint, found = _read(document, op, work)
        rows[fingerprint] += found
        # One that is only shown answers until the next one is done: its records are closed.
        if wanted and not op.migrated:
            _, ordinals = touched.setdefault(op.document_id, (document, []))
            ordinals += [row.chunk.ordinal for row in found]
    for fingerprint, some in rows.items():
        if some:
            refused = upsert_what_fits(work.indexes.of(fingerprint), work.partition, some)
            work.written.add(fingerprint)
            set_apart(refused, touched, STAGE, work.ledger)
    for document, ordinals in touched.values():
        moved = sorted(set(ordinals))
        work.ledger.record_chunks(document, moved, ChunkState.INDEXED)
        alone = _indexed(document, len(moved))
        settle(document, ledger=work.ledger, queues=work.queues, known=alone)


def _indexed(document: Document, chunks: int) -> Document:
    """What the document is once so many of its embedded chunks are indexed, by no one else."""
    before = document.progress
    counts = {"embedded": before.embedded - chunks, "indexed": before.indexed + chunks}
    return replace(document, progress=replace(before, **counts))


def _read(document: Document, op: Upsert, work: _Work) -> tuple[str, list[Row]]:
    """The model's fingerprint and the rows; none if they are lost, which is recorded."""
    try:
        rows = rows_of(document, op, work.objects)
        if op.migrated:
            indexed = work.indexed(document, op)
            rows = [row for row in rows if row.chunk.ordinal in indexed]
        return _model(op.vectors_key), rows
    except StoredDataLost as error:
        if document.wants(op.generation) and not op.migrated:
            reason = Reason(error.code, str(error), STAGE, chunk=op.ordinals[0])
            fail_chunks(document, op.ordinals, reason, work.ledger)
        return "", []


def _model(vectors_key: str) -> str:
    """The fingerprint that a key has: it will name the index, which takes no other names."""
    try:
        return check_name(_fingerprint(vectors_key), "fingerprint")
    except InvalidRequest as error:
        raise StoredDataLost(f"{vectors_key} names no model; retry the document.") from error


def _delete(op: Delete, work: _Work) -> None:
    """Rows first, then the chunks and vectors that could bring them back, then their records.

    A removal that is too long for one invocation goes on where it stopped when it comes again.
    """
    for fingerprint in work.fingerprints():
        index = work.indexes.of(fingerprint)
        index.delete(work.partition, op.document_id, below=op.below, keep=op.keep)
        work.written.add(fingerprint)
    for prefix in document_prefixes(work.partition, op.document_id):
        keys = work.objects.list(prefix)
        _clear((key for key in keys if _dead(op, _generation(key))), work)
    document = work.ledger.get(op.tenant, op.document_id)
    if document is None or document.status is Status.DELETED:
        _clear(iter(work.objects.list(recognised_prefix(work.partition, op.document_id))), work)
    # Its records are elsewhere if it was found in a collection that is not its own.
    if op.below is not None and document is not None and document.partition == work.partition:
        work.ledger.forget(op.tenant, op.document_id, op.below, op.keep, deadline=work.deadline)


def _drop(op: Drop, work: _Work) -> None:
    """Rows first, then the vectors that they were made of."""
    work.indexes.drop(work.partition, op.fingerprint)
    work.forget(op.fingerprint)
    keys = work.objects.list(vectors_prefix(work.partition))
    _clear((key for key in keys if _fingerprint(key) == op.fingerprint), work)


def _clear(keys: Iterator[str], work: _Work) -> None:
    while some := list(islice(keys, _KEYS_PER_DELETE)):
        work.check_time()
        work.objects.delete(some)


def _dead(op: Delete, generation: int) -> bool:
    return (op.below is None or generation < op.below) and generation != op.keep


def _generation(key: str) -> int:
    stored = parse_stored_key(key)
    return stored.generation if stored else 0


def _fingerprint(key: str) -> str:
    stored = parse_stored_key(key)
    return stored.fingerprint if stored else ""
