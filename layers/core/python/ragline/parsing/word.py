"""DOCX: python-docx opens the package and its styles, the body is walked as XML.

The walk is ours because python-docx leaves out content controls, text boxes and tracked
insertions, where forms keep most of their text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from docx import Document
from lxml import etree

from ragline.domain.chunks import Block, Extraction
from ragline.parsing.archives import office_package
from ragline.parsing.limits import MAX_DEPTH, Source, too_deep
from ragline.parsing.tables import table

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_P, _TBL, _TR, _TC, _T = (_W + name for name in ("p", "tbl", "tr", "tc", "t"))
_BREAKS = {_W + "br": "\n", _W + "cr": "\n", _W + "tab": "\t", _W + "noBreakHyphen": "-"}
_DROPPED = (_FALLBACK, _W + "del", _W + "moveFrom", _W + "instrText", _W + "delText", _W + "rPr")
_HEADING = re.compile(r"heading ([1-9])$", re.I)
_MAX_LEVEL = 6
_MAX_HEADING = 400
_CHECK_EVERY = 500


def extract(source: Source) -> Extraction:
    document = Document(io.BytesIO(office_package(source.data)))
    body = document.element.body
    if body is None:
        return Extraction([])
    styles = _Styles(document)
    etree.strip_elements(body, *_DROPPED, with_tail=False)
    blocks = list(_grouped(_blocks(body, styles, source)))
    return Extraction(blocks, title=_title(document))


def _title(document: Any) -> str:
    try:
        return str(document.core_properties.title or "").strip()
    except (KeyError, ValueError, AttributeError):  # absent or damaged properties
        return ""


class _Styles:
    """What paragraph styles mean: a heading level, or a list."""

    def __init__(self, document: Any) -> None:
        self._elements = {
            element.get(_W + "styleId"): element
            for element in document.styles.element.iterchildren(_W + "style")
        }
        self._known: dict[str | None, tuple[int, bool]] = {None: (0, False)}

    def meaning(self, style_id: str | None) -> tuple[int, bool]:
        """``(heading level or 0, is a list)``, inherited along ``basedOn``."""
        chain: list[str | None] = []
        while style_id not in self._known and style_id not in chain:
            chain.append(style_id)
            element = self._elements.get(style_id)
            own = self._own(element) if element is not None else (0, False)
            if any(own) or element is None:
                self._known[style_id] = own
                break
            style_id = _value(element, "basedOn")
        found = self._known.get(style_id, (0, False))
        for link in chain:
            self._known[link] = found
        return found

    def _own(self, style: etree._Element) -> tuple[int, bool]:
        name = _value(style, "name") or ""
        if heading := _HEADING.match(name):
            return min(int(heading.group(1)), _MAX_LEVEL), False
        if name.lower() == "title":
            return 1, False
        properties = style.find(_W + "pPr")
        if properties is None:
            return 0, name.lower().startswith("list ")
        level = _outline_level(properties)
        numbered = properties.find(_W + "numPr") is not None
        return level, not level and (numbered or name.lower().startswith("list "))


def _value(element: etree._Element, child: str) -> str | None:
    found = element.find(_W + child)
    return found.get(_W + "val") if found is not None else None


def _outline_level(properties: etree._Element) -> int:
    """1-6; 0 for body text, which Word writes as outline level 9."""
    value = _value(properties, "outlineLvl") or ""
    return int(value) + 1 if value.isdigit() and int(value) < _MAX_LEVEL else 0


def _blocks(body: etree._Element, styles: _Styles, source: Source) -> Iterator[Block]:
    """Paragraphs and tables in reading order, through whatever wraps them."""
    stack: list[Iterator[etree._Element]] = [body.iterchildren()]
    count = 0
    while stack:
        element = next(stack[-1], None)
        if element is None:
            stack.pop()
            continue
        count += 1
        if count % _CHECK_EVERY == 0:
            source.check_time()
        if element.tag == _P:
            yield from _paragraph(element, styles)
        elif element.tag == _TBL:
            yield from _table(element, styles, source)
        elif len(stack) > MAX_DEPTH:
            raise too_deep(MAX_DEPTH)
        else:
            stack.append(element.iterchildren())


def _paragraph(element: etree._Element, styles: _Styles) -> Iterator[Block]:
    text = _text(element).strip()
    if not text:
        return
    properties = element.find(_W + "pPr")
    level, listed, indent = 0, False, 0
    if properties is not None:
        level, listed = styles.meaning(_value(properties, "pStyle"))
        level = _outline_level(properties) or level
        numbering = properties.find(_W + "numPr")
        if numbering is not None:
            depth = _value(numbering, "ilvl") or ""
            listed = _value(numbering, "numId") != "0"
            indent = min(int(depth), 8) if depth.isdigit() else 0
    if level and len(text) <= _MAX_HEADING:
        yield Block("heading", " ".join(text.split()), level=level)
    elif listed:
        yield Block("list", f"{'  ' * indent}- {text}")
    else:
        yield Block("paragraph", text)


def _text(element: etree._Element) -> str:
    """Text of a paragraph; that of a text box anchored in it stands on its own lines."""
    parts: list[str] = []
    for inner in element.iter(_T, _MATH_TEXT, _P, *_BREAKS):
        if inner.tag == _P:
            parts.append("\n")
        elif inner.tag in _BREAKS:
            if next(inner.iterancestors()).tag != _W + "tabs":  # else a tab stop, not a tab
                parts.append(_BREAKS[inner.tag])
        else:
            parts.append(inner.text or "")
    return "\n".join(line for part in "".join(parts).split("\n") if (line := part.strip()))


def _table(element: etree._Element, styles: _Styles, source: Source) -> Iterator[Block]:
    rows = [list(_cells(row)) for row in _own(element, _TR)]
    if len(rows) == 1 and len(rows[0]) == 1:  # a frame around text
        for cell in _own(element, _TC):
            yield from _blocks(cell, styles, source)
    elif block := table([text for text, _ in row] for row in _unmerged(rows)):
        yield block


def _own(element: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Rows (or cells) of this table, not of the tables inside it."""
    for found in element.iter(tag):
        if next(found.iterancestors(_TBL)) is element:
            yield found


def _cells(row: etree._Element) -> Iterator[tuple[str, bool]]:
    """``(text, continues the cell above)`` for each grid column of a row."""
    holder = next(row.iterancestors(_TBL))
    for cell in row.iter(_TC):
        if next(cell.iterancestors(_TBL)) is not holder:
            continue
        properties = cell.find(_W + "tcPr")
        span, merged = 1, False
        if properties is not None:
            value = _value(properties, "gridSpan") or ""
            span = min(int(value), 100) if value.isdigit() else 1
            merge = properties.find(_W + "vMerge")
            merged = merge is not None and merge.get(_W + "val", "continue") == "continue"
        yield _text(cell), merged
        for _ in range(span - 1):
            yield "", False


def _unmerged(rows: list[list[tuple[str, bool]]]) -> list[list[tuple[str, bool]]]:
    """A cell merged downwards is repeated in each row, so that every row reads alone."""
    for above, row in pairwise(rows):
        for column, (text, merged) in enumerate(row):
            if merged and not text and column < len(above):
                row[column] = above[column]
    return rows


def _grouped(blocks: Iterator[Block]) -> Iterator[Block]:
    """Consecutive list items are one list."""
    items: list[str] = []
    for block in blocks:
        if block.kind == "list":
            items.append(block.text)
            continue
        if items:
            yield Block("list", "\n".join(items))
            items = []
        yield block
    if items:
        yield Block("list", "\n".join(items))
