"""PDF by PDFium: the text layer in reading order, its paragraphs, headings, lists and tables.

PDFium gives characters with their boxes, and what is drawn (``reading``, ``objects``). From there
on all is geometry and pure: tables by their rules (``grids``), columns (``order``), running heads
(``furniture``), footnotes (``notes``), paragraphs and headings (``layout``), line ends (``seams``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import CorruptDocument, LimitExceeded, PermanentError
from ragline.domain.pages import PageKind, PageTrouble
from ragline.parsing.limits import Source
from ragline.parsing.pdf.document import opened, outline_of, title_of
from ragline.parsing.pdf.furniture import Sheet, without_furniture
from ragline.parsing.pdf.grids import Grid, take_grids
from ragline.parsing.pdf.layout import blocks_of
from ragline.parsing.pdf.order import in_order
from ragline.parsing.pdf.reading import Page, read_page
from ragline.parsing.pdf.runs import Line, is_right_to_left, line_of
from ragline.parsing.pdf.streams import check_streams
from ragline.ports import Ocr

_DAMAGED_PAGE = "The page is damaged and cannot be read."
_SAMPLE = 20
_LEAST_PAGES = 4
"""So many pages are looked at to tell running heads, neighbours of a shorter range too."""


def extract(source: Source) -> Extraction:
    with opened(source) as document:
        wanted = source.page_range(len(document))
        sheets: list[Sheet] = []
        kinds: dict[int, PageKind] = {}
        trouble: list[PageTrouble] = []
        for number in _with_neighbours(wanted, len(document)):
            source.check_time(number)
            page = read_page(document, number)
            if page.kind is PageKind.IMAGE and number in wanted and source.ocr is not None:
                page = _recognised(document, page, source.ocr, trouble)
            sheets.append(_sheet(page))
            if number in wanted:
                kinds[number] = page.kind
        failed = [number for number, kind in kinds.items() if kind is PageKind.FAILED]
        if wanted and len(failed) == len(wanted):
            why = trouble[0].message if trouble else "none of its pages can be read."
            raise CorruptDocument(f"The PDF is damaged: {why}")
        outline = outline_of(document, wanted)
        title = title_of(document)
    named = {one.page for one in trouble}
    trouble += [PageTrouble(n, "corrupt", _DAMAGED_PAGE) for n in failed if n not in named]
    numbers = [sheet.number for sheet in sheets]
    own = zip(numbers, without_furniture(sheets), strict=True)
    pages = [(number, lines) for number, lines in own if number in wanted]
    blocks: list[Block] = []
    for page_blocks in blocks_of(pages, outline):
        source.check_time()
        blocks += page_blocks
    return Extraction(blocks, kinds, title, trouble)


def _recognised(document: Any, page: Page, ocr: Ocr, trouble: list[PageTrouble]) -> Page:
    """A page that OCR refuses is a page that failed, no more."""
    from ragline.parsing.pdf.scans import read_scan

    try:
        return read_scan(document, page, ocr)
    except LimitExceeded:
        raise
    except PermanentError as error:
        trouble.append(PageTrouble(page.number, error.code, str(error)))
        return Page(page.number, PageKind.FAILED)


def page_count(source: Source) -> int:
    check_streams(source.data)  # here only: a document is counted before any of it is read
    with opened(source) as document:
        return len(document)


def is_scanned(source: Source) -> bool:
    """Whether most pages are pictures, judged by some that lie evenly among them."""
    with opened(source) as document:
        pages = len(document)
        some = range(1, pages + 1, -(-pages // _SAMPLE) or 1)
        pictures = 0
        for number in some:
            source.check_time(number)
            pictures += read_page(document, number).kind is PageKind.IMAGE
    return pictures * 2 > len(some)


def _with_neighbours(wanted: range, pages: int) -> range:
    lacking = _LEAST_PAGES - len(wanted) if wanted else 0
    if lacking <= 0:
        return wanted
    first = max(1, wanted[0] - lacking)
    return range(first, min(pages, wanted[-1] + lacking) + 1)


def _sheet(page: Page) -> Sheet:
    """A page's lines and tables as they are read; what runs up or down the page comes last."""
    upright = [run for run in page.runs if run.upright]
    grids, runs = take_grids(upright, page.rules)
    reversed_ = _mostly_right_to_left([run.text for run in runs])
    rows = in_order([*grids, *runs], right_to_left=reversed_)
    lines: list[Line | Grid] = [row if isinstance(row, Grid) else line_of(row) for row in rows]
    lines += [line_of([run]) for run in page.runs if not run.upright]
    shown = [line for line in lines if isinstance(line, Grid) or line.text]
    return Sheet(page.number, shown, page.head, page.foot)


def _mostly_right_to_left(texts: Sequence[str]) -> bool:
    total = sum(map(len, texts))
    return 2 * sum(len(text) for text in texts if is_right_to_left(text)) > total
