"""Footnotes: small print at the foot of a column, which belongs behind the page's text. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragline.parsing.pdf.grids import Grid
from ragline.parsing.pdf.runs import Line, usual_size

_SMALLER = 0.93
_MARK = re.compile(r"(?:\d{1,3}|[*†‡§¶∗⋆]+|\(\d{1,2}\)|[a-z](?=\s))[).:\]]?\s?[^\d\s.,;%)]")
_MAX_SHARE = 0.5
_MAX_LINES = 2_000


def apart(lines: Sequence[Line | Grid], body: float) -> tuple[list[Line | Grid], list[Line]]:
    """The text of a page, and its footnotes; ``body`` is the size of the document's text."""
    text = [line for line in lines if isinstance(line, Line)]
    if len(text) > _MAX_LINES:
        return list(lines), []
    small = _SMALLER * (min(body, usual_size(text)) or body)
    notes: list[Line] = []
    row = 0
    while row < len(lines):
        end = row
        while end < len(lines) and _is_small(lines[end], small):
            end += 1
        group = [line for line in lines[row:end] if isinstance(line, Line)]
        first = next((at for at, line in enumerate(group) if _MARK.match(line.text)), None)
        if first is None and group and _interrupts(lines, row, end):
            first = 0
        if first is not None and _at_the_foot(group[first:], lines, small):
            notes += group[first:]
        row = max(end, row + 1)
    if sum(len(note.text) for note in notes) > _MAX_SHARE * sum(len(one.text) for one in text):
        return list(lines), []
    own = {id(note) for note in notes}
    return [line for line in lines if id(line) not in own], notes


def starts_note(text: str) -> bool:
    return _MARK.match(text) is not None


def _interrupts(lines: Sequence[Line | Grid], row: int, end: int) -> bool:
    """Whether the text before small print without a mark goes on behind it."""
    if not row or end == len(lines):
        return False
    before, after = lines[row - 1], lines[end]
    if not isinstance(before, Line) or not isinstance(after, Line):
        return False
    return after.text[:1].islower() and not before.text.endswith((".", "!", "?", ":"))


def _is_small(line: Line | Grid, small: float) -> bool:
    return isinstance(line, Line) and 0 < line.size <= small


def _at_the_foot(group: Sequence[Line], lines: Sequence[Line | Grid], small: float) -> bool:
    """Whether nothing but small print stands below in the same column."""
    top, left = group[0].top, min(line.left for line in group)
    right = max(line.right for line in group)
    return not any(
        line.top < top - 1 and line.left < right and line.right > left
        for line in lines
        if not _is_small(line, small)
    )
