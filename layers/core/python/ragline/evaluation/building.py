"""A collection taken through the splitter, the embedder and the indexer, without their queues."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ragline.adapters.local_files import LocalFiles
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.memory.passwords import MemoryPasswords
from ragline.adapters.memory.queues import MemoryQueues
from ragline.domain.documents import SEARCHABLE, Document, Partition, Status
from ragline.domain.keys import upload_key
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.pages import PageCounts
from ragline.evaluation import sources
from ragline.evaluation.datasets import Entry
from ragline.evaluation.kept_vectors import KeptVectors
from ragline.evaluation.pages import filename, page
from ragline.parsing.here import ReaderHere
from ragline.ports import Embedder, Indexes, Ledger, Tokenizer, VectorIndex
from ragline.usecases.cut import Limits, fingerprint
from ragline.usecases.embed import embed_parts
from ragline.usecases.index import apply_ops
from ragline.usecases.split import split_upload
from ragline.usecases.splitting import Splitting

PARTITION = Partition("default", "evaluation")
TOGETHER = 64
"""Documents that one worker takes at a time, and that one commit holds: about 100 chunks."""

Progress = Callable[[int], None]
"""Told how many documents are done."""


@dataclass(frozen=True, slots=True)
class Means:
    """What documents are cut and embedded by. ``workers`` share them, one thread each."""

    embedder: Embedder
    tokenizer: Tokenizer
    limits: Limits
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Built:
    """An indexed collection. ``entries``: document id → the entry's id.

    ``ended``: how many documents ended in each status, and ``reasons``: why some did not end well,
    a few sentences. ``seconds`` is what it took, and ``kept`` that it was an earlier run's work.
    """

    index: VectorIndex
    ledger: Ledger
    entries: Mapping[str, str]
    chunks: int
    ended: Mapping[str, int]
    reasons: Sequence[str]
    seconds: float
    kept: bool = False


def build(entries: Sequence[Entry], means: Means, folder: Path, progress: Progress) -> Built:
    """Index the entries in a folder that holds nothing yet."""
    start = time.perf_counter()
    ledger, indexes = MemoryLedger(), _indexes(folder)
    batches = _batches(enumerate(entries), TOGETHER)
    pool = ThreadPoolExecutor(means.workers)
    try:
        # The model and the tokenizer work without Python's lock, so threads are enough.
        for batch in pool.map(lambda some: _embedded(some, ledger, means), batches):
            batch.apply(ledger, indexes)
            progress(batch.documents)
    finally:
        pool.shutdown(cancel_futures=True)
    index = indexes.of(means.embedder.fingerprint)
    return _built(entries, ledger, index, time.perf_counter() - start)


def kept(entries: Sequence[Entry], means: Means, folder: Path, progress: Progress) -> Built:
    """The same from what an earlier run left in ``folder``, or built and left there.

    The index is used again if it is of the same entries, cut and embedded by the same means and
    made by the same code; vectors are used again in any case, by their text.
    """
    made = folder / f"index-{_digest(entries, means)}"
    if (made / _RECORD).exists():
        return _restored(entries, means, made)
    vectors = KeptVectors(means.embedder, folder / "vectors")
    kept_means = Means(vectors, means.tokenizer, means.limits, means.workers)
    scratch = folder / f"building-{secrets.token_hex(4)}"
    scratch.mkdir(parents=True)
    try:
        built = build(entries, kept_means, scratch, progress)
        (scratch / _RECORD).write_text(json.dumps(_record(built)))
        with suppress(OSError):  # another process was faster: its index is the same
            scratch.rename(made)
    finally:
        vectors.save()
        shutil.rmtree(scratch, ignore_errors=True)
    return _restored(entries, means, made, new=True)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Documents that are split and embedded; their objects and what the queue would hold."""

    objects: MemoryObjects
    queues: MemoryQueues
    documents: int

    def apply(self, ledger: Ledger, indexes: Indexes) -> None:
        """What the indexer does; one commit."""
        ops = self.queues.ops
        if not ops:
            return
        _, error = apply_ops(
            PARTITION, ops, ledger=ledger, objects=self.objects, queues=self.queues, indexes=indexes
        )
        if error:
            raise error


