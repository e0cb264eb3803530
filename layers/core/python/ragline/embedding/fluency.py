"""How well a model reads a text, told from how its vocabulary breaks the text up.

A vocabulary that was learnt from a language holds its words whole; of a language that the model has
hardly seen it has only letters, or nothing. So a text in crumbs is one whose vector means little.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

CRUMBS, WORDS = 1.5, 3.5
"""Letters per token at which a model reads nothing, and all. So the default model reads questions
in English wholly, in Spanish .76, German .64, Vietnamese .39, Turkish .36, and in Russian, Arabic,
Hindi, Chinese and Thai not at all (medians, XQuAD)."""

UNKNOWN = frozenset({"[UNK]", "<unk>"})

_SYLLABLE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Ideographs, kana and Hangul: each counts as two letters."""


def fluency(tokenizer: Any, text: str) -> float:
    """0 to 1 for a ``tokenizers.Tokenizer``: the mean letters per token, between the bounds above.

    A word that the vocabulary holds whole is read, however short. Numbers and single letters tell
    nothing of a language: 1 for a text of no more than these.
    """
    encoding = tokenizer.encode(text, add_special_tokens=False)
    sizes: dict[int, list[int]] = defaultdict(list)
    known: dict[int, int] = defaultdict(int)
    for word, token, (start, end) in zip(
        encoding.word_ids, encoding.tokens, encoding.offsets, strict=True
    ):
        size = sum(2 if _SYLLABLE.match(one) else one.isalpha() for one in text[start:end])
        sizes[word].append(size)
        known[word] += 0 if token in UNKNOWN else size
    letters = tokens = 0.0
    for word, pieces in sizes.items():
        if sum(pieces) < 2:
            continue
        whole = len(pieces) == 1 and known[word] and not _SYLLABLE.search(_of(encoding, text, word))
        letters += max(known[word], WORDS) if whole else known[word]
        tokens += len(pieces)
    if not tokens:
        return 1.0
    return min(1.0, max(0.0, (letters / tokens - CRUMBS) / (WORDS - CRUMBS)))


def _of(encoding: Any, text: str, word: int) -> str:
    start, end = encoding.word_to_chars(word)
    return text[start:end]
