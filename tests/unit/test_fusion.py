"""How the legs' rankings become one, and how much a reranker may change it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ragline.domain.chunks import Candidate, Chunk, Passage
from ragline.usecases.fusion import Fused, Hit, LegRank, below, blend, fuse

EVEN = {"dense": 0.5, "bm25": 0.5}
SCORES = st.lists(st.floats(0.01, 50, allow_nan=False), max_size=12).map(
    lambda scores: sorted(scores, reverse=True)
)


def leg(**scores: float) -> list[Candidate]:
    return [Candidate(name, 1, 0, score) for name, score in scores.items()]


def names(fused: list[Fused]) -> list[str]:
    return [one.candidate.document_id for one in fused]


def test_what_both_legs_find_comes_before_what_one_of_them_finds_alike() -> None:
    dense = leg(a=0.8, both=0.7, b=0.3, c=0.2)
    bm25 = leg(d=9.0, both=8.0, e=2.0, f=1.0)
    assert names(fuse({"dense": dense, "bm25": bm25}, EVEN))[0] == "both"


def test_the_sole_passage_with_a_rare_keyword_comes_first() -> None:
    dense = leg(**{f"d{i:02}": 0.6 - i / 100 for i in range(30)})
    bm25 = leg(d25=3.0)
    assert names(fuse({"dense": dense, "bm25": bm25}, EVEN))[0] == "d25"


def test_a_leg_that_scores_all_alike_prefers_none() -> None:
    dense = leg(a=0.5, b=0.5, c=0.5)
    bm25 = leg(c=3.0, b=2.0, a=1.0)
    assert names(fuse({"dense": dense, "bm25": bm25}, EVEN)) == ["c", "b", "a"]


def test_an_empty_leg_leaves_the_order_of_the_other() -> None:
    assert names(fuse({"dense": leg(a=0.3, b=0.2), "bm25": []}, EVEN)) == ["a", "b"]
    assert names(fuse({"dense": [], "bm25": leg(a=3.0, b=2.0)}, EVEN)) == ["a", "b"]
    assert fuse({"dense": [], "bm25": []}, EVEN) == []


def test_one_leg_alone_keeps_its_scores() -> None:
    [hit] = fuse({"bm25": leg(a=7.5)}, EVEN)
    assert (hit.score, hit.ranks) == (7.5, {"bm25": LegRank(1, 7.5)})


def test_a_leg_of_no_weight_only_adds_what_the_other_did_not_find() -> None:
    hits = fuse({"dense": leg(a=0.9, b=0.1), "bm25": leg(c=9.0, b=8.0)}, {"dense": 1, "bm25": 0})
    assert names(hits)[0] == "a"
    assert set(names(hits)) == {"a", "b", "c"}


def test_each_hit_says_where_each_leg_put_it() -> None:
    hits = fuse({"dense": leg(a=0.9, b=0.1), "bm25": leg(b=9.0)}, EVEN)
    ranks = {one.candidate.document_id: one.ranks for one in hits}
    assert ranks["a"] == {"dense": LegRank(1, 0.9)}
    assert ranks["b"] == {"dense": LegRank(2, 0.1), "bm25": LegRank(1, 9.0)}


@given(dense=SCORES, bm25=SCORES, factor=st.floats(0.1, 100), shift=st.integers(0, 5))
def test_the_order_does_not_depend_on_the_scale_of_a_leg(
    dense: list[float], bm25: list[float], factor: float, shift: int
) -> None:
    def both(scale: float) -> list[Fused]:
        first = leg(**{f"p{i}": score for i, score in enumerate(dense)})
        second = leg(**{f"p{i + shift}": score * scale for i, score in enumerate(bm25)})
        return fuse({"dense": first, "bm25": second}, EVEN)

    one, other = both(1), both(factor)
    scores = [hit.score for hit in one]
    assume(all(a - b > 1e-6 for a, b in pairwise(scores)))
    assert names(one) == names(other)


@given(dense=SCORES, bm25=SCORES)
def test_every_candidate_is_a_hit_once(dense: list[float], bm25: list[float]) -> None:
    first = leg(**{f"p{i}": score for i, score in enumerate(dense)})
    second = leg(**{f"p{2 * i}": score for i, score in enumerate(bm25)})
    found = names(fuse({"dense": first, "bm25": second}, EVEN))
    assert len(found) == len(set(found))
    assert set(found) == {one.document_id for one in [*first, *second]}


def hits(**scores: float) -> list[Hit]:
    return [
        Hit(Passage(name, 1, Chunk(0, name, 1, 0, 1), "f.txt"), score, {})
        for name, score in scores.items()
    ]


def order(hits: list[Hit]) -> list[str]:
    return [hit.passage.document_id for hit in hits]


def test_a_reranker_of_full_weight_decides_alone() -> None:
    assert order(blend(hits(a=3, b=2, c=1), [0.1, 0.2, 0.3], 1.0)) == ["c", "b", "a"]


def test_a_reranker_of_half_weight_is_one_voice_of_two() -> None:
    ranked = blend(hits(a=1.0, b=0.95, c=0.0), [0.0, 0.6, 1.0], 0.5)
    assert order(ranked) == ["b", "a", "c"]
    assert ranked[0].score == pytest.approx(0.5 * 0.6 + 0.5 * 0.95)


def test_each_reranked_hit_says_where_the_reranker_put_it() -> None:
    ranked = blend(hits(a=2, b=1), [-1.0, 4.0], 0.5)
    assert {hit.passage.document_id: hit.rerank for hit in ranked} == {
        "a": LegRank(2, -1.0),
        "b": LegRank(1, 4.0),
    }


def test_a_reranker_that_scores_all_alike_changes_nothing() -> None:
    assert order(blend(hits(b=2, a=1), [5.0, 5.0], 1.0)) == ["b", "a"]
    assert order(blend(hits(b=2, a=1), [5.0, 5.0], 0.5)) == ["b", "a"]


def test_hits_that_were_not_reranked_score_below_those_that_were() -> None:
    reranked = blend(hits(a=0.2, b=0.1), [0.0, 1.0], 0.5)
    others = below(hits(c=20.0, d=3.0))
    scores = [hit.score for hit in [*reranked, *others]]
    assert order(others) == ["c", "d"]
    assert scores == sorted(scores, reverse=True)
    assert below([]) == []
