"""Huge files, made from a seed: a PDF of any number of pages, and a text of any size."""

from __future__ import annotations

import random
import textwrap
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.bench.material import handbook

_LINES, _COLUMNS = 46, 88
_TABLE_EVERY = 12
"""Pages; a ruled table of ten rows is on each such one."""


def write_text(path: Path, size: int) -> None:
    """At least so many bytes of paragraphs, of the handbook's sentences in a shuffled order."""
    pick, written = random.Random(11), 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            paragraphs = [_paragraph(pick) for _ in range(1_000)]
            written += file.write("\n\n".join(paragraphs) + "\n\n")


def write_pdf(path: Path, pages: int) -> None:
    """Pages of lines in Helvetica, each its own; fpdf2 would take minutes for thousands."""
    with path.open("wb") as file:
        places = [file.write(b"%PDF-1.7\n")]
        for body in _objects(pages):
            number = len(places)
            places.append(places[-1] + file.write(b"%d 0 obj\n%s\nendobj\n" % (number, body)))
        table = b"".join(b"%010d 00000 n \n" % place for place in places[:-1])
        file.write(b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(places), table))
        file.write(b"trailer << /Size %d /Root 1 0 R >>\n" % len(places))
        file.write(b"startxref\n%d\n%%%%EOF\n" % places[-1])


def _objects(pages: int) -> Iterator[bytes]:
    """Catalog, tree and font; then each page and what is on it."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * page) for page in range(pages))
    yield b"<< /Type /Catalog /Pages 2 0 R >>"
    yield b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids)
    yield b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    pick = random.Random(13)
    for page in range(pages):
        yield (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            b"/Resources << /Font << /F 3 0 R >> >> /Contents %d 0 R >>" % (5 + 2 * page)
        )
        drawn = zlib.compress(_page(page + 1, pick).encode("cp1252", "replace"))
        yield b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(drawn), drawn)


def _page(number: int, pick: random.Random) -> str:
    table = number % _TABLE_EVERY == 0
    lines = _lines(pick, _LINES - (12 if table else 0))
    shown = "\n".join(f"({_escaped(line)}) Tj T*" for line in lines)
    title = _escaped(" ".join(_paragraph(pick).split()[:5]))
    head = f"/F 16 Tf 14 TL 60 780 Td ({number}. {title}) Tj T* T*"
    text = f"BT {head} /F 10 Tf {shown} ET"
    return text + (_table(number, 60, 230) if table else "")


def _table(number: int, left: int, top: int) -> str:
    """Ten rows of three cells and the rules around them."""
    rows = [("part", "torque", "notes")]
    rows += [(f"M{n}-{number}", f"{7 * n} Nm", f"check {n}") for n in range(1, 10)]
    drawn = [f"BT /F 9 Tf 1 0 0 1 {left} {top} Tm"]
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            drawn.append(f"1 0 0 1 {left + 4 + 150 * column} {top - 16 * at} Tm ({cell}) Tj")
    drawn.append("ET 0.5 w")
    drawn += [
        f"{left} {top + 11 - 16 * n} m {left + 450} {top + 11 - 16 * n} l S" for n in range(11)
    ]
    drawn += [f"{left + 150 * n} {top + 11} m {left + 150 * n} {top - 149} l S" for n in range(4)]
    return "\n" + "\n".join(drawn)


def _lines(pick: random.Random, count: int) -> list[str]:
    lines: list[str] = []
    while len(lines) < count:
        lines += [*textwrap.wrap(_paragraph(pick), _COLUMNS), ""]
    return lines[:count]


def _paragraph(pick: random.Random) -> str:
    return " ".join(pick.choices(handbook(), k=6))


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
