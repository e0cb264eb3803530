"""The same queries on LangChain's EnsembleRetriever (rank_bm25 and FAISS) over the same rows."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench import venv
from tests.bench.corpus import Corpus
from tests.bench.figures import FASTER, Figure, Line, Note, Skipped, percentile

GOAL = 10
GOAL_FROM = 100_000
BATCH = 10_000
QUERIES = 40
"""Enough for a peer that takes most of a second for each; asked of us before and after."""


def compare(folder: Path, size: int, ours: Callable[[], list[float]]) -> Iterator[Line]:
    """Their milliseconds a query, and how many times faster ours are; no embedding on either side.

    ``folder`` is as ``hand_over`` leaves it; ``ours`` asks us the same queries.
    """
    before = ours()
    try:
        answer = venv.run("ensemble_retriever.py", str(folder))
    except (Skipped, RuntimeError) as error:  # the larger sizes are still to come
        yield Note(f"{size:,} against LangChain: not measured: {error}")
        return
    mine, took = before + ours(), [float(one) for one in answer["milliseconds"]]
    what = f"{size:,}: LangChain EnsembleRetriever (rank_bm25, FAISS)"
    times = statistics.median(took) / statistics.median(mine)
    tail = percentile(took, 0.99) / percentile(mine, 0.99)
    goal = GOAL if size >= GOAL_FROM else None
    yield Figure(f"{what}, p50", statistics.median(took), "ms", times, FASTER, goal)
    yield Figure(f"{what}, p99", percentile(took, 0.99), "ms", tail, FASTER)
    yield Figure(f"{what}, building it", float(answer["build_seconds"]), "s")


def hand_over(
    folder: Path,
    corpus: Corpus,
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    size: int,
) -> None:
    """The rows and the queries in files that need none of our code to read."""
    folder.mkdir(parents=True)
    made: list[NDArray[np.float32]] = []
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as lines:
        for first in range(0, size, BATCH):
            rows = corpus.rows(first, min(BATCH, size - first))
            lines.writelines(json.dumps(row.chunk.text) + "\n" for row in rows)
            made += [row.vector for row in rows]
    np.save(folder / "vectors.npy", np.stack(made))
    np.save(folder / "asked.npy", vectors)
    (folder / "asked.json").write_text(json.dumps(list(texts)), encoding="utf-8")
