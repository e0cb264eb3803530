"""The embedding model's own tokenizer (WordPiece), by the package tokenizers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ragline.domain.errors import SetupError
from ragline.embedding.model import ADVICE, TOKENIZER_FILE

_SURROGATE = re.compile("[\ud800-\udfff]")


class WordPieceTokenizer:
    """Implements ``ports.Tokenizer`` for a prepared model.

    Raises:
        SetupError: the folder has no readable tokenizer.
    """

    def __init__(self, model_dir: Path) -> None:
        self._tokenizer = load(model_dir)

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        encoding = self._tokenizer.encode(encodable(text), add_special_tokens=False)
        spans: Sequence[tuple[int, int]] = encoding.offsets
        return spans


def load(model_dir: Path, *, max_tokens: int | None = None) -> Any:
    """A ``tokenizers.Tokenizer`` that never pads, and truncates only if ``max_tokens`` is given.

    Raises:
        SetupError: the folder has no readable tokenizer.
    """
    from tokenizers import Tokenizer

    path = model_dir / TOKENIZER_FILE
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises bare Exception
        raise SetupError(f"{path} is missing or damaged. {ADVICE}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_tokens is not None:
        tokenizer.enable_truncation(max_tokens)
    return tokenizer


def encodable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot hold, replaced one for one by U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
