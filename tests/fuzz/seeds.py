"""The good files that are mutated: small, one or more of every format that is read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache

from tests import samples


@cache
def seeds() -> Mapping[str, bytes]:
    """Name → bytes; the extension names the format in the table."""
    made = {name: make() for name, make in samples.SAMPLES.items()}
    made |= {f"picture.{kind}": _picture(kind) for kind in ("png", "jpeg", "tiff", "gif", "webp")}
    made["scanned.pdf"] = samples.scanned_pdf()
    made["tables.pdf"] = _table_pdf()
    made["pictures.pdf"] = _picture_pdf()
    made["encrypted.pdf"] = samples.encrypted_pdf()
    made["papers.zip"] = samples.zipped({"a.md": samples.markdown(), "in/b.pdf": samples.pdf()})
    made["nested.zip"] = samples.zipped({"inner.zip": made["papers.zip"], "c.eml": samples.eml()})
    made["wide.csv"] = "Größe;Maß\r\n".encode("cp1252") + b"1;2\r\n" * 40
    made["wide.txt"] = ("気圧計の手入れ。\n" * 20).encode("utf-16")
    return made


PASSWORD = "user"
"""Of ``encrypted.pdf``; it is given with every file."""


def _picture(kind: str) -> bytes:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (160, 60), "white")
    ImageDraw.Draw(image).text((8, 20), samples.HEADING, fill="black")
    target = io.BytesIO()
    more = {"save_all": True, "append_images": [image.rotate(180)]} if kind in "tiff gif" else {}
    image.save(target, format=kind, **more)
    return target.getvalue()


def _table_pdf() -> bytes:
    from fpdf import FPDF

    document = FPDF()
    document.add_page()
    document.set_font("Times", size=11)
    with document.table() as table:
        for cells in (("Instrument", "Unit"), ("Barometer", "hPa"), ("Rain gauge", "mm")):
            row = table.row()
            for cell in cells:
                row.cell(cell)
    document.start_section("Units")
    return bytes(document.output())


def _picture_pdf() -> bytes:
    """A page that is a picture, and one of text: with what a picture of a PDF can be packed by."""
    from fpdf import FPDF

    document = FPDF()
    for kind in ("png", "jpeg"):
        document.add_page()
        document.image(io.BytesIO(_picture(kind)), w=120)
    document.add_page()
    document.set_font("Courier", size=11)
    document.cell(text=samples.SENTENCE)
    return bytes(document.output())
