"""XLSX: a sheet is a section under its name, each run of rows a table.

Sheets are no pages: people cite "sheet Prices", never "page 3 of the workbook".
"""

from __future__ import annotations

import datetime
import io
import warnings
from collections.abc import Iterator
from typing import Any

from openpyxl import load_workbook

from ragline.domain.chunks import Block, Extraction
from ragline.parsing.archives import office_package
from ragline.parsing.limits import MAX_ROWS, Source, too_many_rows
from ragline.parsing.tables import table

_CHECK_EVERY = 1_000


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
                found = list(_sheet(sheet, counted))
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


def _sheet(sheet: Any, counted: _Counter) -> Iterator[Block]:
    # The declared dimensions are often wrong (a million rows, or one cell): read what is there.
    sheet.reset_dimensions()
    rows: list[list[str]] = []
    for values in sheet.iter_rows(values_only=True):
        cells = [_text(value) for value in values]
        if any(cells):
            counted.row()
            rows.append(cells)
            continue
        counted.gap()
        yield from _region(rows)
        rows = []
    yield from _region(rows)


def _region(rows: list[list[str]]) -> Iterator[Block]:
    """Rows between empty ones: lone cells on top are text (a caption), the rest is a table."""
    start = 0
    for cells in rows:
        filled = [cell for cell in cells if cell]
        if len(filled) != 1 or not _is_caption(rows, start):
            break
        yield Block("paragraph", filled[0])
        start += 1
    if block := table(rows[start:]):
        yield block


def _is_caption(rows: list[list[str]], row: int) -> bool:
    """A lone cell above wider rows is a caption; a column of lone cells is data."""
    if len(rows) == 1:
        return True
    return any(sum(map(bool, cells)) > 1 for cells in rows[row + 1 :][:3])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return str(value).strip()
