"""What Pinecone's keyword index is given of a text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.adapters.pinecone.documents import MAX_QUERY_BYTES, keywords
from ragline.adapters.pinecone.terms import LONGEST_BYTES, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Café-Besitzer heißt Müller", "cafe besitzer heisst muller"),
        ("state-of-the-art, v2.1", "state art v2 1"),
        ("snake_case_name", "snake case name"),
        ("ﬁne Ａ１ ①", "fine a1 1"),
        ("防守 a1", "防 守 防守 a1"),
        ("が", "が"),
        ("GPT模型", "gpt 模 型 模型"),
        ("کِتاب", "کتاب"),
        ("हिन्दी।", "हिन्दी"),
        ("한국어", "한국어"),
        ("fox\ud800den", "fox den"),
        ("the of and", ""),
        ("", ""),
    ],
)
def test_words_are_cut_and_folded_alike_in_any_script(text: str, expected: str) -> None:
    assert " ".join(terms(text)) == expected


def test_words_are_repeated_as_they_are_for_they_count() -> None:
    assert list(terms("fox fox hen fox")) == ["fox", "fox", "hen", "fox"]


def test_a_word_too_long_for_pinecone_is_found_by_its_beginning() -> None:
    (word,) = terms("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamter")
    assert word == "donaudampfschifffahrtselektrizitatenhau"
    (cyrillic,) = terms("я" * 30)
    assert cyrillic == "я" * (LONGEST_BYTES // 2)


@given(st.text(max_size=300))
def test_pinecone_s_own_analyser_leaves_what_it_is_given_as_it_is(text: str) -> None:
    """It splits at spaces and punctuation, lower-cases, and caps words at 40."""
    given_words = list(terms(text))
    kept = " ".join(given_words)
    assert kept.encode().decode() == kept
    assert all(0 < len(word.encode()) <= LONGEST_BYTES for word in given_words)
    assert not re.search(r"[\s!-/:-@\[-`{-~]", kept.replace(" ", ""))
    assert [word for word in given_words if word.isascii()] == [
        word.lower() for word in given_words if word.isascii()
    ]


@given(st.text(max_size=300))
def test_every_word_of_a_text_is_asked_for_by_the_text_itself(text: str) -> None:
    assert set(keywords(text).split()) == set(terms(text))


def test_a_query_names_each_word_once_and_no_more_than_pinecone_takes() -> None:
    assert keywords("Fox and fox, FOX and hen") == "fox hen"
    assert keywords("?! the") == ""
    many = keywords(" ".join(f"word{n}" for n in range(3_000)))
    assert many.startswith("word0 word1 ")
    assert MAX_QUERY_BYTES - 10 < len(many.encode()) <= MAX_QUERY_BYTES
