"""Shared words counted: a stand-in for a reranker where only sameness of words matters."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+")


class OverlapReranker:
    """Implements ``ports.Reranker``: the share of the query's words that a passage holds."""

    name = "overlap"

    def weight(self, query: str) -> float:
        return 1.0

    def scores(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        wanted = _words(query)
        return [len(wanted & _words(passage)) / (len(wanted) or 1) for passage in passages]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
