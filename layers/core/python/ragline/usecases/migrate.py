"""Bringing another index up to the ledger: that of another embedding model, or in another store.

The index that answers goes on meanwhile, and so does ingest. What is written beside it is made of
stored chunks; vectors that are in the bucket already are not made anew, so a migration that was cut
short, or is run again to catch up, only does what is missing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ragline.domain.chunks import Chunk, Part
from ragline.domain.documents import Document
from ragline.domain.errors import (
    EmbeddingFailed,
    RaglineError,
    SetupError,
    StoredDataLost,
)
from ragline.domain.keys import parse_stored_key, vectors_prefix
from ragline.domain.messages import Span, Upsert
from ragline.ports import Embedder, Ledger, Objects
from ragline.usecases.lacking import Plan, Task, plan
from ragline.usecases.parts import read_part, read_vectors, write_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
__all__ = ["Delivery", "Done", "Means", "Plan", "Task", "Trouble", "migrate", "plan"]

PARTS_PER_OP = 10
"""As the embedder does: at most 160 chunks in a vectors object."""

CHUNKS_PER_DELIVERY = 1_600
"""As the indexer does: so many rows in a commit."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What could not be migrated of a document, and why."""

    document: Document
    generation: int
    code: str
    message: str
    chunks: int


@dataclass(slots=True)
class Done:
    """What was made of one task. ``gone``: the document was deleted or replaced meanwhile."""

    task: Task
    ops: list[Upsert] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    embedded: int = 0
    reused: int = 0
    troubles: list[Trouble] = field(default_factory=list)
    gone: bool = False

    def note(self, error: RaglineError, chunks: int) -> None:
        """Of so many chunks, what went wrong."""
        task = self.task
        self.troubles.append(
            Trouble(task.document, task.generation, error.code, str(error), chunks)
        )


class Delivery(Protocol):
    """How rows come into the target."""

    def deliver(self, batch: Sequence[Done]) -> None:
        """Make rows of their operations, soon or at once; what is wrong with one is its trouble."""

    def undo(self, task: Task) -> None:
        """Remove rows that may have been made of a generation which counts no more."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a migration works with. Without an ``embedder`` it takes vectors from the bucket only.

    ``delivery`` makes rows of the operations. ``nonce`` marks this run's messages; ``moved`` is
    told of chunks whose vectors are there.
    """

    ledger: Ledger
    objects: Objects
    fingerprint: str
    embedder: Embedder | None
    delivery: Delivery
    nonce: str = ""
    moved: Callable[[int], None] = lambda chunks: None


def migrate(tasks: Sequence[Task], means: Means, *, threads: int = 1) -> Iterator[Done]:
    """Do the tasks, many at once; each is yielded when it is delivered.

    What is wrong with one document is its trouble alone. Give up at any time: what was begun is
    finished or left, and the next run goes on from there.

    Raises:
        SetupError: the stores, or the model, refuse us or one another.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(threads) as pool:
        try:
            batch: list[Done] = []
            for done in _ahead(pool, lambda task: _prepare(task, means, stop), tasks, 4 * threads):
                batch.append(done)
                if sum(len(one.task.missing) for one in batch) >= CHUNKS_PER_DELIVERY:
                    yield from _deliver(batch, means)
                    batch = []
            yield from _deliver(batch, means)
        finally:
            stop.set()


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[Task], Done], tasks: Sequence[Task], window: int
) -> Iterator[Done]:
    """The results in order, never more than ``window`` of them begun and not yet taken."""
    begun: deque[Future[Done]] = deque()
    for task in tasks:
        begun.append(pool.submit(work, task))
        if len(begun) == window:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _prepare(task: Task, means: Means, stop: threading.Event) -> Done:
    """Everything but the rows: vectors in the bucket, and the operations that make rows of them."""
    done = Done(task)
    try:
        if stop.is_set():
            return done
        if not _counts(task, means.ledger):
            done.gone = True
            return done
        left = _from_the_bucket(done, means)
        parts = task.parts(sorted(left))
        for at in range(0, len(parts), PARTS_PER_OP):
            if stop.is_set() or done.gone:
                break
            _embed(done, parts[at : at + PARTS_PER_OP], left, means)
    except SetupError:
        raise
    except RaglineError as error:
        done.note(error, len(task.missing) - done.embedded - done.reused)
    return done


def _counts(task: Task, ledger: Ledger) -> bool:
    """Whether the generation's chunks are (still) to be found: live, or worked on."""
    document = ledger.get(task.document.partition.tenant, task.document.document_id)
    if document is None or document.partition != task.document.partition:
        return False
    return document.wants(task.generation) or document.shows(task.generation)


