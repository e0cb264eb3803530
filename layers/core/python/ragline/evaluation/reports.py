"""What an evaluation found: figures of each variant, and what is sure about their differences."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragline.evaluation.asking import Making, Run
from ragline.evaluation.datasets import Dataset
from ragline.evaluation.measures import MEASURES, Interval, Scores, difference, score
from ragline.usecases.search import MAX_QUERY_CHARACTERS

BEST_BY = "nDCG@10"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one variant: measures averaged over queries; milliseconds a query, as the caller waits.

    ``documents`` and ``passages`` are how many a query was answered with, on average.
    """

    variant: str
    measures: Mapping[str, float]
    documents: float
    passages: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much greater a measure of ``variant`` is than that of ``against``."""

    variant: str
    against: str
    measure: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Report:
    """``notes`` are sentences: what is not as it would be expected."""

    dataset: str
    split: str
    queries: int
    documents: int
    making: Making
    figures: Sequence[Figures]
    differences: Sequence[Difference]
    notes: Sequence[str]

    def answer(self) -> dict[str, Any]:
        """For machines."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "queries": self.queries,
            "documents": self.documents,
            "where": self.making.where,
            "embedder": self.making.embedder,
            "reranker": self.making.reranker,
            "chunks": self.making.chunks,
            "ended": dict(self.making.ended),
            "build_seconds": round(self.making.seconds, 2),
            "build_kept": self.making.kept,
            "modes": {
                one.variant: {
                    **{name: round(value, 5) for name, value in one.measures.items()},
                    "documents_per_query": round(one.documents, 2),
                    "passages_per_query": round(one.passages, 2),
                    "p50_ms": round(one.p50_ms, 2),
                    "p95_ms": round(one.p95_ms, 2),
                }
                for one in self.figures
            },
            "differences": [
                {
                    "mode": one.variant,
                    "against": one.against,
                    "measure": one.measure,
                    "mean": round(one.interval.mean, 5),
                    "low": round(one.interval.low, 5),
                    "high": round(one.interval.high, 5),
                    "certain": one.interval.certain,
                }
                for one in self.differences
            ],
            "notes": list(self.notes),
        }


def report(dataset: Dataset, making: Making, runs: Sequence[Run], notes: Sequence[str]) -> Report:
    """The figures of these runs on one collection; ``notes`` come before those made here."""
    scores = {str(run.variant): score(dataset.qrels, run.found) for run in runs}
    return Report(
        dataset=dataset.name,
        split=dataset.split,
        queries=len(dataset.queries),
        documents=len(dataset.entries),
        making=making,
        figures=[_figures(run, scores[str(run.variant)]) for run in runs],
        differences=list(_differences(scores)),
        notes=[*notes, *_notes(dataset, runs)],
    )


def _figures(run: Run, scores: Scores) -> Figures:
    asked, times = len(run.found), sorted(run.milliseconds)
    return Figures(
        variant=str(run.variant),
        measures={name: float(values.mean()) for name, values in scores.items()},
        documents=sum(map(len, run.found.values())) / asked,
        passages=run.passages / asked,
        p50_ms=statistics.median(times),
        p95_ms=times[min(len(times) - 1, int(0.95 * len(times)))],
    )


def _differences(scores: Mapping[str, Scores]) -> Iterator[Difference]:
    for variant, against in _pairs(scores):
        for measure in MEASURES:
            interval = difference(scores[variant][measure], scores[against][measure])
            yield Difference(variant, against, measure, interval)


def _pairs(scores: Mapping[str, Scores]) -> Sequence[tuple[str, str]]:
    """Each variant and the one before it, and the hybrid and the better of its legs."""
    names = list(scores)
    pairs = list(zip(names[1:], names, strict=False))
    legs = [name for name in ("dense", "bm25") if name in scores]
    if "hybrid" in scores and legs:
        better = max(legs, key=lambda name: float(scores[name][BEST_BY].mean()))
        pairs.append(("hybrid", better))
    return list(dict.fromkeys(pairs))


def _notes(dataset: Dataset, runs: Sequence[Run]) -> Iterator[str]:
    if len(dataset.entries) < dataset.total:
        yield (
            f"a sample of {len(dataset.entries):,} of {dataset.total:,} documents, those judged "
            "first: with fewer others to be mistaken for them, every figure is better than the "
            "whole collection's."
        )
    if dataset.unjudged:
        yield f"{dataset.unjudged:,} queries were left out: nothing is judged relevant to them."
    long = sum(1 for query in dataset.queries.values() if len(query) > MAX_QUERY_CHARACTERS)
    if long:
        yield f"{long:,} queries were cut to {MAX_QUERY_CHARACTERS:,} characters, the limit."
    for run in runs:
        if run.unreranked:
            yield f"{run.variant}: {run.unreranked:,} queries were not reranked."
