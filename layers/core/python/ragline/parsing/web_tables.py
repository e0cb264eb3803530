"""Tables of HTML as rows of cells; those that only lay a page out are told apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lxml import etree

from ragline.domain.chunks import Block
from ragline.parsing.tables import table

_MAX_SPAN = 100
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_GROUPS = ("thead", "tbody", "tfoot")
_APART_NAMES = """
    address article blockquote br dd div dl dt figcaption figure footer header hr li main ol p
    section table tbody td tfoot th thead tr ul h1 h2 h3 h4 h5 h6
"""
_APART = frozenset(_APART_NAMES.split())
_TITLED, _HOLDS, _NAMED = "ragline-titled", "ragline-holds", "ragline-named"


def mark_tables(root: etree._Element) -> None:
    """Note of each table what ``data_table`` asks for, in time linear in the page's size."""
    for heading in root.iter(*_HEADINGS):
        _mark_above(heading, _TITLED)
    for inner in root.iter("table"):
        _mark_above(inner, _HOLDS)
    for cell in root.iter("th", "thead"):
        if (holder := next(cell.iterancestors("table"), None)) is not None:
            holder.set(_NAMED, "")


def _mark_above(element: etree._Element, mark: str) -> None:
    for holder in element.iterancestors("table"):
        if holder.get(mark) is not None:
            return
        holder.set(mark, "")


def data_table(element: etree._Element) -> list[Block]:
    """Its caption and itself; nothing for a table that only lays the page out.

    That is one of a single column or row, with headings in its cells, or with tables in them and no
    header of its own.
    """
    layout = element.get(_HOLDS) is not None and element.get(_NAMED) is None
    if layout or element.get(_TITLED) is not None:
        return []
    rows = list(_rows(element))
    if len(rows) < 2 or max(map(_width, rows)) < 2:
        return []
    heads = _header_rows(element, rows)
    captions = [_cell(caption) for caption in element.findall("caption")]
    found = table(_grid(rows, heads), heads=heads)
    return [*(Block("paragraph", text) for text in captions if text), *([found] if found else [])]


def _width(row: etree._Element) -> int:
    return sum(_span(cell, "colspan") for cell in row.iterchildren("td", "th"))


def _header_rows(element: etree._Element, rows: Sequence[etree._Element]) -> int:
    """Rows in ``thead``; else the first ones with nothing but header cells."""
    if grouped := len(element.findall("thead/tr")):
        return min(grouped, len(rows) - 1)
    count = 0
    for row in rows[:-1]:
        cells = list(row.iterchildren("td", "th"))
        if not cells or any(cell.tag == "td" for cell in cells):
            break
        count += 1
    return max(1, count)


def _rows(element: etree._Element) -> Iterator[etree._Element]:
    """Its own rows, not those of tables in its cells."""
    for child in element.iterchildren("tr", *_GROUPS):
        if child.tag == "tr":
            yield child
        else:
            yield from child.iterchildren("tr")


def _grid(rows: Sequence[etree._Element], heads: int) -> Iterator[list[str]]:
    """Rows of cell texts. A cell that spans rows is repeated in each; one that spans columns in the
    header, so that each column has its name, and is padded elsewhere."""
    carried: dict[int, tuple[int, str]] = {}
    for number, row in enumerate(rows):
        cells: list[str] = []
        still: dict[int, tuple[int, str]] = {}
        for cell in [*row.iterchildren("td", "th"), None]:
            _carry(cells, carried, still)
            if cell is not None:
                text = _cell(cell)
                width, height = _span(cell, "colspan"), _span(cell, "rowspan")
                for column in range(width):
                    shown = text if not column or number < heads else ""
                    if height > 1:
                        still[len(cells)] = (height - 1, shown)
                    cells.append(shown)
        carried = still
        yield cells


def _carry(
    cells: list[str], carried: dict[int, tuple[int, str]], still: dict[int, tuple[int, str]]
) -> None:
    """Fill the columns that a cell of an earlier row covers; ``still`` collects the next row's."""
    while len(cells) in carried:
        left, text = carried[len(cells)]
        if left > 1:
            still[len(cells)] = (left - 1, text)
        cells.append(text)


def _span(cell: etree._Element, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(max(1, int(value)), _MAX_SPAN) if value.isascii() and value.isdigit() else 1


def _cell(element: etree._Element) -> str:
    parts: list[str] = []
    for event, inner in etree.iterwalk(element, events=("start", "end")):
        if inner.tag in _APART:
            parts.append(" ")
        if event == "start":
            parts.append(inner.text or "")
        elif inner is not element:
            parts.append(inner.tail or "")
    return " ".join("".join(parts).split())
