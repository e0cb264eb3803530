"""Runs of characters as a page carries them, and the lines of text that they make. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from statistics import median_low
from typing import NamedTuple

CUT = "\x02"
"""Ends a run whose last word goes on in the next line; PDFium writes it for the hyphen."""

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_IN_NUMBERS = ".,:/"
_BRACKETS = frozenset("()[]{}<>«»")
_LAM, _ALEFS = "\u0644", "\u0622\u0623\u0625\u0627"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and its box in points, the y axis going up.

    ``size`` is the height of its characters, 0 if unknown. ``spaced``: the page has a space after
    it.
    """

    text: str
    size: float = 0.0
    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    bold: bool = False
    spaced: bool = False


class Span(NamedTuple):
    """Characters ``start`` to ``end`` of a run, and the x where they begin and end."""

    start: int
    end: int
    left: float
    right: float


@dataclass(slots=True)
class Run:
    """Characters side by side.

    ``spans`` are its words, from left to right; of right-to-left scripts its characters, spaces
    included, since only their places tell how they are read.
    """

    text: str
    spans: Sequence[Span]
    top: float
    bottom: float
    size: float
    bold: bool = False
    left: float = field(init=False)
    right: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = min(span.left for span in self.spans)
        self.right = max(span.right for span in self.spans)

    @property
    def upright(self) -> bool:
        return self.top - self.bottom <= 2 * self.size or len(self.text) < 3

    def part(self, spans: Sequence[Span]) -> Run:
        """The run of some spans that follow one another."""
        start, end = spans[0].start, spans[-1].end
        moved = [Span(one.start - start, one.end - start, *one[2:]) for one in spans]
        return Run(self.text[start:end], moved, self.top, self.bottom, self.size, self.bold)


def line_of(runs: Sequence[Run]) -> Line:
    """One line of runs that stand side by side, in logical order."""
    if any(is_right_to_left(run.text) for run in runs):
        text = _logical(runs)
    else:
        text = " ".join(run.text.strip() for run in runs)
    longest = max(runs, key=lambda run: len(run.text))
    return Line(
        " ".join(text.split()),
        round(longest.size * 2) / 2 if longest.upright else 0.0,
        min(run.left for run in runs),
        max(run.top for run in runs),
        max(run.right for run in runs),
        min(run.bottom for run in runs),
        all(run.bold for run in runs),
        runs[-1].text[-1:].isspace(),
    )


def is_right_to_left(text: str) -> bool:
    return not text.isascii() and _RIGHT_TO_LEFT.search(text) is not None


def usual_size(lines: Iterable[Line]) -> float:
    """The size of most characters."""
    weights: dict[float, int] = {}
    for line in lines:
        if line.size:
            weights[line.size] = weights.get(line.size, 0) + len(line.text)
    return max(weights, key=lambda size: weights[size]) if weights else 0.0


def usual(values: Sequence[float]) -> float:
    return median_low(values) if values else 0.0


def _logical(runs: Sequence[Run]) -> str:
    """From where characters stand to how they are read, as the bidirectional algorithm puts them.

    PDFium turns words of right-to-left scripts round, but not what one glyph stands for (lam-alef),
    and loses words' places where scripts meet.
    """
    pieces = _seen(runs)
    letters = [_direction(text) for _, text in pieces]
    base = "R" if letters.count("R") >= letters.count("L") else "L"
    kinds = _settled(letters, [text for _, text in pieces], base)
    groups = [
        (kind, [text for _, (_, text) in group])
        for kind, group in groupby(zip(kinds, pieces, strict=True), key=lambda pair: pair[0])
    ]
    if base == "R":
        groups.reverse()
    words = [
        "".join(reversed(texts)).translate(_MIRRORED) if kind == "R" else "".join(texts)
        for kind, texts in groups
    ]
    return _spaced_between_scripts(words)


def _seen(runs: Sequence[Run]) -> list[tuple[float, str]]:
    """Characters with their marks from left to right, ``(middle, text)``."""
    pieces: list[tuple[float, str]] = []
    for run in runs:
        for span in run.spans:
            for place, one in _characters(run, span):
                if pieces and unicodedata.combining(one):
                    pieces[-1] = (pieces[-1][0], pieces[-1][1] + one)
                else:
                    whole = unicodedata.normalize("NFKC", one) if one >= "\ufb1d" else one
                    pieces.append((place, whole))
        pieces += [(run.left - 0.1, " "), (run.right + 0.1, " ")]
    pieces.sort(key=lambda piece: piece[0])
    for at, ((middle, one), (place, other)) in enumerate(pairwise(pieces)):
        if middle == place and one == _LAM and other in _ALEFS:
            pieces[at], pieces[at + 1] = pieces[at + 1], pieces[at]
    return pieces


def _characters(run: Run, span: Span) -> Iterator[tuple[float, str]]:
    """A span's characters with their middles, as if all were equally wide."""
    width = (span.right - span.left) / (span.end - span.start)
    for index, one in enumerate(run.text[span.start : span.end]):
        yield span.left + (index + 0.5) * width, one


def _direction(text: str) -> str:
    kind = unicodedata.bidirectional(text[0])
    if kind in ("R", "AL"):
        return "R"
    return kind if kind == "L" else "D" if kind in ("EN", "AN") else ""


def _settled(letters: list[str], texts: list[str], base: str) -> list[str]:
    """Every character's direction: what stands between two of a kind goes with them."""
    kinds = list(letters)
    start = 0
    for kind, group in groupby(letters):
        end = start + len(list(group))
        if not kind:
            before = letters[start - 1] if start else base
            after = letters[end] if end < len(letters) else base
            between = "".join(texts[start:end])
            in_number = before == after == "D" and between in _IN_NUMBERS
            latin = before in "LD" and after in "LD" and "L" in (before, after)
            latin = latin and not _BRACKETS.intersection(between)
            kinds[start:end] = ["D" if in_number else "L" if latin else base] * (end - start)
        start = end
    return ["L" if kind == "D" and base == "L" else kind for kind in kinds]


def _spaced_between_scripts(words: list[str]) -> str:
    text = ""
    for word in words:
        if text[-1:].isalpha() and word[:1].isalpha():
            text += " "
        text += word
    return text
