"""Pages that are pictures: rendered by PDFium, read by OCR."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from pypdfium2 import PdfiumError

from ragline.domain.pages import PageKind
from ragline.parsing.pdf.reading import Page
from ragline.parsing.recognised import is_blank, legible, runs_of
from ragline.ports import Ocr

if TYPE_CHECKING:
    from PIL.Image import Image

POINTS = 72
RESOLUTION = 200
"""Dots an inch: 300 reads no better, 100 loses small print (docs/ocr.md)."""

_FINEST = 400
_LONG_SIDE = 1_000
"""Pixels that the longer side of a small page, a receipt or a slip, is blown up to."""

MAX_PIXELS = 10_000_000
"""Of a rendered page: 30 MB. A3 has 7.7 million at 200 dots an inch; a poster is shown coarser."""


def read_scan(document: Any, page: Page, ocr: Ocr) -> Page:
    """The page with what can be read in its picture; as it was, if that is nothing."""
    try:
        picture, scale = rendered(document, page.number)
    except PdfiumError:
        return Page(page.number, PageKind.FAILED)
    if is_blank(picture):
        return page if page.runs else Page(page.number, PageKind.BLANK)
    lines = legible(ocr.read(_png(picture)))
    if not lines:
        return page
    # What was scanned askew or sideways is given upright, so its foot may be elsewhere.
    height = max(picture.height, *(line.bottom for line in lines)) / scale
    runs = runs_of(lines, height, scale)
    return Page(page.number, PageKind.OCR, runs, head=height)


def rendered(document: Any, number: int) -> tuple[Image, float]:
    """A page as it is shown, turned as it says, and its pixels to a point.

    Raises:
        PdfiumError: it cannot be drawn.
    """
    page = document[number - 1]
    try:
        scale = _scale(page.get_width(), page.get_height())
        return page.render(scale=scale, rev_byteorder=True).to_pil().convert("RGB"), scale
    finally:
        page.close()


def _scale(width: float, height: float) -> float:
    fine = min(_FINEST / POINTS, _LONG_SIDE / max(width, height, 1.0))
    coarse = math.sqrt(MAX_PIXELS / max(width * height, 1.0))
    return min(max(RESOLUTION / POINTS, fine), coarse)


def _png(picture: Image) -> bytes:
    target = io.BytesIO()
    picture.save(target, "PNG", compress_level=1)
    return target.getvalue()
