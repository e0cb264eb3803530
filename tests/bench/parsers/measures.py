"""How much of a reference text a parser gives, and in which order."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)\s]*\)")
_SYNTAX = re.compile(r"\\(?=[\\`*_{}\[\]()#+.!|<>-])|\*+|`+|</?[a-zA-Z][^<>]*>|_{2,}")
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]|[^\W_]+")
"""A word; where words are not written apart (Chinese, Japanese, Thai), a character."""


@dataclass(frozen=True, slots=True)
class Score:
    """Both from 0 to 1. ``f1``: of the words, as multisets; ``order``: of the longest common
    subsequence of words, so what stands elsewhere than in the reference counts as missing."""

    f1: float
    order: float


def tokens(text: str) -> list[str]:
    """The words, lower case, compatibility forms (ligatures, full width) resolved.

    What Markdown adds to a text (emphasis, escapes, links' targets, HTML) is left out.
    """
    plain = _LINK.sub(r"\1", _IMAGE.sub(" ", _COMMENT.sub(" ", text)))
    plain = html.unescape(_SYNTAX.sub("", plain))
    return _TOKEN.findall(unicodedata.normalize("NFKC", plain).casefold())


def score(found: str, reference: str) -> Score:
    ours, theirs = tokens(found), tokens(reference)
    shared = (Counter(ours) & Counter(theirs)).total()
    total = len(ours) + len(theirs)
    if not total:
        return Score(1.0, 1.0)
    return Score(2 * shared / total, 2 * common_subsequence(ours, theirs) / total)


def common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence, by bit vectors of Python's integers.

    H. Hyyrö, Bit-parallel LCS-length computation revisited, 2004, figure 3.
    """
    places: dict[str, int] = {}
    for position, token in enumerate(one):
        places[token] = places.get(token, 0) | 1 << position
    everything = (1 << len(one)) - 1
    row = everything
    for token in other:
        matches = row & places.get(token, 0)
        row = (row + matches | row - matches) & everything
    return len(one) - row.bit_count()
