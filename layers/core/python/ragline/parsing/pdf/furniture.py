"""What stands on page after page and is read on none: running heads, page numbers. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ragline.parsing.pdf.grids import Grid
from ragline.parsing.pdf.runs import Line, usual_size

_MARGIN = 0.25
_ROWS = 3
_SAME_HEIGHT = 6.0
_LEAST_PAGES = 3
_LARGER = 1.15
_DIGITS = re.compile(r"\d+|\b[ivxlc]+$|^[ivxlc]+\b")
_NUMBER = re.compile(
    r"[^\w]{0,9}(?:(?:page|seite|página|p\.)\s{0,3})?(\d{1,4}|[ivxlc]{1,8})[^\w]{0,9}", re.I
)
_NEIGHBOURS = 4
"""Pages: a head that repeats only every so often is no running one."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page's lines in reading order, and the y of its edges."""

    number: int
    lines: Sequence[Line | Grid]
    head: float = 0.0
    foot: float = 0.0


def without_furniture(sheets: Sequence[Sheet]) -> list[list[Line | Grid]]:
    """The lines of each page that are its own."""
    size = usual_size(line for sheet in sheets for line in sheet.lines if isinstance(line, Line))
    found: dict[tuple[bool, str], list[tuple[Sheet, Line]]] = defaultdict(list)
    numbers: dict[int, list[tuple[Sheet, Line]]] = defaultdict(list)
    for sheet in sheets:
        for line, above in _at_edges(sheet, size):
            found[above, _DIGITS.sub("#", line.text)].append((sheet, line))
            if (value := _page_number(line.text)) is not None:
                numbers[value - sheet.number].append((sheet, line))
    away = {id(line) for group in found.values() for line in _repeated(group)}
    for group in numbers.values():
        if len({sheet.number for sheet, _ in group}) > 1:
            away.update(id(line) for _, line in group)
    return [_own(sheet, away, size) for sheet in sheets]


def _own(sheet: Sheet, away: Collection[int], size: float) -> list[Line | Grid]:
    """What is left of a page. Where that is titles and no text, what repeats is the text."""
    own = [line for line in sheet.lines if id(line) not in away]
    if any(isinstance(line, Grid) or not _larger(line, size) for line in own):
        return own
    return [
        line for line in sheet.lines if isinstance(line, Grid) or _page_number(line.text) is None
    ]


def _larger(line: Line, size: float) -> bool:
    return bool(size) and line.size >= _LARGER * size


def _at_edges(sheet: Sheet, size: float) -> Iterator[tuple[Line, bool]]:
    """The outermost rows of a page's margins, and whether each is at its head.

    What is set larger than the text is a title, even if the next page has the same.
    """
    margin = _MARGIN * (sheet.head - sheet.foot)
    lines = [line for line in sheet.lines if isinstance(line, Line) and line.size]
    lines = [line for line in lines if not _larger(line, size)]
    above = [line for line in lines if line.bottom > sheet.head - margin]
    below = [line for line in lines if line.top < sheet.foot + margin]
    for line in _outermost(above, -1):
        yield line, True
    for line in _outermost(below, 1):
        yield line, False


def _outermost(lines: Sequence[Line], sign: int) -> Iterator[Line]:
    heights: list[float] = []
    for line in sorted(lines, key=lambda one: sign * one.bottom):
        if not heights or abs(line.bottom - heights[-1]) > _SAME_HEIGHT:
            heights.append(line.bottom)
        if len(heights) > _ROWS:
            return
        yield line


def _repeated(group: Sequence[tuple[Sheet, Line]]) -> Iterator[Line]:
    """Those of the same text that stand at one height on several pages near one another."""
    by_height: list[list[tuple[Sheet, Line]]] = []
    for sheet, line in sorted(group, key=lambda pair: pair[1].bottom - pair[0].foot):
        height = line.bottom - sheet.foot
        if by_height:
            last_sheet, last = by_height[-1][-1]
            if height - (last.bottom - last_sheet.foot) <= _SAME_HEIGHT:
                by_height[-1].append((sheet, line))
                continue
        by_height.append([(sheet, line)])
    for same in by_height:
        pages = sorted({sheet.number for sheet, _ in same})
        close = pages[-1] - pages[0] < _NEIGHBOURS * len(pages)
        if len(pages) >= _LEAST_PAGES and close:
            yield from (line for _, line in same)


def _page_number(text: str) -> int | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    value = found.group(1)
    return int(value) if value.isdigit() else _roman(value.lower())


def _roman(numeral: str) -> int:
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[one] for one in numeral]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < after else value for value, after in pairs)
