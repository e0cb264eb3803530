"""XLSX: a sheet is a section under its name, each run of rows a table.

Sheets are no pages: people cite "sheet Prices", never "page 3 of the workbook".
"""

from __future__ import annotations

import datetime
import io
import re
import warnings
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from openpyxl import load_workbook

from ragline.domain.chunks import Block, Extraction
from ragline.parsing.archives import office_package
from ragline.parsing.limits import MAX_ROWS, Source, too_many_rows
from ragline.parsing.sheet_parts import Merged, comments, merged_cells
from ragline.parsing.tables import table

_CHECK_EVERY = 1_000
_LITERAL = re.compile(r'["\\]([^"\\]*)"?')
_DECIMALS = re.compile(r"[0#]\.(0+)")
_CURRENCY = re.compile(r"\[\$([^\]-]+)[^\]]*\]|[$€£¥₹]")


def extract(source: Source) -> Extraction:
    data = office_package(source.data, trees=False)
    blocks: list[Block] = []
    with warnings.catch_warnings():
        # openpyxl warns of every feature that it leaves out (styles, validation, drawings).
        warnings.simplefilter("ignore")
        workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            counted = _Counter(source)
            for sheet in workbook.worksheets:
                found = _sheet(sheet, counted)
                if found:
                    blocks += [Block("heading", sheet.title.strip() or "Sheet", level=1), *found]
            title = str(workbook.properties.title or "").strip()
        finally:
            workbook.close()
    return Extraction(blocks, title=title)


class _Counter:
    """Bounds the rows of the whole workbook."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rows = 0
        self._ticks = 0

    def row(self) -> None:
        self._rows += 1
        if self._rows > MAX_ROWS:
            raise too_many_rows()
        self._tick()

    def gap(self) -> None:
        """An empty row; formatting alone can make a million of them, which is no reason to stop."""
        self._tick()

    def _tick(self) -> None:
        self._ticks += 1
        if self._ticks % _CHECK_EVERY == 0:
            self._source.check_time()


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of cell texts; ``spans`` are its columns (from 0) that a cell before them covers."""

    cells: list[str]
    spans: frozenset[int] = frozenset()

    def named(self, used: AbstractSet[int]) -> list[str]:
        """The cells, and in used columns that are covered the text of the cell that covers them."""
        shown = [*self.cells, *[""] * (max(self.spans, default=-1) + 1 - len(self.cells))]
        said = ""
        for column, cell in enumerate(shown):
            said = cell or (said if column in self.spans else "")
            if said and column in used:
                shown[column] = said
        return shown


def _sheet(sheet: Any, counted: _Counter) -> list[Block]:
    # The declared dimensions are often wrong (a million rows, or one cell): read what is there.
    sheet.reset_dimensions()
    archive, name = sheet.parent._archive, sheet._worksheet_path
    merging = _Merging(merged_cells(archive, name))
    blocks: list[Block] = []
    rows: list[_Row] = []
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        row = merging.row(number, [_shown(cell) for cell in cells])
        if any(row.cells):
            counted.row()
            rows.append(row)
            continue
        counted.gap()
        blocks += _region(rows)
        rows = []
    blocks += _region(rows)
    return blocks + [Block("paragraph", said) for said in comments(archive, name)]


class _Merging:
    """Fills cells merged downwards into each row, so that every row reads alone."""

    def __init__(self, merged: list[Merged]) -> None:
        self._starting: dict[int, list[Merged]] = {}
        for one in merged:
            self._starting.setdefault(one.top, []).append(one)
        self._open: list[tuple[Merged, str]] = []

    def row(self, number: int, cells: list[str]) -> _Row:
        self._open = [held for held in self._open if held[0].bottom >= number]
        for one, text in self._open:
            if one.left <= len(cells) and not cells[one.left - 1]:
                cells[one.left - 1] = text
        spans = {column for one, _ in self._open for column in range(one.left, one.right)}
        for one in self._starting.pop(number, ()):
            text = cells[one.left - 1] if one.left <= len(cells) else ""
            spans.update(range(one.left, one.right))
            if one.bottom > number and text:
                self._open.append((one, text))
        return _Row(cells, frozenset(spans))


def _region(rows: list[_Row]) -> Iterator[Block]:
    """Rows between empty ones: lone cells on top are text (a caption), the rest are tables."""
    start = 0
    for row in rows:
        filled = [cell for cell in row.cells if cell]
        if len(filled) != 1 or not _is_caption([one.cells for one in rows], start):
            break
        yield Block("paragraph", filled[0])
        start += 1
    for part in _side_by_side(rows[start:]):
        yield from _table(part)


def _side_by_side(rows: list[_Row]) -> Iterator[list[_Row]]:
    """Tables that an empty column sets apart, if each has two rows and columns at least."""
    used = {at for row in rows for at, cell in enumerate(row.cells) if cell or at in row.spans}
    width = max(used, default=-1) + 1
    for column in range(2, width - 2):
        before = sum(1 for at in used if at < column)
        if column in used or before < 2 or len(used) - before < 2:
            continue
        left = [_Row(row.cells[:column], row.spans) for row in rows]
        right = [_shifted(row, column) for row in rows]
        if all(sum(any(row.cells) for row in side) > 1 for side in (left, right)):
            yield [row for row in left if any(row.cells)]
            yield from _side_by_side([row for row in right if any(row.cells)])
            return
    yield rows


def _shifted(row: _Row, column: int) -> _Row:
    """What stands from this column on."""
    return _Row(row.cells[column:], frozenset(at - column for at in row.spans if at > column))


def _table(rows: list[_Row]) -> Iterator[Block]:
    """A header whose cells span columns has a second row, which names each of them."""
    if not rows:
        return
    used = {at for row in rows for at, cell in enumerate(row.cells) if cell}
    heads = 2 if rows[0].named(used) != rows[0].cells and len(rows) > 2 else 1
    shown = [row.named(used) if number < heads else row.cells for number, row in enumerate(rows)]
    if block := table(shown, heads=heads):
        yield block


def _is_caption(rows: list[list[str]], row: int) -> bool:
    """A lone cell above wider rows is a caption; a column of lone cells is data."""
    if len(rows) == 1:
        return True
    return any(sum(map(bool, cells)) > 1 for cells in rows[row + 1 :][:3])


def _shown(cell: Any) -> str:
    """A cell's text as the sheet shows it: percentages and money by their format."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_shown(value, _format(cell))
    return _text(value)


def _format(cell: Any) -> str:
    try:
        return str(cell.number_format)
    except (IndexError, KeyError):  # a style that the workbook does not have
        return "General"


def number_shown(value: float, format: str) -> str:
    """A number as people see it; of formats, those for percentages and currencies matter."""
    first = _LITERAL.sub(r"\1", format.partition(";")[0])
    decimals = len(found[1]) if (found := _DECIMALS.search(first)) else 0
    if "%" in first:
        return f"{value:.{decimals}%}"
    currency = _CURRENCY.search(first)
    if not currency:
        return _text(value)
    sign = currency[1] or currency[0]
    amount = f"{abs(value):,.{decimals}f}"
    before = currency.start() < min((first.find(one) for one in "0#" if one in first), default=0)
    minus = "-" if value < 0 else ""
    return f"{minus}{sign}{amount}" if before else f"{minus}{amount} {sign}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return str(value).strip()
