"""Files of some kilobytes to some megabytes that want to be far more when they are read."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable

from tests import samples

MIB = 1024 * 1024
UNDER_THE_RATIO = 31 * MIB
"""Containers that unpack to less may have any ratio (parsing.limits.RATIO_FREE)."""


def repeated(piece: bytes, size: int) -> bytes:
    return piece * (size // len(piece))


def with_member(sample: bytes, name: str, content: bytes) -> bytes:
    """A container with one member replaced."""
    with zipfile.ZipFile(io.BytesIO(sample)) as archive:
        members: dict[str, str | bytes] = {n: archive.read(n) for n in archive.namelist()}
    members[name] = content
    return samples.zipped(members)


def docx(piece: bytes, size: int = UNDER_THE_RATIO) -> bytes:
    word = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = b"<w:document %s><w:body>%s</w:body></w:document>" % (word, repeated(piece, size))
    return with_member(samples.docx(), "word/document.xml", body)


def xlsx(piece: bytes, size: int = UNDER_THE_RATIO) -> bytes:
    main = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    sheet = b"<worksheet %s><sheetData>%s</sheetData></worksheet>" % (main, repeated(piece, size))
    return with_member(samples.xlsx(), "xl/worksheets/sheet1.xml", sheet)


def pptx(piece: bytes, size: int = UNDER_THE_RATIO) -> bytes:
    with zipfile.ZipFile(io.BytesIO(samples.pptx())) as archive:
        slide = archive.read("ppt/slides/slide1.xml")
    swollen = slide.replace(b"</p:txBody>", repeated(piece, size) + b"</p:txBody>", 1)
    assert len(swollen) > size // 2
    return with_member(samples.pptx(), "ppt/slides/slide1.xml", swollen)


def epub(piece: bytes, size: int = UNDER_THE_RATIO) -> bytes:
    with zipfile.ZipFile(io.BytesIO(samples.epub())) as archive:
        page = next(name for name in archive.namelist() if name.endswith("html"))
    return with_member(samples.epub(), page, b"<html><body>" + repeated(piece, size))


def many_members() -> bytes:
    members: dict[str, str | bytes] = {"[Content_Types].xml": "<Types/>"}
    return samples.zipped(members | {f"word/{n}.xml": "" for n in range(20_001)})


def zips_in_zips() -> bytes:
    """Five levels of ten: 10^5 times 1 MiB, if anyone looked inside."""
    members: dict[str, str | bytes] = {"zeros": bytes(MIB)}
    inner = samples.zipped(members)
    for _ in range(5):
        members = {f"{n}.zip": inner for n in range(10)}
        inner = samples.zipped(members)
    return with_member(samples.docx(), "word/embeddings/all.zip", inner)


def lying_directory() -> bytes:
    """A container whose directory says that a member of 64 MiB has a hundred bytes."""
    data = bytearray(docx(b"<w:p/>", 64 * MIB))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        true = archive.getinfo("word/document.xml").file_size.to_bytes(4, "little")
    place = data.rfind(true)
    data[place : place + 4] = (100).to_bytes(4, "little")
    return bytes(data)


def pdf(*objects: bytes) -> bytes:
    """A PDF of these objects, numbered from 1; the first is its catalogue."""
    out, places = io.BytesIO(), []
    out.write(b"%PDF-1.7\n")
    for number, content in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    table = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1))
    out.writelines(b"%010d 00000 n \n" % place for place in places)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(places) + 1))
    out.write(b"startxref\n%d\n%%%%EOF\n" % table)
    return out.getvalue()


def page_with(content: bytes, filters: bytes, extra: bytes = b"") -> bytes:
    stream = b"<< /Length %d /Filter %s %s >>\nstream\n%s\nendstream"
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
        b"/Resources << /Font << /F 5 0 R >> >> >>",
        stream % (len(content), filters, extra, content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )


def deflated(piece: bytes, size: int, times: int = 1) -> bytes:
    """So many bytes, compressed; again for each of ``times`` beyond the first."""
    squeeze = zlib.compressobj(9)
    block = piece * (MIB // len(piece))
    data = b"".join(squeeze.compress(block) for _ in range(size // len(block))) + squeeze.flush()
    for _ in range(times - 1):
        data = zlib.compress(data, 9)
    return data


def flate_pdf() -> bytes:
    """A page whose instructions are a gibibyte of blanks."""
    return page_with(deflated(b" ", 1024 * MIB), b"/FlateDecode")


def twice_flate_pdf() -> bytes:
    return page_with(deflated(b" ", 1024 * MIB, times=2), b"[/FlateDecode /FlateDecode]")


def wordy_pdf() -> bytes:
    """A page of 20 million characters."""
    text = b"BT /F 1 Tf (" + b"a" * 1_000 + b") Tj ET\n"
    return page_with(deflated(text, 20 * MIB), b"/FlateDecode")


def endless_pages_pdf() -> bytes:
    """Seven levels of ten pages trees that share their kids: ten million pages in two kilobytes."""
    levels = 7
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    for level in range(levels):
        kids = b" ".join([b"%d 0 R" % (level + 3)] * 10)
        objects.append(b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, 10 ** (levels - level)))
    objects.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] >>")
    return pdf(*objects)


def pages_in_a_circle_pdf() -> bytes:
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1000000 >>",
        b"<< /Type /Pages /Parent 2 0 R /Kids [2 0 R] /Count 1000000 >>",
    )


def nested_mail() -> bytes:
    parts = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2_000)
    )
    return b"Subject: x\nMIME-Version: 1.0\n" + parts + b"Content-Type: text/plain\n\nbottom\n"


def mail_of_parts() -> bytes:
    part = b"--b\nContent-Type: text/plain\n\nx\n"
    head = b"Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    return head + part * 100_000 + b"--b--\n"


BOMBS: dict[str, Callable[[], bytes]] = {
    "ratio.docx": samples.zip_bomb,
    "paragraphs.docx": lambda: docx(b"<w:p/>"),
    "tables.docx": lambda: docx(b"<w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>"),
    "nested.docx": lambda: docx(b"<w:tbl><w:tr><w:tc>", 2 * MIB),
    "lies.docx": lying_directory,
    "members.docx": many_members,
    "zips.docx": zips_in_zips,
    "cells.xlsx": lambda: xlsx(b'<row><c t="n"><v>1</v></c></row>'),
    "columns.xlsx": lambda: xlsx(b'<c t="n"><v>1</v></c>'),
    "far.xlsx": lambda: xlsx(b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', 1_000),
    "paragraphs.pptx": lambda: pptx(b"<a:p/>"),
    "paragraphs.epub": lambda: epub(b"<p>a"),
    "tags.epub": lambda: epub(b"<b>", 8 * MIB),
    "flate.pdf": flate_pdf,
    "twice.pdf": twice_flate_pdf,
    "wordy.pdf": wordy_pdf,
    "pages.pdf": endless_pages_pdf,
    "circle.pdf": pages_in_a_circle_pdf,
    "columns.csv": lambda: b"a," * 1_000_000 + b"\n" + b"1," * 1_000_000 + b"\n",
    "quote.csv": lambda: b'"' + b"a\n" * 5_000_000,
    "rows.csv": lambda: b"\n" * 20 * MIB,
    "wide.json": lambda: b'{"a":{' + b",".join(b'"k%d":1' % n for n in range(1_000_000)) + b"}}",
    "lists.json": lambda: b"[" + b"[0]," * 2_000_000 + b"0]",
    "number.json": lambda: b'{"a":' + b"9" * 4_000_000 + b"}",
    "records.jsonl": lambda: b"{}\n" * 5_000_000,
    "nesting.html": lambda: b"<div>" * 2_000_000,
    "attributes.html": lambda: b"<p " + b"".join(b"a%d=1 " % n for n in range(500_000)) + b">x",
    "entities.html": lambda: b"<p>" + b"&amp;" * 4_000_000,
    "tables.html": lambda: b"<table><tr><td colspan=1000000 rowspan=1000000>a</table>" * 100,
    "cells.html": lambda: b"<table><tr>" + b"<td>a" * 1_000_000,
    "quotes.md": lambda: b">" * 2_000_000,
    "links.md": lambda: b"[" * 2_000_000,
    "stars.md": lambda: b"*a " * 1_000_000,
    "fences.md": lambda: b"```\n" * 1_000_000,
    "nested.eml": nested_mail,
    "parts.eml": mail_of_parts,
    "header.eml": lambda: b"Subject: " + b"=?utf-8?b?YQ==?= " * 500_000 + b"\n\nx",
    "word.txt": lambda: b"a" * 20_000_000,
    "blanks.txt": lambda: b"a" + b" \n" * 10_000_000 + b"a",
}
"""Name → maker."""
