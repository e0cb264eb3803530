"""PPTX: numbering, merged cells, comments."""

from __future__ import annotations

import io
from typing import Any

from lxml import etree
from pptx import Presentation
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.util import Inches

from ragline.domain.chunks import Block
from ragline.parsing import Source, extract

A = "http://schemas.openxmlformats.org/drawingml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"


def empty_slide() -> tuple[Any, Any]:
    presentation = Presentation()
    return presentation, presentation.slides.add_slide(presentation.slide_layouts[6])


def blocks(presentation: Any) -> list[Block]:
    target = io.BytesIO()
    presentation.save(target)
    return list(extract(Source(target.getvalue(), "a.pptx")).blocks)


def test_numbered_lines_have_their_numbers_and_lines_without_bullets_none() -> None:
    presentation, slide = empty_slide()
    frame = slide.shapes.add_textbox(0, 0, Inches(4), Inches(4)).text_frame
    frame.text = "Steps:\nOpen it\nRead it\nDone"
    for paragraph, tag in zip(
        frame.paragraphs, ("buNone", "buAutoNum", "buAutoNum", "buChar"), strict=True
    ):
        bullet = etree.SubElement(paragraph._p.get_or_add_pPr(), f"{{{A}}}{tag}")
        bullet.set("type" if tag == "buAutoNum" else "char", "arabicPeriod")
    (found,) = blocks(presentation)
    assert (found.kind, found.text) == ("list", "Steps:\n1. Open it\n2. Read it\n- Done")


def test_merged_cells_name_their_columns_and_are_repeated_in_their_rows() -> None:
    presentation, slide = empty_slide()
    table = slide.shapes.add_table(4, 3, 0, 0, Inches(4), Inches(4)).table
    rows = ("Station", "Rain", ""), ("", "2024", "2025"), ("Kew", "600", "610"), ("", "5", "6")
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            table.cell(number, column).text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(2, 0).merge(table.cell(3, 0))
    (found,) = blocks(presentation)
    assert found.header == "| Station | Rain | Rain |\n| --- | --- | --- |\n|  | 2024 | 2025 |\n"
    assert found.text.removeprefix(found.header) == "| Kew | 600 | 610 |\n| Kew | 5 | 6 |"


def test_comments_stand_behind_their_slide_with_their_author() -> None:
    presentation, slide = empty_slide()
    slide.shapes.add_textbox(0, 0, Inches(4), Inches(1)).text_frame.text = "Rain"
    related = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    parts = (
        (presentation.part, "commentAuthors", '<p:cmAuthor id="3" name="Ada"/>', "cmAuthorLst"),
        (slide.part, "comments", '<p:cm authorId="3"><p:text>Twice?</p:text></p:cm>', "cmLst"),
    )
    for holder, kind, inner, root in parts:
        xml = f'<p:{root} xmlns:p="{P}">{inner}</p:{root}>'.encode()
        part = Part(PackURI(f"/ppt/{kind}.xml"), "application/xml", holder.package, xml)
        holder.relate_to(part, f"{related}/{kind}")
    assert [block.text for block in blocks(presentation)] == ["Rain", "Comment by Ada: Twice?"]
