"""The measures are the published ones, and the intervals say what they should."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ragline.evaluation.measures import MEASURES, difference, ranked, score


def test_measures_are_those_computed_by_hand() -> None:
    qrels = {"q": {"a": 2, "b": 1, "c": 1, "x": 0}}
    scores = score(qrels, {"q": ["x", "a", "y", "b"]})
    ideal = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert {name: values[0] for name, values in scores.items()} == pytest.approx(
        {
            "nDCG@10": (2 / math.log2(3) + 1 / math.log2(5)) / ideal,
            "Recall@10": 2 / 3,
            "Recall@100": 2 / 3,
            "MRR@10": 1 / 2,
            "P@5": 2 / 5,
        }
    )


def test_ranks_below_the_cut_do_not_count() -> None:
    others = [f"x{at}" for at in range(99)]
    scores = score({"q": {"a": 1}}, {"q": [*others[:10], "a", *others[10:]]})
    assert {name: values[0] for name, values in scores.items()} == {
        "nDCG@10": 0, "Recall@10": 0, "Recall@100": 1, "MRR@10": 0, "P@5": 0,
    }  # fmt: skip
    assert score({"q": {"a": 1}}, {"q": [*others, "x99", "a"]})["Recall@100"][0] == 0


def test_a_query_that_found_nothing_counts_as_nothing_found() -> None:
    scores = score({"q": {"a": 1}, "r": {"b": 1}}, {"q": [], "r": ["b"]})
    for name in MEASURES:
        assert scores[name][0] == 0
        assert scores[name][1] > 0


def test_the_order_given_counts_not_the_order_of_the_ids() -> None:
    qrels = {"q": {"a": 1}}
    ahead, behind = score(qrels, {"q": ["a", "z"]}), score(qrels, {"q": ["z", "a"]})
    assert (ahead["MRR@10"][0], behind["MRR@10"][0]) == (1, 0.5)
    values = list(ranked([str(at) for at in range(100)]).values())
    assert values == sorted(set(values), reverse=True)


def test_an_interval_holds_the_mean_and_is_the_same_each_time() -> None:
    chance = np.random.default_rng(7)
    ours, theirs = chance.random(300), chance.random(300)
    interval = difference(ours, theirs)
    assert interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx(float(np.mean(ours - theirs)))
    assert interval == difference(ours, theirs)
    error = float(np.std(ours - theirs)) / math.sqrt(300)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_pairs_count_not_averages() -> None:
    chance = np.random.default_rng(7)
    theirs = chance.random(100)
    slightly = difference(theirs + 0.01, theirs)
    assert slightly.certain, "every query is better, however much queries differ"
    assert slightly.low == pytest.approx(0.01)
    assert not difference(np.flip(theirs) + 0.01, theirs).certain


@pytest.mark.parametrize("values", [[0.5, 0.5], [0.5, 0.25, 1.0]])
def test_what_does_not_differ_is_not_better(values: list[float]) -> None:
    interval = difference(np.array(values), np.array(values))
    assert (interval.mean, interval.low, interval.high) == (0, 0, 0)
    assert not interval.certain


def test_of_one_query_nothing_is_certain() -> None:
    assert not difference(np.array([1.0]), np.array([0.0])).certain
