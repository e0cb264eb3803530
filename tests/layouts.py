"""Small PDFs whose layout is hard to read, made in memory, each with the text that stands in it.

``LAYOUTS``: name → the file and its blocks ``(kind, text, page)`` as they are to be read.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Read = tuple[str, str, int]
"""A block's kind, text and page."""

_PITCH = 5.0
_COLUMN = 78.0
_TEXT = (
    "Observers read the barometer every morning and write the reading into the station book.",
    "The thermometer hangs in the shade, two metres above short grass, and is read to a tenth.",
    "Rain is measured at eight, before the sun has taken what fell during the night.",
    "Wind is given in knots and by the direction from which it blows, never towards which.",
    "Cloud is judged by eye, in eighths of the sky, and by its kind as far as it is known.",
    "A reading that was missed is left out of the book and never guessed from the one before.",
    "Instruments are compared with those of the travelling inspector in spring and in autumn.",
    "Snow is melted before it is measured, and its depth is taken where no wind has moved it.",
)
_HALVES = (
    ("The book of the station is sent to the office on the first day", "of the new year."),
    ("What is asked for by telegraph is read at once and sent", "before the hour is over."),
    ("An instrument that fails is packed in straw, and a spare one", "takes its place."),
)


@dataclass(frozen=True)
class Layout:
    pdf: bytes
    blocks: list[Read]

    @property
    def text(self) -> str:
        return "\n\n".join(text for _, text, _ in self.blocks)


def two_columns() -> Layout:
    """Drawn line by line across both columns, under a title and around a heading that span them."""
    pdf = _document()
    pdf.add_page()
    pdf.set_font("Helvetica", size=18)
    pdf.text(20, 20, "The observer's duties through the year")
    pdf.set_font("Helvetica", size=10)
    upper, lower = (_TEXT[0:2], _TEXT[2:4]), (_TEXT[4:6], _TEXT[6:8])
    y = _draw_columns(pdf, upper, 32)
    pdf.set_font("Helvetica", size=14)
    pdf.text(20, y + 8, "What is written down, and by whom it is read in the end")
    pdf.set_font("Helvetica", size=10)
    _draw_columns(pdf, lower, y + 18)
    return Layout(
        bytes(pdf.output()),
        [
            ("heading", "The observer's duties through the year", 1),
            *[("paragraph", one, 1) for one in _TEXT[:4]],
            ("heading", "What is written down, and by whom it is read in the end", 1),
            *[("paragraph", one, 1) for one in _TEXT[4:]],
        ],
    )


def running_heads() -> Layout:
    """Four pages under a head and over a number, a sentence running on over each page's end."""
    pdf = _document()
    blocks: list[Read] = []
    for number in range(1, 5):
        pdf.add_page()
        pdf.set_font("Helvetica", size=8)
        pdf.text(20, 12, f"Handbook of weather stations          Part {number}")
        pdf.text(104, 288, f"- {number + 6} -")
        pdf.set_font("Helvetica", size=11)
        if number > 1:
            pdf.text(20, 25, _HALVES[number - 2][1])
        pdf.text(20, 45, _TEXT[number])
        blocks.append(("paragraph", _TEXT[number], number))
        if number < 4:
            pdf.text(20, 270, _HALVES[number - 1][0])
            blocks.append(("paragraph", " ".join(_HALVES[number - 1]), number))
    return Layout(bytes(pdf.output()), blocks)


