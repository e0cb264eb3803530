"""Measures of ranked lists, by ir_measures, and how sure one can be that two lists differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragline.domain.errors import SetupError
from ragline.evaluation.datasets import Qrels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEASURES: Mapping[str, str] = {
    "nDCG@10": "nDCG@10",
    "Recall@10": "R@10",
    "Recall@100": "R@100",
    "MRR@10": "RR@10",
    "P@5": "P@5",
}
"""What we call them, and what ir_measures does (https://ir-measur.es/en/latest/measures.html)."""

RESAMPLES = 10_000
CONFIDENCE = 0.95
_SEED = 20_261_121

Scores = Mapping[str, "NDArray[np.float64]"]
"""Measure → its value for each query, in the order of the queries."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean difference over queries, with its confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out 0: another draw of such queries would hardly turn it."""
        return not self.low <= 0 <= self.high


def score(qrels: Qrels, found: Mapping[str, Sequence[str]]) -> Scores:
    """The measures of each query of ``found``: query id → documents' ids, best first.

    Raises:
        SetupError: ir_measures is not installed.
    """
    import numpy as np

    try:
        import ir_measures
    except ImportError as error:
        raise _missing(error) from error
    ours = {ir_measures.parse_measure(theirs): name for name, theirs in MEASURES.items()}
    order = {query: at for at, query in enumerate(found)}
    scores = {name: np.zeros(len(order)) for name in MEASURES}
    run = {query: ranked(documents) for query, documents in found.items()}
    judged = {query: dict(qrels[query]) for query in order}
    for metric in ir_measures.iter_calc(list(ours), judged, run):
        scores[ours[metric.measure]][order[metric.query_id]] = metric.value
    return scores


def ranked(documents: Sequence[str]) -> dict[str, float]:
    """A score for each document that falls with its rank: no two are equal.

    Of equal scores, trec_eval would rather see the ids than our order.
    """
    return {document: 1 / rank for rank, document in enumerate(documents, start=1)}


def difference(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Interval:
    """How much greater ``ours`` is on average, query by query, by the paired bootstrap.

    Queries are drawn again with replacement; Sakai, SIGIR 2006,
    https://doi.org/10.1145/1148170.1148261. The same values give the same interval.
    """
    import numpy as np

    try:
        from scipy.stats import bootstrap  # type: ignore[import-untyped]
    except ImportError as error:
        raise _missing(error) from error
    mean = float(np.mean(ours - theirs))
    if len(ours) < 2:
        return Interval(mean, -1.0, 1.0)  # one query says nothing of others
    if np.all(ours == theirs):
        return Interval(mean, mean, mean)

    def average(a: NDArray[np.float64], b: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        averages: NDArray[np.float64] = np.mean(a - b, axis=axis)
        return averages

    drawn = bootstrap(
        (ours, theirs),
        average,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=500,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    )
    interval = drawn.confidence_interval
    return Interval(mean, float(interval.low), float(interval.high))


def _missing(error: ImportError) -> SetupError:
    return SetupError(
        f"the package {error.name} is needed to evaluate. Install it with "
        "`pip install 'ragline[eval]'`."
    )