def _from_the_bucket(done: Done, means: Means) -> set[int]:
    """Operations for the vectors that are there; the ordinals of the chunks that have none."""
    task, left = done.task, set(done.task.missing)
    document = task.document
    prefix = vectors_prefix(document.partition, document.document_id, task.generation)
    for key in list(means.objects.list(prefix)):
        stored = parse_stored_key(key)
        if stored is None or stored.fingerprint != means.fingerprint or not left:
            continue
        try:
            found = sorted(read_vectors(means.objects, key).keys() & task.work.chunks.keys())
        except StoredDataLost:
            continue  # embedded anew, or missed below
        useful = left.intersection(found)
        if useful:
            done.ops.append(_op(task, key, task.parts(found), means))
            done.reused += len(useful)
            means.moved(len(useful))
            left -= useful
    return left


def _embed(done: Done, parts: Sequence[Part], wanted: set[int], means: Means) -> None:
    """Read these parts, embed those of their chunks that are wanted, keep the vectors."""
    kept: list[Part] = []
    chunks: list[Chunk] = []
    for part in parts:
        try:
            some = [one for one in read_part(means.objects, part) if one.ordinal in wanted]
        except StoredDataLost as error:
            done.note(error, len(wanted.intersection(part.ordinals)))
            continue
        chunks += some
        kept.append(part)
    if means.embedder is None:
        missing = (
            f"the bucket holds no vectors by model {means.fingerprint} of {len(chunks)} chunks"
        )
        if chunks:
            done.note(StoredDataLost(f"{missing}: `ragline doctor --repair`."), len(chunks))
        return
    vectors = _vectors(done, chunks, means.embedder)
    embedded = [one for one in chunks if one.ordinal in vectors]
    if not embedded:
        return
    if not _counts(done.task, means.ledger):
        done.gone = True  # what was written before is delivered, and cleared away then
        return
    rows = [vectors[one.ordinal] for one in embedded]
    key = write_vectors(means.objects, kept[0], means.fingerprint, embedded, rows)
    done.written.append(key)
    done.ops.append(_op(done.task, key, kept, means))
    done.embedded += len(embedded)
    means.moved(len(embedded))


def _vectors(
    done: Done, chunks: Sequence[Chunk], embedder: Embedder
) -> dict[int, NDArray[np.float32]]:
    """Ordinal → vector; what the model cannot embed is trouble, and its neighbours go on."""
    if not chunks:
        return {}
    ordinals = [one.ordinal for one in chunks]
    try:
        return dict(zip(ordinals, embedder.embed([one.searched for one in chunks]), strict=True))
    except EmbeddingFailed as error:
        if len(chunks) == 1:
            done.note(error, 1)
            return {}
    found: dict[int, NDArray[np.float32]] = {}
    for one in chunks:
        found |= _vectors(done, [one], embedder)
    return found


def _op(task: Task, key: str, parts: Sequence[Part], means: Means) -> Upsert:
    return Upsert(
        nonce=means.nonce,
        tenant=task.document.partition.tenant,
        collection=task.document.partition.collection,
        document_id=task.document.document_id,
        generation=task.generation,
        vectors_key=key,
        migrated=True,
        parts=tuple(Span(first=part.first, count=part.count) for part in parts),
    )


def _deliver(batch: Sequence[Done], means: Means) -> Iterator[Done]:
    """Rows of what was prepared; then whether each still counts, for it may have gone meanwhile."""
    if any(done.ops for done in batch):
        means.delivery.deliver(batch)
    for done in batch:
        if not _counts(done.task, means.ledger):
            done.gone = True
            # The indexer drops late operations with their vectors; these may come after it did.
            means.objects.delete(done.written)
            means.delivery.undo(done.task)
        yield done
