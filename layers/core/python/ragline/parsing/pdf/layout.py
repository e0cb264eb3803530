"""Lines of pages to blocks: paragraphs, headings, lists and tables, by their geometry. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from ragline.domain.chunks import Block
from ragline.parsing.pdf.grids import Grid
from ragline.parsing.pdf.notes import apart, starts_note
from ragline.parsing.pdf.outline import MAX_HEADING_LINES, Entry, Outline, matched
from ragline.parsing.pdf.runs import Line, usual, usual_size
from ragline.parsing.pdf.seams import Seams
from ragline.parsing.tables import table

__all__ = ["Entry", "Line", "Outline", "blocks_of"]

_HEADING_RATIO = 1.15
_PARAGRAPH_GAP = 1.3
_SAME_SIZE = 1.12
_MAX_HEADING_CHARS = 200
_MAX_ITEM_CHARS = 500
_MOSTLY = 0.5
_SENTENCE_END = re.compile(r"[.!?:;。！？؟][\"'”’)\]]*$")
_OPENING = '§“"‘«„([「『【《<#'
_BULLET = re.compile(r"[•‣▪◦●○■□➢✓∙·⁃–—*-]\s+(?=[\w“\"'(\[])")
_NUMBERED = re.compile(r"(?:\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)])\s+(?=\S)")
_SECTION = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+[^\W\d_]")


@dataclass(slots=True)
class _Group:
    """Lines that belong together, from ``page`` on; from line ``turn`` on they are on the next."""

    lines: list[Line]
    page: int
    level: int = 0
    grid: Grid | None = None
    turn: int = 0


class _Columns(NamedTuple):
    """The table last read: where its columns begin, their names, its page."""

    edges: tuple[float, ...]
    head: list[str]
    page: int


@dataclass(frozen=True, slots=True)
class _Type:
    """The document's type: its text's size, sizes to heading levels, whether bold stands out."""

    body: float
    levels: dict[float, int]
    bold: int

    @classmethod
    def of(cls, lines: Sequence[Line], *, outlined: bool) -> _Type:
        """``bold`` is the level of headings that are only bold; 0 if there are none."""
        body = usual_size(lines)
        if outlined or not body:
            return cls(body, {}, 0)
        sizes = {line.size for line in lines if line.size >= body * _HEADING_RATIO}
        levels = {size: min(at, 6) for at, size in enumerate(sorted(sizes, reverse=True), start=1)}
        weight = sum(len(line.text) for line in lines if line.bold)
        plain = weight < _MOSTLY * sum(len(line.text) for line in lines)
        return cls(body, levels, min(6, len(levels) + 1) if plain else 0)


def blocks_of(
    pages: Sequence[tuple[int, Sequence[Line | Grid]]], outline: Outline
) -> Iterator[list[Block]]:
    """The blocks of each page ``(number, lines)``.

    Headings are the document's own bookmarks; without them, short lines in larger or bold type.
    A range that begins inside a chapter begins with the headings that it stands under. A paragraph
    that runs on over the end of a page is a block of the page that it begins on.
    """
    lines = [line for _, held in pages for line in held if isinstance(line, Line)]
    type_ = _Type.of(lines, outlined=bool(outline))
    seams = Seams.of(lines)
    by_page: dict[int, list[Entry]] = {}
    for entry in outline.entries:
        by_page.setdefault(entry.page, []).append(entry)
    grouped: list[tuple[list[_Group | Entry], list[_Group]]] = []
    for number, held in pages:
        text, notes = apart(held, type_.body)
        main = list(_grouped(text, number, by_page.get(number, ()), type_))
        grouped.append((main, list(_grouped_notes(notes, number))))
    _join_pages([main for main, _ in grouped], [number for number, _ in pages])
    before: _Columns | None = None
    for position, (number, _) in enumerate(pages):
        main, after = grouped[position]
        blocks: list[Block] = [] if position else [_heading(one, number) for one in outline.above]
        for one in main:
            if isinstance(one, _Group) and one.grid is not None:
                found, before = _table(one.grid, number, before)
                blocks += [found] if found else []
            else:
                blocks += _block(one, number, seams)
        notes_blocks = [block for note in after for block in _block(note, number, seams)]
        yield [*_as_lists(blocks), *notes_blocks]


def _grouped(
    lines: Sequence[Line | Grid], page: int, entries: Sequence[Entry], type_: _Type
) -> Iterator[_Group | Entry]:
    """Lines to groups, bookmarks that are no line of the text between them."""
    rows = [one if isinstance(one, Line) else Line("") for one in lines]
    marks, missing = matched(rows, entries)
    pitch = _pitch(rows)
    group: list[Line] = []
    row = 0
    while row < len(lines):
        one = lines[row]
        mark = marks.get(row)
        if group and (row in missing or mark or isinstance(one, Grid) or _parts(group, one, pitch)):
            yield _closed(group, page, type_)
            group = []
        yield from missing.get(row, ())
        if mark:
            entry, used = mark
            yield _Group(rows[row : row + used], page, min(entry.level, 6))
            row += used
            continue
        if isinstance(one, Grid):
            yield _Group([], page, grid=one)
        else:
            group.append(one)
        row += 1
    if group:
        yield _closed(group, page, type_)
    yield from missing.get(len(lines), ())


def _grouped_notes(notes: Sequence[Line], page: int) -> Iterator[_Group]:
    group: list[Line] = []
    for line in notes:
        if group and starts_note(line.text):
            yield _Group(group, page)
            group = []
        group.append(line)
    if group:
        yield _Group(group, page)


def _closed(group: list[Line], page: int, type_: _Type) -> _Group:
    text = " ".join(line.text for line in group)
    level = type_.levels.get(group[0].size, 0)
    if not level and type_.bold and all(line.bold for line in group):
        numbered = _SECTION.match(text)
        level = type_.bold + (numbered.group(1).count(".") if numbered else 0)
    if len(group) > MAX_HEADING_LINES or not _titled(text):
        level = 0
    return _Group(group, page, min(level, 6))


def _titled(text: str) -> bool:
    """A heading has words; it is no bullet, no formula and no sentence."""
    if len(text) > _MAX_HEADING_CHARS or text.endswith((".", ",", ";")) or text[0].islower():
        return False
    if text[0] not in _OPENING and not text[0].isalnum():
        return False
    return sum(map(str.isalpha, text)) * 2 > len(text)


def _pitch(lines: Sequence[Line]) -> float:
    """The usual distance between lines of this page; 0 if it has none."""
    steps = (above.bottom - below.bottom for above, below in pairwise(lines) if above.size)
    sizes = (above.size for above, _ in pairwise(lines) if above.size)
    return usual([step for step, size in zip(steps, sizes, strict=True) if 0 < step < 3 * size])


def _parts(group: list[Line], line: Line, pitch: float) -> bool:
    """Whether ``line`` begins a new paragraph."""
    last = group[-1]
    if not last.size or not line.size:
        return bool(last.size) != bool(line.size)
    if max(last.size, line.size) > _SAME_SIZE * min(last.size, line.size):
        return True
    turned = last.bold != line.bold and all(one.bold == last.bold for one in group)
    if turned or _is_item(line.text):
        return True
    step = last.bottom - line.bottom
    if step < -last.size:  # the next column: a sentence may run on
        return not _runs_on(last, line)
    if step > _PARAGRAPH_GAP * max(pitch, last.size):
        return True
    if len(group) > 1 and _is_item(group[0].text):
        hang = min(held.left for held in group[1:4])
        ended = bool(_SENTENCE_END.search(last.text))
        return line.left < hang - line.size or (ended and line.left > hang + line.size)
    if _is_item(group[0].text):
        return False
    indented = line.left - min(held.left for held in group[-3:]) > line.size
    return indented and bool(_SENTENCE_END.search(last.text))


def _is_item(text: str) -> bool:
    return bool(_BULLET.match(text) or _NUMBERED.match(text))


def _runs_on(last: Line, line: Line) -> bool:
    """Whether a sentence goes on elsewhere: it has not ended, and no new one begins.

    Scripts without capitals do not show where one begins.
    """
    first = line.text[:1]
    begins = not first.isalpha() or first.isupper()
    return not begins and not _SENTENCE_END.search(last.text)


def _join_pages(pages: Sequence[list[_Group | Entry]], numbers: Sequence[int]) -> None:
    """A paragraph that goes on overleaf takes the lines there that are its own."""
    for (main, following), (number, after) in zip(pairwise(pages), pairwise(numbers), strict=True):
        if not main or not following or after != number + 1:
            continue
        last, first = main[-1], following[0]
        if not isinstance(last, _Group) or not isinstance(first, _Group):
            continue
        if last.turn or not last.lines or not first.lines or last.level or first.level:
            continue
        same = (
            last.lines[-1].size
            <= _SAME_SIZE * first.lines[0].size
            <= _SAME_SIZE**2 * max(last.lines[-1].size, 0.1)
        )
        if same and not _is_item(first.lines[0].text) and _runs_on(last.lines[-1], first.lines[0]):
            last.turn = len(last.lines)
            last.lines = [*last.lines, *first.lines]
            del following[0]


def _block(one: _Group | Entry, page: int, seams: Seams) -> Iterator[Block]:
    if isinstance(one, Entry):
        yield _heading(one, page)
        return
    text, turn = seams.joined(one.lines, one.turn)
    if one.level:
        yield Block("heading", " ".join(text.split()), level=one.level, page=page)
    elif text.strip():
        yield Block("paragraph", text, page=page, turn=turn)


def _heading(entry: Entry, page: int) -> Block:
    return Block("heading", entry.title, level=min(entry.level, 6), page=page)


def _table(grid: Grid, page: int, before: _Columns | None) -> tuple[Block | None, _Columns]:
    """The table, and its columns for the next: one of the same columns goes on overleaf under the
    same header."""
    rows, head = grid.rows, grid.rows[0]
    if before is not None and before.edges == grid.edges and before.page == page - 1:
        rows = rows if head == before.head else [before.head, *rows]
        head = before.head
    return table(rows, page=page), _Columns(grid.edges, head, page)


def _as_lists(blocks: Iterable[Block]) -> Iterator[Block]:
    """Bulleted paragraphs are items; items one after another are one list. Of numbers, two are."""
    items: list[Block] = []
    for block in blocks:
        short = len(block.text) <= _MAX_ITEM_CHARS and not block.turn
        if block.kind == "paragraph" and short and _is_item(block.text):
            items.append(block)
            continue
        yield from _listed(items)
        items = []
        yield block
    yield from _listed(items)


def _listed(items: list[Block]) -> Iterator[Block]:
    if len(items) < 2 and not any(_BULLET.match(one.text) for one in items):
        yield from items
        return
    text = "\n".join(_BULLET.sub("- ", one.text, count=1).replace("\n", " ") for one in items)
    yield replace(items[0], kind="list", text=text)