def footnote() -> Layout:
    """A note in small print stands between the halves of a sentence, and a word is cut by a hyphen,
    once where it is the word's own."""
    pdf = _document()
    pdf.set_font("Helvetica", size=11)
    pdf.add_page()
    rows = [
        "The first well-known barometers of this coun-",
        "try were made by a clockmaker of the well-",
        "known kind, and each of them was sold with a",
        "book of rules, by which the owner was to judge",
    ]
    for row, text in enumerate(rows):
        pdf.text(20, 240 + row * _PITCH, text)
    pdf.set_font("Helvetica", size=8)
    pdf.text(20, 272, "1 The rules were copied from one maker to the next.")
    pdf.set_font("Helvetica", size=11)
    pdf.add_page()
    pdf.text(20, 20, "the weather of the following day.")
    whole = (
        "The first well-known barometers of this country were made by a clockmaker of the "
        "well-known kind, and each of them was sold with a book of rules, by which the owner was "
        "to judge the weather of the following day."
    )
    note = "1 The rules were copied from one maker to the next."
    return Layout(bytes(pdf.output()), [("paragraph", whole, 1), ("paragraph", note, 1)])


def ruled_table() -> Layout:
    """Over three pages, the header only on the first."""
    pdf = _document()
    pdf.set_font("Helvetica", size=10)
    widths = (30.0, 60.0, 40.0)
    rows = [
        ("Month", "Instrument", "Reading"),
        ("May", "Barometer | aneroid", "1013"),
        ("June", "Hygrometer", "64"),
    ]
    pdf.add_page()
    pdf.text(20, 20, "The readings of the year, as the book has them:")
    for row, cells in enumerate(rows):
        _draw_row(pdf, 30 + row * 10, widths, cells)
    pdf.add_page()
    for row, cells in enumerate((("July", "Rain gauge", "12"), ("August", "Thermometer", "21"))):
        _draw_row(pdf, 20 + row * 10, widths, cells)
    pdf.add_page()
    for row, cells in enumerate((("October", "Anemometer", "7"), ("November", "Snow gauge", "3"))):
        _draw_row(pdf, 20 + row * 10, widths, cells)
    pdf.text(20, 60, "What is missing was never read.")
    head = "| Month | Instrument | Reading |\n| --- | --- | --- |\n"
    first = head + "| May | Barometer \\| aneroid | 1013 |\n| June | Hygrometer | 64 |"
    second = head + "| July | Rain gauge | 12 |\n| August | Thermometer | 21 |"
    third = head + "| October | Anemometer | 7 |\n| November | Snow gauge | 3 |"
    return Layout(
        bytes(pdf.output()),
        [
            ("paragraph", "The readings of the year, as the book has them:", 1),
            ("table", first, 1),
            ("table", second, 2),
            ("table", third, 3),
            ("paragraph", "What is missing was never read.", 3),
        ],
    )


def bullets() -> Layout:
    """A bold heading of the text's size, and a list whose items run over two lines."""
    pdf = _document()
    pdf.add_page()
    pdf.set_font("Helvetica", "B", size=11)
    pdf.text(20, 20, "2.1 Before the reading")
    pdf.set_font("Helvetica", size=11)
    pdf.text(20, 30, "The observer makes sure of the following, in any weather and at any hour:")
    rows = (
        "\u2022  The case is shut, and nobody",
        "has stood before it.",
        "\u2022  The lamp is off.",
    )
    pdf.text(25, 40, rows[0].replace("\u2022", "-"))
    pdf.text(30, 45, rows[1])
    pdf.text(25, 50, rows[2].replace("\u2022", "-"))
    return Layout(
        bytes(pdf.output()),
        [
            ("heading", "2.1 Before the reading", 1),
            (
                "paragraph",
                "The observer makes sure of the following, in any weather and at any hour:",
                1,
            ),
            ("list", "- The case is shut, and nobody has stood before it.\n- The lamp is off.", 1),
        ],
    )


def sideways() -> Layout:
    """Text that runs up the page, and a page that is turned to show it upright."""
    pdf = _document()
    pdf.set_font("Helvetica", size=11)
    pdf.add_page()
    with pdf.rotation(90, x=60, y=200):
        pdf.text(60, 200, _TEXT[0])
        pdf.text(60, 200 + _PITCH, _TEXT[1].split(",")[0] + ".")
    return Layout(
        bytes(pdf.output()),
        [("paragraph", f"{_TEXT[0]} {_TEXT[1].split(',')[0]}.", 1)],
    )


