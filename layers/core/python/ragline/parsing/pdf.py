"""PDF by PDFium: the text layer, its paragraphs, its headings.

PDFium gives characters in reading order with their boxes; lines, paragraphs and headings are
guessed in ``pdf_layout``. Scanned pages have no text layer and are reported as bare.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from statistics import median_low
from typing import Any

import pypdfium2.raw as pdfium
from pypdfium2 import PdfDocument, PdfiumError

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import CorruptDocument, EncryptedDocument, LimitExceeded
from ragline.domain.pages import PageKind, PageTrouble
from ragline.parsing.limits import MAX_PAGE_CHARS, Source
from ragline.parsing.pdf_layout import Entry, Line, Outline, blocks_of
from ragline.parsing.pdf_streams import check_streams

_MAX_BOOKMARKS = 10_000
_LAST_CODE_POINT = 0x10FFFF
_DAMAGED_PAGE = "The page is damaged and cannot be read."
_LINE = re.compile(r"[^\n\x02\ufffe]+[\x02\ufffe]?")
"""PDFium ends a line by a line feed, or by U+0002 (once U+FFFE) where a hyphen cuts a word."""

_lock = threading.Lock()
"""PDFium is not thread-safe: https://pypdfium2.readthedocs.io/en/stable/python_api.html"""


def extract(source: Source) -> Extraction:
    with _opened(source) as document:
        wanted = source.page_range(len(document))
        pages: list[tuple[int, list[Line]]] = []
        kinds: dict[int, PageKind] = {}
        for number in wanted:
            source.check_time(number)
            lines = _page_lines(document, number)
            kinds[number] = _kind(lines)
            pages.append((number, lines or []))
        failed = [number for number, kind in kinds.items() if kind is PageKind.FAILED]
        if wanted and len(failed) == len(wanted):
            raise CorruptDocument("The PDF is damaged: none of its pages can be read.")
        outline = _outline(document, wanted)
        title = str(document.get_metadata_value("Title")).strip()
    blocks: list[Block] = []
    for page_blocks in blocks_of(pages, outline):
        source.check_time()
        blocks += page_blocks
    trouble = [PageTrouble(number, "corrupt", _DAMAGED_PAGE) for number in failed]
    return Extraction(blocks, kinds, title, trouble)


def page_count(source: Source) -> int:
    check_streams(source.data)  # here only: a document is counted before any of it is read
    with _opened(source) as document:
        return len(document)


def _kind(lines: list[Line] | None) -> PageKind:
    if lines is None:
        return PageKind.FAILED
    return PageKind.TEXT if lines else PageKind.IMAGE


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    with _lock:
        try:
            document = PdfDocument(source.file, password=source.password or None)
        except PdfiumError as error:
            raise _translated(error, source.password) from error
        try:
            yield document
        except PdfiumError as error:
            raise _translated(error, source.password) from error
        finally:
            document.close()


def _translated(error: Any, password: str) -> CorruptDocument | EncryptedDocument:
    code = getattr(error, "err_code", None)
    if code == pdfium.FPDF_ERR_PASSWORD:
        wrong = "the password given is not its own" if password else "no password was given"
        return EncryptedDocument(f"The PDF is password protected, and {wrong}.")
    if code == pdfium.FPDF_ERR_SECURITY:
        return EncryptedDocument("The PDF is protected by a scheme that cannot be read.")
    return CorruptDocument("The PDF is damaged and cannot be read.")


def _page_lines(document: Any, number: int) -> list[Line] | None:
    """The lines of a page; None if it cannot be loaded (the other pages still count)."""
    try:
        page = document[number - 1]
    except PdfiumError:
        return None
    try:
        text_page = page.get_textpage()
    except PdfiumError:
        page.close()
        return None
    try:
        return _lines(text_page.raw, text_page.count_chars(), number)
    finally:
        text_page.close()
        page.close()


def _lines(raw: Any, count: int, number: int) -> list[Line]:
    if count > MAX_PAGE_CHARS:
        raise LimitExceeded(
            f"Page {number} holds {count:,} characters, more than the limit of "
            f"{MAX_PAGE_CHARS:,} for one page.",
            page=number,
        )
    # One code point at a time: PDFium's bulk call cuts characters to 16 bits.
    code_at = pdfium.FPDFText_GetUnicode
    text = "".join(map(_character, [code_at(raw, index) for index in range(count)]))
    lines: list[Line] = []
    for found in _LINE.finditer(text):
        if found.group().strip():
            lines.append(_measured(raw, found.group(), found.start()))
    return lines


def _character(code: int) -> str:
    """One character for one code, so that positions in the text are PDFium's."""
    return chr(code) if 0 < code <= _LAST_CODE_POINT else " "


def _measured(raw: Any, text: str, start: int) -> Line:
    """A line with the box around its first, middle and last character."""
    stripped = text.rstrip()
    first = start + len(text) - len(text.lstrip())
    last = start + len(stripped) - 1
    boxes = [_box(raw, index) for index in dict.fromkeys((first, (first + last) // 2, last))]
    known = [box for box in boxes if box is not None]
    if not known:
        return Line(stripped.strip())
    left = min(box[0] for box in known)
    right = max(box[2] for box in known)
    top = max(box[1] for box in known)
    bottom = min(box[3] for box in known)
    size = median_low([box[1] - box[3] for box in known])
    if top - bottom > 2 * size and len(stripped) > 2:  # runs up or down the page: not measurable
        size = 0.0
    return Line(stripped.strip(), round(size * 2) / 2, left, top, right, bottom)


def _box(raw: Any, index: int) -> tuple[float, float, float, float] | None:
    """``(left, top, right, bottom)`` of the character cell, which is as high as its font."""
    rectangle = pdfium.FS_RECTF()
    if not pdfium.FPDFText_GetLooseCharBox(raw, index, rectangle):
        return None
    if rectangle.top <= rectangle.bottom:
        return None
    return rectangle.left, rectangle.top, rectangle.right, rectangle.bottom


def _outline(document: Any, wanted: range) -> Outline:
    """The bookmarks of the wanted pages, and those that the first wanted page stands under."""
    entries: list[Entry] = []
    try:
        for bookmark in islice(document.get_toc(max_depth=6), _MAX_BOOKMARKS):
            destination = bookmark.get_dest()
            index = destination.get_index() if destination else None
            title = " ".join(_shown(bookmark.get_title()).split())
            if index is not None and title:
                entries.append(Entry(title, bookmark.level + 1, index + 1, _height(destination)))
    except (PdfiumError, UnicodeDecodeError, ValueError):
        return Outline((), ())  # a damaged outline is no reason to refuse the text
    return Outline.of(entries, wanted)


def _height(destination: Any) -> float | None:
    """How far up the page a bookmark points, if it says so."""
    mode, view = destination.get_view()
    if mode == pdfium.PDFDEST_VIEW_XYZ and len(view) > 1:
        return float(view[1]) if view[1] else None
    if mode in (pdfium.PDFDEST_VIEW_FITH, pdfium.PDFDEST_VIEW_FITBH) and view:
        return float(view[0])
    return None


def _shown(title: object) -> str:
    return str(title or "").replace("\0", "")
