"""DOCX: python-docx opens the package and its styles, the body is walked as XML.

The walk is ours because python-docx leaves out content controls, text boxes and tracked
insertions, where forms keep most of their text.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise, takewhile
from typing import Any

from docx import Document
from docx.opc.constants import RELATIONSHIP_TYPE as RELATED
from lxml import etree

from ragline.domain.chunks import Block, Extraction
from ragline.parsing.archives import office_package
from ragline.parsing.limits import MAX_DEPTH, Source, too_deep
from ragline.parsing.tables import table
from ragline.parsing.word_notes import Notes, related, running_heads
from ragline.parsing.word_numbers import Numbering
from ragline.parsing.word_styles import Styles, numbered, outline_level, value

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_MATH_TEXT = _M + "t"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_P, _TBL, _TR, _TC, _T = (_W + name for name in ("p", "tbl", "tr", "tc", "t"))
_BREAKS = {_W + "br": "\n", _W + "cr": "\n", _W + "tab": "\t", _W + "noBreakHyphen": "-"}
_FORMULA = {_M + "num": "", _M + "den": "/", _M + "sup": "^", _M + "sub": "_", _M + "rad": "√"}
_TEXTUAL = (_T, _MATH_TEXT, _P, *_BREAKS, *_FORMULA)
_DROPPED = (_FALLBACK, _W + "del", _W + "moveFrom", _W + "instrText", _W + "delText", _W + "rPr")
_MAX_HEADING = 400
_CHECK_EVERY = 500


def extract(source: Source) -> Extraction:
    document = Document(io.BytesIO(office_package(source.data)))
    body = document.element.body
    if body is None:
        return Extraction([])
    etree.strip_elements(body, *_DROPPED, with_tail=False)
    reader = _Reader(document, source)
    blocks = list(_grouped(reader.blocks(body)))
    blocks += running_heads(document, _text)
    return Extraction(blocks, title=_title(document))


def _title(document: Any) -> str:
    try:
        return str(document.core_properties.title or "").strip()
    except (KeyError, ValueError, AttributeError):  # absent or damaged properties
        return ""


class _Reader:
    """Paragraphs and tables in reading order, through whatever wraps them."""

    def __init__(self, document: Any, source: Source) -> None:
        self._styles = Styles(document)
        self._numbers = Numbering(next(related(document, RELATED.NUMBERING), None))
        self._notes = Notes(document, _text)
        self._source = source

    def blocks(self, body: etree._Element) -> Iterator[Block]:
        stack: list[Iterator[etree._Element]] = [body.iterchildren()]
        count = 0
        while stack:
            element = next(stack[-1], None)
            if element is None:
                stack.pop()
                continue
            count += 1
            if count % _CHECK_EVERY == 0:
                self._source.check_time()
            if element.tag == _P:
                yield from self._paragraph(element)
                yield from self._notes.of(element)
            elif element.tag == _TBL:
                yield from self._table(element)
                yield from self._notes.of(element)
            elif len(stack) > MAX_DEPTH:
                raise too_deep(MAX_DEPTH)
            else:
                stack.append(element.iterchildren())

    def _paragraph(self, element: etree._Element) -> Iterator[Block]:
        text = _text(element).strip()
        if not text:
            return
        properties = element.find(_W + "pPr")
        style = value(properties, "pStyle") if properties is not None else None
        meaning = self._styles.meaning(style)
        level = (outline_level(properties) if properties is not None else 0) or meaning.level
        number_id, depth = numbered(properties)
        listed = number_id != "0" if number_id else meaning.listed
        number_id = number_id or meaning.number_id
        if depth is None:
            depth = meaning.depth
        if depth is None:
            depth = self._numbers.level_of(number_id, style or "")
        label = self._numbers.label(number_id, depth) if number_id else ""
        if level and len(text) <= _MAX_HEADING:
            said = f"{label} {text}" if label not in ("", "-") else text
            yield Block("heading", " ".join(said.split()), level=level)
        elif listed:
            yield Block("list", f"{'  ' * depth}{label or '-'} {text}")
        else:
            yield Block("paragraph", text)

    def _table(self, element: etree._Element) -> Iterator[Block]:
        own = list(_own(element, _TR))
        heads = _header_rows(own)
        rows = [list(_cells(row, repeat=number < heads)) for number, row in enumerate(own)]
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around text
            for cell in _own(element, _TC):
                yield from self.blocks(cell)
        elif block := table([[text for text, _ in row] for row in _unmerged(rows)], heads=heads):
            yield block


def _header_rows(rows: list[etree._Element]) -> int:
    """How many of the first rows Word repeats on each page; one if none is."""
    marked = takewhile(lambda row: row.find(f"{_W}trPr/{_W}tblHeader") is not None, rows)
    return max(1, min(sum(1 for _ in marked), len(rows) - 1))


def _text(element: etree._Element) -> str:
    """Text of a paragraph; that of a text box anchored in it stands on its own lines.

    Formulas are written in a line: ``(a+b)/2``, ``x^2``.
    """
    parts: list[str] = []
    for event, inner in etree.iterwalk(element, events=("start", "end"), tag=_TEXTUAL):
        if inner.tag in _FORMULA:
            sign = _FORMULA[inner.tag]
            if len("".join(inner.itertext())) < 2:
                parts.append(sign if event == "start" else "")
            else:
                parts.append(f"{sign}(" if event == "start" else ")")
        elif event == "end":
            continue
        elif inner.tag == _P:
            parts.append("\n")
        elif inner.tag in _BREAKS:
            if next(inner.iterancestors()).tag != _W + "tabs":  # else a tab stop, not a tab
                parts.append(_BREAKS[inner.tag])
        else:
            parts.append(inner.text or "")
    return "\n".join(line for part in "".join(parts).split("\n") if (line := part.strip()))


def _own(element: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Rows (or cells) of this table, not of the tables inside it."""
    for found in element.iter(tag):
        if next(found.iterancestors(_TBL)) is element:
            yield found


def _cells(row: etree._Element, *, repeat: bool) -> Iterator[tuple[str, bool]]:
    """``(text, continues the cell above)`` for each grid column of a row.

    ``repeat``: a cell that spans columns names each of them.
    """
    holder = next(row.iterancestors(_TBL))
    for cell in row.iter(_TC):
        if next(cell.iterancestors(_TBL)) is not holder:
            continue
        properties = cell.find(_W + "tcPr")
        span, merged = 1, False
        if properties is not None:
            spanned = value(properties, "gridSpan") or ""
            span = min(int(spanned), 100) if spanned.isdecimal() else 1
            merge = properties.find(_W + "vMerge")
            merged = merge is not None and merge.get(_W + "val", "continue") == "continue"
        text = _text(cell)
        yield text, merged
        for _ in range(span - 1):
            yield text if repeat else "", merged


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
