"""Small real files, one per format, and bad ones, all made in memory.

Every good one holds ``SENTENCE`` under the heading ``HEADING``; where the format has pages, on
page 2 of 2. ``BAD`` gives with each file the error code or the terminal status that it must end in.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any

HEADING = "Care of the barometer"
SENTENCE = "The mercury column must be read at eye level every morning."
OPENING = "Station handbook"
_FILLER = "This handbook describes the instruments of a small weather station."


def pdf() -> bytes:
    from fpdf import FPDF

    document = FPDF()
    for heading, text in ((OPENING, _FILLER), (HEADING, SENTENCE)):
        document.add_page()
        document.set_font("Helvetica", size=20)
        document.multi_cell(0, 12, heading, new_x="LMARGIN", new_y="NEXT")
        document.ln(6)
        document.set_font("Helvetica", size=11)
        document.multi_cell(0, 6, text, new_x="LMARGIN", new_y="NEXT")
    return bytes(document.output())


def docx() -> bytes:
    from docx import Document

    document = Document()
    document.add_heading(OPENING, level=1)
    document.add_paragraph(_FILLER)
    document.add_heading(HEADING, level=2)
    document.add_paragraph(SENTENCE)
    document.add_paragraph("Check the level.", style="List Bullet")
    document.add_paragraph("Note the temperature.", style="List Bullet")
    table = document.add_table(rows=3, cols=2)
    rows = (("Instrument", "Unit"), ("Barometer", "hPa"), ("Rain gauge", "mm"))
    for cells, values in zip(table.rows, rows, strict=True):
        for cell, value in zip(cells.cells, values, strict=True):
            cell.text = value
    return _saved(document)


def pptx() -> bytes:
    from pptx import Presentation

    presentation = Presentation()
    layout = presentation.slide_layouts[1]
    for heading, text in ((OPENING, _FILLER), (HEADING, SENTENCE)):
        slide = presentation.slides.add_slide(layout)
        slide.shapes.title.text = heading
        slide.placeholders[1].text = text
    slide.notes_slide.notes_text_frame.text = "Bring the spare tube."
    return _saved(presentation)


def xlsx() -> bytes:
    from openpyxl import Workbook

    workbook = Workbook()
    first: Any = workbook.active
    first.title = OPENING
    first.append(["Instrument", "Unit"])
    first.append(["Rain gauge", "mm"])
    second = workbook.create_sheet(HEADING)
    second.append(["Step", "What to do", "Minutes"])
    second.append([1, SENTENCE, 2.5])
    second.append([2, "Write the value down.", 1])
    return _saved(workbook)


def html() -> bytes:
    return (
        "<!DOCTYPE html><html><head><title>Station handbook</title><style>p{}</style></head><body>"
        "<nav><a href='/'>Home</a></nav>"
        f"<h1>{OPENING}</h1><p>{_FILLER}</p><h2>{HEADING}</h2><p>{SENTENCE}</p>"
        "<ul><li>Check the level.</li><li>Note the temperature.</li></ul>"
        "<table><tr><th>Instrument</th><th>Unit</th></tr><tr><td>Barometer</td><td>hPa</td></tr>"
        "</table><script>alert('no')</script></body></html>"
    ).encode()


def markdown() -> bytes:
    return (
        f"# {OPENING}\n\n{_FILLER}\n\n## {HEADING}\n\n{SENTENCE}\n\n- Check the level.\n"
        "- Note the temperature.\n\n| Instrument | Unit |\n|---|---|\n| Barometer | hPa |\n"
    ).encode()


def text() -> bytes:
    return f"{OPENING}\n\n{_FILLER}\n\n{HEADING}\n\n{SENTENCE}\n".encode()


def rst() -> bytes:
    return (
        f"{'=' * 16}\n{OPENING}\n{'=' * 16}\n\n{_FILLER}\n\n"
        f"{HEADING}\n{'-' * len(HEADING)}\n\n{SENTENCE}\n"
    ).encode()


def csv() -> bytes:
    return f'Topic;Instruction\n{HEADING};"{SENTENCE}"\nRain gauge;Empty it at noon.\n'.encode()


def json_file() -> bytes:
    records = [{"topic": "Rain gauge", "instruction": "Empty it at noon."}]
    records.append({"topic": HEADING, "instruction": SENTENCE})
    return json.dumps({"title": OPENING, HEADING: records}).encode()


def jsonl() -> bytes:
    records = [{"topic": "Rain gauge"}, {"topic": HEADING, "instruction": SENTENCE}]
    return "\n".join(json.dumps(record) for record in records).encode()


def epub() -> bytes:
    chapter = "<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>{}</h1><p>{}</p></body></html>"
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:"
            "container'><rootfiles><rootfile full-path='OPS/book.opf'/></rootfiles></container>",
            # The manifest lists the second chapter first: only the spine gives the order.
            "OPS/book.opf": "<package xmlns='http://www.idpf.org/2007/opf'><metadata>"
            "<dc:title xmlns:dc='http://purl.org/dc/elements/1.1/'>Station handbook</dc:title>"
            "</metadata><manifest>"
            "<item id='b' href='two.xhtml' media-type='application/xhtml+xml'/>"
            "<item id='a' href='one.xhtml' media-type='application/xhtml+xml'/></manifest>"
            "<spine><itemref idref='a'/><itemref idref='b'/></spine></package>",
            "OPS/one.xhtml": chapter.format(OPENING, _FILLER),
            "OPS/two.xhtml": chapter.format(HEADING, SENTENCE),
        }
    )


def eml() -> bytes:
    message = EmailMessage()
    message["From"] = "Ada <ada@example.com>"
    message["To"] = "Bo <bo@example.com>"
    message["Date"] = "Mon, 03 Feb 2025 10:00:00 +0000"
    message["Subject"] = HEADING
    message.set_content(f"Dear Bo,\n\n{SENTENCE}\n")
    message.add_alternative(f"<p>Dear Bo,</p><p>{SENTENCE}</p>", subtype="html")
    message.add_attachment(b"\x00\x01", maintype="image", subtype="png", filename="column.png")
    return message.as_bytes()


def corrupt_pdf() -> bytes:
    return b"%PDF-1.7\n" + bytes(range(256)) * 4


def encrypted_pdf(pages: int = 1) -> bytes:
    from fpdf import FPDF

    document = FPDF()
    document.set_encryption(owner_password="owner", user_password="user")
    document.set_font("Helvetica", size=11)
    for number in range(pages):
        document.add_page()
        document.ln(20 * number)  # at the same place it would be taken for a running head
        document.cell(text=SENTENCE)
    return bytes(document.output())


def scanned_pdf() -> bytes:
    """Two pages, each a picture without any text in it."""
    from fpdf import FPDF
    from PIL import Image

    picture = Image.new("L", (200, 280), 255)
    picture.paste(0, (20, 20, 120, 70))
    document = FPDF()
    for _ in range(2):
        document.add_page()
        document.image(picture, x=0, y=0, w=210, h=297)
    return bytes(document.output())


def zip_bomb() -> bytes:
    """A DOCX whose body is 48 MiB of zeros: small on the wire, over the packing ratio."""
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": bytes(48 * 1024 * 1024),
    }
    return zipped(members)


def encrypted_office() -> bytes:
    """What Word writes for a file under a password: an OLE2 container with an encrypted package."""
    return bytes.fromhex("D0CF11E0A1B11AE1") + bytes(504) + "EncryptedPackage".encode("utf-16-le")


def legacy_office() -> bytes:
    return bytes.fromhex("D0CF11E0A1B11AE1") + bytes(504) + "WordDocument".encode("utf-16-le")


def junk() -> bytes:
    return bytes((position * 7919) % 256 for position in range(4096))


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def _saved(document: Any) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


SAMPLES: dict[str, Callable[[], bytes]] = {
    "handbook.pdf": pdf,
    "handbook.docx": docx,
    "handbook.pptx": pptx,
    "handbook.xlsx": xlsx,
    "handbook.html": html,
    "handbook.md": markdown,
    "handbook.txt": text,
    "handbook.rst": rst,
    "handbook.csv": csv,
    "handbook.json": json_file,
    "handbook.jsonl": jsonl,
    "handbook.epub": epub,
    "handbook.eml": eml,
}

BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing.pdf": (lambda: b"", "empty_file"),
    "corrupt.pdf": (corrupt_pdf, "corrupt"),
    "encrypted.pdf": (encrypted_pdf, "encrypted"),
    "scanned.pdf": (scanned_pdf, "empty"),
    "blank.txt": (lambda: b" \n\t\n", "empty"),
    "cut-off.docx": (lambda: docx()[:2000], "corrupt"),
    "bomb.docx": (zip_bomb, "bomb"),
    "encrypted.docx": (encrypted_office, "encrypted"),
    "legacy.doc": (legacy_office, "unsupported_type"),
    "junk.bin": (junk, "unsupported_type"),
}
"""File name to (bytes, error code of the refusal, or ``empty``: the status of a text-free file)."""
