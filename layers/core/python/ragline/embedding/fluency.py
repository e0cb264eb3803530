"""How well a model reads a text, told from how its vocabulary breaks the text up.

A vocabulary that was learnt from a language holds its words whole; of a language that the model has
hardly seen it has only letters, or nothing. So a text in crumbs is one whose vector means little.
"""

from __future__ import annotations

import re
from typing import Any

CRUMBS, WORDS = 1.5, 3.5
"""Letters per token at which a model reads nothing, and all. The default model has 4 to 5 in
English questions, 2.7 in German and Spanish, 2.1 in Turkish, 1 in Russian and Arabic, 0.5 in
Chinese, 0 in Thai (XQuAD)."""

UNKNOWN = frozenset({"[UNK]", "<unk>"})

_SYLLABLE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Ideographs, kana and Hangul: each counts as two letters."""


def fluency(tokenizer: Any, text: str) -> float:
    """0 to 1 for a ``tokenizers.Tokenizer``; 1 for a text without letters or digits."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    letters = tokens = 0
    for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        size = sum(2 if _SYLLABLE.match(one) else one.isalnum() for one in text[start:end])
        tokens += size > 0
        letters += 0 if token in UNKNOWN else size
    if not tokens:
        return 1.0
    return min(1.0, max(0.0, (letters / tokens - CRUMBS) / (WORDS - CRUMBS)))
