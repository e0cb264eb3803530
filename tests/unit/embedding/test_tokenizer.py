from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragline.domain.errors import SetupError
from ragline.embedding.model import TOKENIZER_FILE, Precision
from ragline.embedding.tokenizer import WordPieceTokenizer


@pytest.fixture
def tokenizer(prepared: dict[Precision, Path]) -> WordPieceTokenizer:
    return WordPieceTokenizer(prepared["int8"])


def pieces(tokenizer: WordPieceTokenizer, text: str) -> list[str]:
    return [text[start:end] for start, end in tokenizer.offsets(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cats sat.", ["The", "cat", "s", "sat", "."]),
        ("🦜🦜 the Cafés", ["🦜🦜", "the", "Café", "s"]),
        ("世界 cat", ["世", "界", "cat"]),
        ("cafe\u0301s sat", ["cafe", "s", "sat"]),
        ("a\ud800 cat", ["a", "cat"]),
        (" \n\t", []),
        ("", []),
    ],
)
def test_spans_count_python_characters(
    text: str, expected: list[str], tokenizer: WordPieceTokenizer
) -> None:
    assert pieces(tokenizer, text) == expected


def test_a_long_text_is_neither_cut_nor_padded(tokenizer: WordPieceTokenizer) -> None:
    assert len(tokenizer.offsets("the cat sat . " * 1_000)) == 4_000
    assert len(tokenizer.offsets("cat")) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=[])))
def test_spans_lie_within_the_text_in_order_and_are_never_empty(
    text: str, tokenizer: WordPieceTokenizer
) -> None:
    reached = 0
    for start, end in tokenizer.offsets(text):
        assert reached <= start < end <= len(text)
        reached = start


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    words=st.lists(st.text(st.characters(exclude_categories=[])), max_size=6),
    white=st.sampled_from([" ", "\n", "\t", "\r", "\n\n"]),
)
def test_tokens_are_counted_word_by_word(
    words: list[str], white: str, tokenizer: WordPieceTokenizer
) -> None:
    assert tokenizer.by_word
    together = len(tokenizer.offsets(white.join(words)))
    assert together == sum(len(tokenizer.offsets(word)) for word in words)


def test_a_tokenizer_of_another_kind_does_not_say_that_counts_add_up(
    prepared: dict[Precision, Path], tmp_path: Path
) -> None:
    known = json.loads((prepared["int8"] / TOKENIZER_FILE).read_text())
    spaces: dict[str, Any] = {"type": "Metaspace", "replacement": "_", "prepend_scheme": "always"}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    spaced = {"id": len(known["model"]["vocab"]), "content": "two words", **flags}
    for change in (
        {"pre_tokenizer": spaces},
        {"normalizer": None},
        {"added_tokens": [*known["added_tokens"], spaced]},
    ):
        (tmp_path / TOKENIZER_FILE).write_text(json.dumps({**known, **change}))
        assert not WordPieceTokenizer(tmp_path).by_word


def test_a_folder_without_a_tokenizer_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="make model"):
        WordPieceTokenizer(tmp_path)
    (tmp_path / TOKENIZER_FILE).write_text("{}")
    with pytest.raises(SetupError, match="make model"):
        WordPieceTokenizer(tmp_path)