def _embedded(batch: Sequence[tuple[int, Entry]], ledger: Ledger, means: Means) -> _Batch:
    """What the API, the splitter and the embedder do."""
    objects, queues = MemoryObjects(), MemoryQueues()
    splitting = Splitting(
        ledger=ledger,
        objects=objects,
        files=LocalFiles(objects),
        queues=queues,
        reader=ReaderHere(),
        tokenizer=means.tokenizer,
        limits=means.limits,
        passwords=MemoryPasswords(),
    )
    for position, entry in batch:
        name, key = filename(position), upload_key(PARTITION, _id(position), filename(position))
        objects.put(key, page(entry))
        ledger.create(NewDocument(PARTITION, _id(position), name, key))
        split_upload(key, "1", splitting)
    failed = embed_parts(
        queues.parts, ledger=ledger, objects=objects, queues=queues, embedder=means.embedder
    )
    if failed:
        raise next(iter(failed.values()))
    return _Batch(objects, queues, len(batch))


def _built(
    entries: Sequence[Entry], ledger: MemoryLedger, index: VectorIndex, seconds: float
) -> Built:
    names = {_id(position): entry.id for position, entry in enumerate(entries)}
    documents = ledger.get_many(PARTITION.tenant, names)
    unwell = (one for one in documents.values() if one.status is not Status.INDEXED)
    return Built(
        index=index,
        ledger=ledger,
        entries=names,
        chunks=sum(one.progress.indexed for one in documents.values()),
        ended=Counter(one.status.value for one in documents.values()),
        reasons=[f"{names[one.document_id]}: {_why(one)}" for one in islice(unwell, 5)],
        seconds=seconds,
    )


def _why(document: Document) -> str:
    return document.reason.message if document.reason else document.advice or document.status.value


_RECORD = "built.json"


def _record(built: Built) -> dict[str, object]:
    documents = built.ledger.get_many(PARTITION.tenant, list(built.entries))
    searchable = (one for one in documents.values() if one.status in SEARCHABLE)
    return {
        "chunks": {one.document_id: one.progress.chunks_total for one in searchable},
        "indexed": built.chunks,
        "ended": dict(built.ended),
        "reasons": list(built.reasons),
        "seconds": built.seconds,
    }


def _restored(entries: Sequence[Entry], means: Means, made: Path, *, new: bool = False) -> Built:
    """The index as it is, and a ledger that says of each document what the first one said."""
    record = json.loads((made / _RECORD).read_text())
    ledger = MemoryLedger()
    for document_id, chunks in record["chunks"].items():
        key = upload_key(PARTITION, document_id, "kept.html")
        document = ledger.begin(NewDocument(PARTITION, document_id, "kept.html", key), "1", "")
        if document is not None:
            ledger.plan_ranges(document, 1, 0)
            ledger.record_range(document, 0, chunks, PageCounts())
            ledger.record_chunks(document, range(chunks), ChunkState.INDEXED)
            ledger.settle(PARTITION.tenant, document_id, document.generation)
    return Built(
        index=_indexes(made).of(means.embedder.fingerprint),
        ledger=ledger,
        entries={_id(position): entry.id for position, entry in enumerate(entries)},
        chunks=record["indexed"],
        ended=record["ended"],
        reasons=record["reasons"],
        seconds=record["seconds"],
        kept=not new,
    )


def _indexes(folder: Path) -> Indexes:
    from ragline.adapters.lance.index import LanceIndexes

    return LanceIndexes(str(folder / "lance"))


def _digest(entries: Sequence[Entry], means: Means) -> str:
    """Names an index by all that it is made of."""
    told = hashlib.sha256(sources.digest(__name__).encode())
    told.update(f"{means.embedder.fingerprint}\0{fingerprint(means.limits)}".encode())
    for entry in entries:
        told.update(hashlib.sha256(page(entry)).digest())
    return told.hexdigest()[:16]


def _id(position: int) -> str:
    return f"entry-{position:07d}"


def _batches(
    items: Iterable[tuple[int, Entry]], size: int
) -> Iterator[Sequence[tuple[int, Entry]]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
