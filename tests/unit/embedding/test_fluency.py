"""How well a model reads a text, by how its vocabulary breaks it up."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from ragline.embedding.fluency import fluency

PIECES = [
    "[UNK]",
    "lighthouse",
    "keeper",
    "to",
    "light",
    "leucht",
    "##turm",
    "水",
    "路",
    *"абвгд",
    *"123",
]
PIECES += [f"##{one}" for one in (*"абвгд", *"123")]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    made = Tokenizer(WordPiece({piece: at for at, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    made.normalizer = BertNormalizer(lowercase=True)
    made.pre_tokenizer = BertPreTokenizer()
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lighthouse keeper", 1.0),
        ("Lighthouse keeper?!", 1.0),
        ("Leuchtturm", 1.0),
        ("5 V to 3.3 V", 1.0),  # short, but whole
        ("абв где", 0.0),  # letters, one by one
        ("цшщ", 0.0),  # nothing of it is known
        ("水路", 0.25),  # a sign is worth two letters
        ("123", 1.0),  # numbers are of no language
        ("a b c 4.2", 1.0),
        ("", 1.0),
        ("?!", 1.0),
    ],
)
def test_words_in_one_piece_are_read_and_crumbs_are_not(
    tokenizer: Any, text: str, expected: float
) -> None:
    assert fluency(tokenizer, text) == expected


def test_what_is_half_read_counts_half(tokenizer: Any) -> None:
    # 10 letters of a word and 5 single ones: 15 letters in 6 tokens are 2.5 each.
    assert fluency(tokenizer, "lighthouse абвгд") == pytest.approx(0.5)
