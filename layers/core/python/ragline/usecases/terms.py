"""Which words of a query a text holds, whichever index found the text.

Where a script puts no space between words, the longest pieces of the query that occur in the text
stand for them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ragline.domain.stop_words import STOP_WORDS
from ragline.usecases.words import characters, stem, unspaced, words

_QUESTION_WORDS = """about can could did didn do does doesn don from had has have how i isn its ll
me my our re should so than them ve were what when where which who whom whose why would you your"""
_ASKING = frozenset(_QUESTION_WORDS.split())
"""What questions are worded with: marked only where a query holds nothing else."""

_SHORTEST_IDEOGRAPHIC, _SHORTEST_ALPHABETIC = 2, 3
"""Of pieces, in characters with their marks; a run in the query that is shorter counts whole."""

_GRAMMAR = re.compile("[\u3041-\u309f]{1,3}")  # の, から, した: short hiragana
_APOSTROPHES = frozenset("'’")


@dataclass(frozen=True, slots=True)
class Match:
    """``text[start:end]`` is a form of ``term``, a word or a piece of the query. In characters."""

    term: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What to look for: ``words`` as written, by stem; ``runs`` of scripts without spaces.

    ``runs`` stand between line feeds, each character with its marks spelt as one of ``symbols``.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    runs: str = "\n"
    symbols: Mapping[str, str] = field(default_factory=dict)


def terms(query: str) -> Terms:
    """Stop words are left out, and single letters at an apostrophe (``what's``, ``l'eau``)."""
    telling: dict[str, str] = {}
    asking: dict[str, str] = {}
    runs: list[str] = []
    for folded, start, end in words(query):
        if unspaced(folded):
            runs.append(query[start:end])
        elif folded in STOP_WORDS or (end - start == 1 and _at_apostrophe(query, start, end)):
            continue
        else:
            group = asking if folded in _ASKING else telling
            group.setdefault(stem(folded), query[start:end])
    runs = [run for run in runs if not _is_grammar(run)] or ([] if telling else runs)
    symbols: dict[str, str] = {}
    spelt = "\n"
    for run in runs:
        for char, _ in characters(run):
            spelt += symbols.setdefault(char, chr(0xF0000 + len(symbols)))
        spelt += "\n"
    return Terms(telling if telling or runs else asking, spelt, symbols)


def matches(wanted: Terms, text: str) -> list[Match]:
    """In order; no two overlap. Only whole words match, and whole characters with their marks."""
    # The stemmer never changes a word's first letter, so most words need not be stemmed.
    initials = {key[0] for key in wanted.words}
    found: list[Match] = []
    for folded, start, end in words(text):
        if folded[0] in initials and (term := wanted.words.get(stem(folded))):
            found.append(Match(term, start, end))
        elif wanted.symbols and unspaced(folded):
            found += _pieces(wanted, text, start, end)
    return found


def _pieces(wanted: Terms, text: str, start: int, end: int) -> Iterator[Match]:
    """Of a run without spaces the pieces that the query has too: leftmost first, then longest."""
    run = characters(text[start:end])
    starts = [start, *(start + end for _, end in run)]
    spelt = "".join(wanted.symbols.get(char, "\0") for char, _ in run)
    first = 0
    while first < len(spelt):
        last = first
        while last < len(spelt) and spelt[first : last + 1] in wanted.runs:
            last += 1
        piece = text[starts[first] : starts[last]]
        if _says_something(piece, last - first) or f"\n{spelt[first:last]}\n" in wanted.runs:
            yield Match(unicodedata.normalize("NFC", piece), starts[first], starts[last])
            first = last
        else:
            first += 1


def _says_something(piece: str, length: int) -> bool:
    ideographic = piece >= "\u3005"
    shortest = _SHORTEST_IDEOGRAPHIC if ideographic else _SHORTEST_ALPHABETIC
    return length >= shortest and not _is_grammar(piece)


def _is_grammar(run: str) -> bool:
    return _GRAMMAR.fullmatch(run) is not None


def _at_apostrophe(text: str, start: int, end: int) -> bool:
    return not _APOSTROPHES.isdisjoint(text[max(start - 1, 0) : start] + text[end : end + 1])
