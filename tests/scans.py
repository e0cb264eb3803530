"""Scanned documents, made here: pages of text as pictures without a text layer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.samples import HEADING, SENTENCE

if TYPE_CHECKING:
    from PIL.Image import Image

LETTER = (
    HEADING,
    SENTENCE,
    "Write the reading down at once, with the hour and your name. Nobody remembers a figure",
    "until the evening, and two figures even less.",
)


def sheet(lines: Sequence[str] = LETTER, dpi: int = 150) -> Image:
    """A page of paper with these lines, the first as a heading."""
    from fpdf import FPDF
    from pypdfium2 import PdfDocument

    document = FPDF()
    document.add_page()
    for row, line in enumerate(lines):
        document.set_font("Helvetica", size=11 if row else 26)
        document.multi_cell(0, 6 if row else 16, line, new_x="LMARGIN", new_y="NEXT")
    page = PdfDocument(bytes(document.output()))[0]
    picture: Image = page.render(scale=dpi / 72).to_pil().convert("RGB")
    return picture


def png(picture: Image) -> bytes:
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


def scan(*pages: Image | str, turned: int = 0) -> bytes:
    """A PDF: a picture is a scanned page, a string a page with a text layer.

    ``turned``: pages say of themselves that they are to be shown turned by so many degrees.
    """
    from fpdf import FPDF

    document = FPDF()
    for page in pages:
        document.add_page()
        if isinstance(page, str):
            document.set_font("Helvetica", size=11)
            document.multi_cell(0, 6, page)
        else:
            document.image(page, 0, 0, document.w, document.h)
    data = bytes(document.output())
    return _turned(data, turned) if turned else data


def _turned(data: bytes, degrees: int) -> bytes:
    from pypdfium2 import PdfDocument

    document, target = PdfDocument(data), io.BytesIO()
    for page in document:
        page.set_rotation(degrees)
    document.save(target)
    return target.getvalue()
