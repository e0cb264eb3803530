"""What the indexer takes while its table grows: the work of one function, with its upkeep.

The indexer's own use case on a real table, with the ledger, the bucket and the queues in memory:
so what is measured is reading stored chunks and vectors, committing the rows, and folding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.memory.queues import MemoryQueues
from ragline.domain.chunks import Chunk, Part, Row
from ragline.domain.documents import Document, Partition
from ragline.domain.ledger import ChunkState
from ragline.domain.messages import Span, Upsert
from ragline.embedding.onnx import OnnxEmbedder
from ragline.ports import Indexes
from ragline.usecases.index import apply_ops
from ragline.usecases.parts import cut_parts, write_part, write_vectors
from tests.bench import material, store
from tests.bench.corpus import PARTITION, Corpus, begin, real
from tests.bench.figures import Figure, Line, Note, Plan

FINGERPRINT = "bench"
ROWS_PER_OP = 160
"""What one embedder invocation makes of a full batch: ten parts of sixteen chunks."""
OPS = 10
"""The most that SQS hands to the indexer at once, from a FIFO queue."""
BATCH = ROWS_PER_OP * OPS
YOUNG_TABLES = 5
GOAL = 0.9


def growth(plan: Plan) -> Iterator[Line]:
    """The indexer's rate on young tables, on a table that grew, and on that one far away."""
    corpus = Corpus(*real(plan.real, plan.model), per_document=ROWS_PER_OP, name="grown")
    place = store.folder(plan.scratch / "growth")
    indexes = place.indexes()
    young = _total([_young(indexes, corpus, n) for n in range(YOUNG_TABLES)])
    taken = [apply_batch(indexes, corpus, first) for first in range(0, plan.growth, BATCH)]
    late = _total(taken[-max(1, len(taken) // 5) :])
    whole = _total(taken)
    was, now = f"first {BATCH:,} rows of {YOUNG_TABLES} tables", f"table of {plan.growth:,} rows"
    yield Figure(f"indexer, {was}", young.rate, "rows/s")
    yield Figure(
        f"indexer, last fifth of a {now}", late.rate, "rows/s", late.rate / young.rate, was
    )
    yield Figure(f"indexer, whole {now}", whole.rate, "rows/s", whole.rate / young.rate, was)
    yield Figure(f"indexer CPU, {was}", 1_000 * young.cpu_per_row, "ms/row")
    yield Figure(f"indexer CPU, last fifth of a {now}", 1_000 * late.cpu_per_row, "ms/row")
    yield from _derived(plan, young, late)
    yield from _far(plan, corpus, len(taken) * BATCH)


@dataclass(frozen=True, slots=True)
class Took:
    """What some rows took, in wall and in CPU seconds (of all the process's threads)."""

    rows: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.rows / self.seconds

    @property
    def cpu_per_row(self) -> float:
        return self.cpu / self.rows


def apply_batch(
    indexes: Indexes, corpus: Corpus, first: int, partition: Partition = PARTITION
) -> Took:
    """One invocation of the indexer: ``BATCH`` rows from number ``first`` of the corpus on."""
    ledger, objects = MemoryLedger(), MemoryObjects()
    ops = [
        _operation(corpus.rows(at, ROWS_PER_OP), ledger, objects, partition)
        for at in range(first, first + BATCH, ROWS_PER_OP)
    ]
    start, cpu = time.perf_counter(), time.process_time()
    done, error = apply_ops(
        partition, ops, ledger=ledger, objects=objects, queues=MemoryQueues(), indexes=indexes
    )
    took = Took(BATCH, time.perf_counter() - start, time.process_time() - cpu)
    if error is not None or done != len(ops):
        raise error or ValueError(f"{done} of {len(ops)} operations were applied")
    return took


def _operation(
    rows: list[Row], ledger: MemoryLedger, objects: MemoryObjects, partition: Partition
) -> Upsert:
    """What the splitter and the embedder leave behind for one document."""
    document = begin(ledger, rows[0].document_id, len(rows), partition)
    chunks = [row.chunk for row in rows]
    spans = _store_parts(objects, document, chunks)
    base = Part(partition, document.document_id, 1, 0, len(rows))
    key = write_vectors(objects, base, FINGERPRINT, chunks, [row.vector for row in rows])
    ledger.record_chunks(document, range(len(rows)), ChunkState.EMBEDDED)
    return Upsert(
        tenant=partition.tenant,
        collection=partition.collection,
        document_id=document.document_id,
        generation=1,
        vectors_key=key,
        parts=spans,
    )


def _store_parts(
    objects: MemoryObjects, document: Document, chunks: list[Chunk]
) -> tuple[Span, ...]:
    base = Part(document.partition, document.document_id, 1, 0, 0)
    spans = []
    for part, run in cut_parts(base, chunks):
        write_part(objects, part, run)
        spans.append(Span(first=part.first, count=part.count))
    return tuple(spans)


def _young(indexes: Indexes, corpus: Corpus, number: int) -> Took:
    return apply_batch(indexes, corpus, 0, Partition(PARTITION.tenant, f"young-{number}"))


def _derived(plan: Plan, young: Took, late: Took) -> Iterator[Line]:
    """How much slower the whole ingest gets if CPU is what it is short of, as on one machine.

    A chunk costs at least its embedding beside its row, so this ratio is a lower bound.
    """
    texts, embedder = material.of_tokens(plan.texts, plan.model), OnnxEmbedder(plan.model)
    cpu = time.process_time()
    embedder.embed(texts)
    embedding = (time.process_time() - cpu) / len(texts)
    ratio = (embedding + young.cpu_per_row) / (embedding + late.cpu_per_row)
    rate = 1 / (embedding + late.cpu_per_row)
    what = f"ingest at {plan.growth:,} chunks, derived"
    yield Figure(what, rate, "chunks/CPU s", ratio, "derived at the first chunks", GOAL)
    yield Note(
        "the indexer's rates are measured; that of the whole ingest is derived from its CPU time "
        f"and {1_000 * embedding:.1f} ms for embedding a chunk of {material.TOKENS} tokens."
    )


def _far(plan: Plan, corpus: Corpus, grown: int) -> Iterator[Line]:
    """The same behind S3 requests that take their time: the rate that one partition can reach."""
    batches = max(1, grown // BATCH // 10)
    with store.far(plan.scratch / "growth") as (place, _):
        indexes = place.indexes()
        young = _total([_young(indexes, corpus, YOUNG_TABLES + n) for n in range(2)])
        late = _total([apply_batch(indexes, corpus, grown + n * BATCH) for n in range(batches)])
    what = f"indexer, S3 with {store.DELAY_MS} ms"
    yield Figure(f"{what}, first {BATCH:,} rows of 2 tables", young.rate, "rows/s")
    yield Figure(
        f"{what}, next {late.rows:,} rows of the grown table",
        late.rate,
        "rows/s",
        late.rate / young.rate,
        "first rows there",
    )


def _total(taken: list[Took]) -> Took:
    return Took(
        sum(one.rows for one in taken),
        sum(one.seconds for one in taken),
        sum(one.cpu for one in taken),
    )