def twice_printed() -> Layout:
    """Bold by printing twice, a little aside."""
    pdf = _document()
    pdf.set_font("Helvetica", size=11)
    pdf.add_page()
    pdf.text(20, 20, _TEXT[0])
    pdf.text(20.1, 20, _TEXT[0])
    return Layout(bytes(pdf.output()), [("paragraph", _TEXT[0], 1)])


def right_to_left() -> Layout:
    """Arabic as it is drawn, from right to left: a lam-alef in one glyph, a Latin word, a number.

    A bracket is written as what it means and shown as its mirror image, as word processors do.
    """
    pdf = _document()
    pdf.add_page()
    salm, lahith = "\u0633\u0644\u0645", "\ufefb\u062d\u062b"
    number = "(\u0661\u0660)"
    pdf.add_font("Boxes", fname=_font(f"{salm}{lahith}{number}Python"))
    pdf.set_font("Boxes", size=12)
    pdf.text(60, 40, f"{lahith[::-1]} Python )\u0661\u0660( {salm[::-1]}")
    read = f"{salm} {number} Python \u0644\u0627\u062d\u062b"
    return Layout(bytes(pdf.output()), [("paragraph", read, 1)])


def east_asian() -> Layout:
    """Japanese, whose lines end anywhere."""
    pdf = _document()
    pdf.add_page()
    rows = ("気圧計は毎朝目の高さで読み、", "その値を観測簿に書き入れる。")
    pdf.add_font("Boxes", fname=_font("".join(rows)))
    pdf.set_font("Boxes", size=12)
    for row, text in enumerate(rows):
        pdf.text(20, 40 + row * 7, text)
    return Layout(bytes(pdf.output()), [("paragraph", "".join(rows), 1)])


LAYOUTS: dict[str, Callable[[], Layout]] = {
    one.__name__: one
    for one in (
        two_columns, running_heads, footnote, ruled_table, bullets, sideways, twice_printed,
        right_to_left, east_asian,
    )
}  # fmt: skip


def _document() -> Any:
    from fpdf import FPDF

    return FPDF()


def _draw_columns(pdf: Any, columns: tuple[tuple[str, ...], tuple[str, ...]], y: float) -> float:
    """Paragraphs in two columns, a line of the left one and of the right one in turn."""
    sides = [[line for text in side for line in _wrapped(pdf, text)] for side in columns]
    rows = max(map(len, sides))
    for row in range(rows):
        for side, lines in enumerate(sides):
            if row < len(lines) and lines[row]:
                pdf.text(20 + side * (_COLUMN + 12), y + row * _PITCH, lines[row])
    return y + rows * _PITCH


def _wrapped(pdf: Any, text: str) -> list[str]:
    lines = pdf.multi_cell(_COLUMN, 5, text, dry_run=True, output="LINES", align="L")
    return [*lines, ""]


def _draw_row(pdf: Any, y: float, widths: tuple[float, ...], cells: tuple[str, ...]) -> None:
    x = 20.0
    for width, cell in zip(widths, cells, strict=True):
        pdf.rect(x, y, width, 10)
        pdf.text(x + 2, y + 6, cell)
        x += width


@cache
def _font(characters: str) -> Path:
    """A font that draws each of the characters as a box, so that any script can be set."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    names = {ord(one): f"u{ord(one):04x}" for one in {*characters, " "}}
    order = [".notdef", *names.values()]
    pen = TTGlyphPen(None)
    for corner, move in zip(((50, 0), (50, 700), (450, 700), (450, 0)), "mlll", strict=True):
        pen.moveTo(corner) if move == "m" else pen.lineTo(corner)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys(order, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(order, (500, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Boxes", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    file = io.BytesIO()
    builder.save(file)
    path = Path(tempfile.mkdtemp(prefix="ragline-font-")) / "boxes.ttf"
    path.write_bytes(file.getvalue())
    return path
