"""What a hybrid query takes, by size of the collection: warm and cold, here and far away.

The unit is the use case, ``search``, with the ledger in memory and the query's vector made
beforehand: embedding it is measured on its own, since it costs the same at every size.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragline.adapters.lance import upkeep
from ragline.adapters.lance.index import LanceIndex
from ragline.embedding.onnx import OnnxEmbedder
from ragline.ports import Embedder, Ledger, VectorIndex
from ragline.usecases.search import SearchRequest, search
from tests.bench import ensemble, fresh, kept, material, store
from tests.bench.corpus import PARTITION, AllLive, Corpus, real
from tests.bench.figures import Figure, Line, Note, Plan, milliseconds, spread

FINGERPRINT = "bench"
BATCH = 10_000
TOP = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """The queries of a run, with their vectors: ``(len(texts), dimensions)``."""

    texts: Sequence[str]
    vectors: NDArray[np.float32]

    def first(self, count: int) -> Asked:
        return Asked(self.texts[:count], self.vectors[:count])


class Remembered:
    """Implements ``ports.Embedder`` for texts whose vectors are known."""

    def __init__(self, asked: Asked, fingerprint: str = FINGERPRINT) -> None:
        self._known: dict[str, NDArray[np.float32]] = dict(
            zip(asked.texts, asked.vectors, strict=True)
        )
        self.fingerprint = fingerprint
        self.dimensions = asked.vectors.shape[1]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.stack([self._known[text] for text in texts])
        return found

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._known[text]

    def fluency(self, text: str) -> float:
        return 1.0


def queries(plan: Plan) -> Iterator[Line]:
    """One table grows from size to size, and is asked at each; a large one is kept ready."""
    embedder = OnnxEmbedder(plan.model)
    texts = material.questions(plan.asked)
    embedder.embed_query("warm")
    took = [milliseconds(lambda t=t: embedder.embed_query(t)) for t in texts]  # type: ignore[misc]
    alone = statistics.median(took)
    yield from spread("embedding a query", took)
    asked = Asked(texts, np.stack([embedder.embed_query(text) for text in texts]))
    corpus, ledger = Corpus(*real(plan.real, plan.model)), AllLive()
    have = 0
    for size in sorted(plan.sizes):
        large = size >= kept.FROM_ROWS
        root = kept.root(plan, size) if large else plan.scratch / "queries"
        if large and not kept.is_built(root) and (lacking := kept.lacks(root, size)):
            yield Note(f"{size:,}: not measured: {lacking}.")
            continue
        yield _built(root, corpus, 0 if large else have, size)
        have = have if large else size
        place = store.folder(root)
        index = place.index(FINGERPRINT)
        yield from _near(size, ask(index, ledger, asked), alone)
        yield from fresh.cold(plan, place, size)
        yield from _far(root, ledger, asked.first(plan.asked // 4), size)
        if size in plan.peer_sizes:
            some = asked.first(ensemble.QUERIES)
            folder = plan.scratch / f"ensemble-{size}"
            ensemble.hand_over(folder, corpus, some.texts, some.vectors, size)
            yield from ensemble.compare(folder, size, partial(ask, index, ledger, some))
    yield Note(
        f"{len(texts)} distinct queries a size, top {TOP}, hybrid, without embedding the query; "
        f"{plan.real:,} chunks have real vectors, the others' are drawn around those."
    )


def _built(root: Path, corpus: Corpus, have: int, size: int) -> Line:
    """Grow the table below ``root`` from ``have`` to ``size`` rows, unless it was kept whole."""
    large = size >= kept.FROM_ROWS
    if large and kept.is_built(root):
        return Note(f"{size:,}: the index was built by an earlier run, and kept in {root}.")
    if large:
        kept.begin(root)
    start = time.perf_counter()
    fill(LanceIndex(store.folder(root).uri, fingerprint=FINGERPRINT), corpus, have, size)
    took = time.perf_counter() - start
    if large:
        kept.end(root)
    return Figure(f"{size:,}: building the index", took, "s")


def fill(index: LanceIndex, corpus: Corpus, have: int, size: int) -> None:
    """Grow the collection from ``have`` to ``size`` rows, and wait until all are indexed.

    ``optimize`` would leave a fold that takes longer than a function may to a thread.
    """
    for first in range(have, size, BATCH):
        index.upsert(PARTITION, corpus.rows(first, min(BATCH, size - first)))
    index._tables.run(PARTITION, upkeep.fold)


def ask(index: VectorIndex, ledger: Ledger, asked: Asked) -> list[float]:
    """Milliseconds of each query, after some that warm the index up."""
    embedder = Remembered(asked)
    for text in asked.texts[:5]:
        once(text, embedder, index, ledger)
    return [milliseconds(lambda t=t: once(t, embedder, index, ledger)) for t in asked.texts]  # type: ignore[misc]


def once(text: str, embedder: Embedder, index: VectorIndex, ledger: Ledger) -> None:
    """One query; it must find something."""
    request = SearchRequest(PARTITION, text, limit=TOP)
    if not search(request, embedder=embedder, index=index, ledger=ledger).hits:
        raise ValueError(f"nothing was found for {text!r}")


def _near(size: int, took: Sequence[float], alone: float) -> Iterator[Line]:
    middle, tail = spread(f"{size:,}: hybrid query, warm, local", took)
    yield Figure(middle.what, middle.value, "ms", alone / middle.value, "embedding a query")
    yield tail


def _far(root: Path, ledger: Ledger, some: Asked, size: int) -> Iterator[Line]:
    """The same table behind S3 requests that take their time, and how many a query needs."""
    with store.far(root) as (place, meter):
        index = place.index(FINGERPRINT)
        first = milliseconds(lambda: once(some.texts[0], Remembered(some), index, ledger))
        opening = _requests(meter.read())
        ask(index, ledger, some)
        meter.reset()
        took = ask(index, ledger, some)
        used = meter.read()
    what = f"{size:,}: hybrid query, S3 with {store.DELAY_MS} ms"
    yield Figure(f"{what}, first", first, "ms")
    yield Figure(f"{what}, first: requests", opening, "")
    yield from spread(f"{what}, warm", took)
    sent = len(some.texts) + 5
    yield Figure(f"{what}, warm: requests a query", _requests(used) / sent, "")
    yield Figure(f"{what}, warm: read a query", used["BYTES"] / sent / 1_000, "kB")


def _requests(counts: dict[str, int]) -> int:
    return sum(count for kind, count in counts.items() if kind != "BYTES")
