"""The textbook that the keyword leg is held against."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.adapters.memory.index import okapi, tokens

WORDS = st.lists(st.sampled_from(["fox", "hen", "den", "dog"]), max_size=8)


def test_scores_are_those_computed_by_hand() -> None:
    texts = [Counter(["fox", "fox", "hen"]), Counter(["hen"]), Counter(["dog", "den"])]
    fox, hen = math.log(1 + 2.5 / 1.5), math.log(1 + 1.5 / 2.5)
    long, short = 1.2 * (0.25 + 0.75 * 3 / 2), 1.2 * (0.25 + 0.75 * 1 / 2)
    assert okapi(["fox", "hen"], texts) == pytest.approx(
        [fox * 2 * 2.2 / (2 + long) + hen * 2.2 / (1 + long), hen * 2.2 / (1 + short), 0]
    )


@given(query=WORDS, texts=st.lists(WORDS, min_size=1, max_size=6))
def test_a_text_scores_above_zero_if_and_only_if_it_has_a_word_of_the_query(
    query: list[str], texts: list[list[str]]
) -> None:
    scores = okapi(query, [Counter(text) for text in texts])
    for score, text in zip(scores, texts, strict=True):
        assert (score > 0) == bool(set(query) & set(text))


@given(texts=st.lists(WORDS, min_size=1, max_size=6), more=st.integers(1, 5))
def test_saying_a_word_again_never_lowers_the_score_among_texts_of_one_length(
    texts: list[list[str]], more: int
) -> None:
    often = Counter(["fox"] * (more + 1) + ["hen"])
    seldom = Counter(["fox"] * more + ["hen"] * 2)
    scores = okapi(["fox"], [often, seldom, *(Counter(text) for text in texts)])
    assert scores[0] > scores[1]


def test_words_lose_case_accents_and_stop_words() -> None:
    assert list(tokens("The Café at Müller's, error_42!")) == ["cafe", "muller", "s", "error", "42"]


def test_scripts_without_spaces_give_one_token_for_a_character() -> None:
    assert list(tokens("丢了 308分")) == ["丢", "了", "308", "分"]
