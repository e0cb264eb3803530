"""Layouts that are hard to read, block for block."""

from __future__ import annotations

import time

import pytest

from ragline.parsing import Format, Source, extract
from ragline.parsing.pdf.order import in_order
from ragline.parsing.pdf.runs import Run, Span
from tests.layouts import LAYOUTS


def _lost_letters() -> bytes:
    """A page in a font whose letters are mapped to private code points, as scrambled files do."""
    cmap = (
        b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00> <FF> "
        b"endcodespacerange 1 beginbfrange <41> <5A> <E041> endbfrange endcmap end end"
    )
    content = b"BT /F1 12 Tf 72 700 Td (HIDDENWORDS) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(cmap), cmap),
    ]
    parts = [b"%d 0 obj\n%s\nendobj\n" % pair for pair in enumerate(objects, start=1)]
    return b"%PDF-1.7\n" + b"".join(parts) + b"trailer << /Root 1 0 R /Size 7 >>\n%%EOF"


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_hard_layout_is_read_as_people_read_it(name: str) -> None:
    layout = LAYOUTS[name]()
    found = extract(Source(layout.pdf, f"{name}.pdf"), Format.PDF)
    assert [(block.kind, block.text, block.page) for block in found.blocks] == layout.blocks


def test_a_range_of_one_page_knows_running_heads_by_its_neighbours() -> None:
    layout = LAYOUTS["running_heads"]()
    found = extract(Source(layout.pdf, "heads.pdf", first_page=4, last_page=4), Format.PDF)
    assert [block.text for block in found.blocks][1:] == [layout.blocks[-1][1]]
    assert set(found.kinds) == {4}


def test_pages_say_whether_they_hold_text_a_picture_or_nothing() -> None:
    from fpdf import FPDF
    from PIL import Image

    document = FPDF()
    document.set_font("Helvetica", size=11)
    document.add_page()
    document.text(20, 20, "A page of text.")
    document.add_page()
    document.image(Image.new("L", (40, 40), 90), x=0, y=0, w=210, h=297)
    document.add_page()
    found = extract(Source(bytes(document.output()), "kinds.pdf"), Format.PDF)
    assert [kind.value for kind in found.kinds.values()] == ["text", "image", "blank"]


def test_a_page_whose_font_says_nothing_of_its_letters_is_a_picture() -> None:
    kinds = extract(Source(_lost_letters(), "lost.pdf"), Format.PDF).kinds
    assert [kind.value for kind in kinds.values()] == ["image"]


def test_ten_thousand_scattered_words_on_a_page_take_no_longer_than_they_must() -> None:
    runs = [
        Run(word, [Span(0, 4, left, left + 20)], top, top - 10, 10.0)
        for at in range(10_000)
        for word, left, top in [("word", at * 37 % 500, at * 91 % 800)]
    ]
    began = time.process_time()
    assert len(in_order(runs)) > 1_000
    assert time.process_time() - began < 2
