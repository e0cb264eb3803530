"""A model's own tokenizer, WordPiece or another, by the package tokenizers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ragline.domain.errors import SetupError
from ragline.embedding.model import ADVICE, TOKENIZER_FILE

_BERTS = ["BertNormalizer", "BertPreTokenizer", "WordPiece"]
_SURROGATE = re.compile("[\ud800-\udfff]")


class WordPieceTokenizer:
    """Implements ``ports.Tokenizer`` for a prepared model.

    Raises:
        SetupError: the folder has no readable tokenizer.
    """

    def __init__(self, model_dir: Path) -> None:
        self._tokenizer = load(model_dir)

    @cached_property
    def by_word(self) -> bool:
        """Whether each word between white space has the tokens that it has by itself, as BERT's."""
        kinds = [self._tokenizer.normalizer, self._tokenizer.pre_tokenizer, self._tokenizer.model]
        added = self._tokenizer.get_added_tokens_decoder().values()
        spaced = any(len(token.content.split()) != 1 for token in added)
        return [type(kind).__name__ for kind in kinds] == _BERTS and not spaced

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        encoding = self._tokenizer.encode(encodable(text), add_special_tokens=False)
        spans: Sequence[tuple[int, int]] = encoding.offsets
        return spans


def load(model_dir: Path, *, max_tokens: int | None = None, advice: str = ADVICE) -> Any:
    """A ``tokenizers.Tokenizer`` that never pads, and truncates only if ``max_tokens`` is given.

    Raises:
        SetupError: the folder has no readable tokenizer.
    """
    from tokenizers import Tokenizer

    path = model_dir / TOKENIZER_FILE
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises bare Exception
        raise SetupError(f"{path} is missing or damaged. {advice}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_tokens is not None:
        tokenizer.enable_truncation(max_tokens)
    return tokenizer


def encodable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot hold, replaced one for one by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
