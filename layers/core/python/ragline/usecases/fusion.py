"""One ranking of several: of the legs of a search, or of the fused order and a reranker's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev

from ragline.domain.chunks import Candidate, Passage


@dataclass(frozen=True, slots=True)
class LegRank:
    """Where one leg put a hit: ``rank`` from 1; ``score`` is the leg's own (cosine or BM25)."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Fused:
    """A candidate of one leg or more. ``score`` is comparable within one result only.

    ``ranks`` are those of the legs that found it.
    """

    candidate: Candidate
    score: float
    ranks: Mapping[str, LegRank]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found; ``score`` and ``ranks`` as ``Fused`` has them.

    ``rerank`` is where the reranker put it; then the score is that of both.
    """

    passage: Passage
    score: float
    ranks: Mapping[str, LegRank]
    rerank: LegRank | None = None


def fuse(legs: Mapping[str, Sequence[Candidate]], weights: Mapping[str, float]) -> list[Fused]:
    """Distribution-based score fusion: score(d) = Σ weight · standardised score of d, best first.

    Each leg's scores are standardised by their own mean μ and deviation σ, (s - μ) / 6σ + ½, which
    lies mostly between 0 and 1 and does not depend on the leg's scale (Mazzeschi 2023, as in
    Qdrant's DBSF; unclipped, so that no two scores become equal). What a leg did not return counts
    as the worst that it did. Rows that match no keyword score 0 in BM25, so where fewer match than
    the other leg returned, that many zeros stand in: a sole match is a strong one.

    One leg alone keeps its scores. Equal scores are ordered by chunk id, never by chance.
    """
    places = _places(legs)
    if len(legs) == 1:
        scores = {key: at[name].score for key, at in places.items() for name in legs}
    else:
        scores = _standardised_sums(legs, places, weights)
    candidates = {one.chunk_id: one for leg in legs.values() for one in leg}
    fused = [Fused(candidates[key], score, places[key]) for key, score in scores.items()]
    return sorted(fused, key=_order)


def blend(hits: Sequence[Hit], scores: Sequence[float], weight: float) -> list[Hit]:
    """The hits in the order of ``weight`` reranker and ``1 - weight`` fused score, both set to 0-1.

    ``scores`` are the reranker's, one a hit. Hits of equal scores keep their order.
    """
    ranks = {at: rank for rank, at in enumerate(_descending(scores), start=1)}
    own, fused = _spread(scores), _spread([hit.score for hit in hits])
    blended = [
        replace(
            hit,
            score=weight * own[at] + (1 - weight) * fused[at],
            rerank=LegRank(ranks[at], float(scores[at])),
        )
        for at, hit in enumerate(hits)
    ]
    return sorted(blended, key=lambda hit: -hit.score)


def below(hits: Sequence[Hit]) -> list[Hit]:
    """Hits that come after blended ones, their scores from -1 to 0, so that they compare."""
    scores = _spread([hit.score for hit in hits])
    return [replace(hit, score=score - 1) for hit, score in zip(hits, scores, strict=True)]


def _order(fused: Fused) -> tuple[float, str]:
    return -fused.score, fused.candidate.chunk_id


def _places(legs: Mapping[str, Sequence[Candidate]]) -> dict[str, dict[str, LegRank]]:
    places: dict[str, dict[str, LegRank]] = {}
    for name, leg in legs.items():
        for rank, candidate in enumerate(leg, start=1):
            places.setdefault(candidate.chunk_id, {})[name] = LegRank(rank, candidate.score)
    return places


def _standardised_sums(
    legs: Mapping[str, Sequence[Candidate]],
    places: Mapping[str, Mapping[str, LegRank]],
    weights: Mapping[str, float],
) -> dict[str, float]:
    longest = max(map(len, legs.values()))
    total = sum(weights[name] for name in legs) or 1.0
    sums = dict.fromkeys(places, 0.0)
    for name, leg in legs.items():
        known = [candidate.score for candidate in leg]
        if name == "bm25":
            known += [0.0] * (longest - len(known))
        deviation = pstdev(known) if known else 0.0
        if not deviation:
            continue  # it prefers none
        mean, worst = fmean(known), min(known)
        for key, at in places.items():
            score = at[name].score if name in at else worst
            sums[key] += weights[name] / total * ((score - mean) / (6 * deviation) + 0.5)
    return sums


def _spread(scores: Sequence[float]) -> list[float]:
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]


def _descending(scores: Sequence[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda at: (-scores[at], at))
