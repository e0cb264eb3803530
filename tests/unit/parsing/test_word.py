"""DOCX: what Word shows and does not write, and what stands beside the text."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from docx import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from lxml import etree

from ragline.parsing import Source, extract
from ragline.parsing.word_numbers import numeral
from tests import samples

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def shown(document: Any, **parts: str) -> list[tuple[str, str]]:
    target = io.BytesIO()
    document.save(target)
    data = with_parts(target.getvalue(), parts) if parts else target.getvalue()
    return [(block.kind, block.text) for block in extract(Source(data, "a.docx")).blocks]


def with_parts(data: bytes, parts: dict[str, str]) -> bytes:
    """The package with parts of these kinds (``footnotes``, ``numbering``) added or replaced."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = "word/_rels/document.xml.rels", "[Content_Types].xml"
    relations, types = (members[name].decode() for name in names)
    for kind, xml in parts.items():
        if f"word/{kind}.xml" not in members:
            related = f"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}"
            relation = f'<Relationship Id="x{kind}" Type="{related}" Target="{kind}.xml"/>'
            relations = relations.replace("</Relationships>", f"{relation}</Relationships>")
            type_ = f"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}+xml"
            override = f'<Override PartName="/word/{kind}.xml" ContentType="{type_}"/>'
            types = types.replace("</Types>", f"{override}</Types>")
        members[f"word/{kind}.xml"] = xml.encode()
    members |= {names[0]: relations.encode(), names[1]: types.encode()}
    return samples.zipped(members)


def numbered(paragraph: Any, number_id: int, level: int = 0) -> None:
    properties = paragraph._p.get_or_add_pPr()._add_numPr()
    properties._add_ilvl().val = level
    properties._add_numId().val = number_id


def level(at: int, format: str, text: str, start: int = 1) -> str:
    return (
        f'<w:lvl w:ilvl="{at}"><w:start w:val="{start}"/><w:numFmt w:val="{format}"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


NUMBERING = (
    f'<w:numbering {W}><w:abstractNum w:abstractNumId="7">'
    + level(0, "decimal", "%1.")
    + level(1, "lowerLetter", "%1.%2)")
    + level(2, "bullet", "\u00b7")
    + '</w:abstractNum><w:num w:numId="7"><w:abstractNumId w:val="7"/></w:num>'
    + '<w:num w:numId="8"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0">'
    + '<w:startOverride w:val="5"/></w:lvlOverride></w:num></w:numbering>'
)


def test_items_have_the_numbers_that_word_shows() -> None:
    document = Document()
    items = [("One", 7, 0), ("Sub", 7, 1), ("Sub", 7, 1), ("Dot", 7, 2), ("Two", 7, 0)]
    for text, number_id, depth in [*items, ("Sub", 7, 1), ("Five", 8, 0), ("Six", 8, 0)]:
        numbered(document.add_paragraph(text), number_id, depth)
    assert shown(document, numbering=NUMBERING) == [
        (
            "list",
            "1. One\n  1.a) Sub\n  1.b) Sub\n    - Dot\n2. Two\n  2.a) Sub\n5. Five\n6. Six",
        )
    ]


def test_a_heading_has_its_number_and_text_between_items_does_not_restart_them() -> None:
    document = Document()
    numbered(document.add_heading("Scope", level=1), 7)
    document.add_paragraph("All stations.")
    numbered(document.add_heading("Terms", level=1), 7)
    assert shown(document, numbering=NUMBERING) == [
        ("heading", "1. Scope"),
        ("paragraph", "All stations."),
        ("heading", "2. Terms"),
    ]


def test_an_unknown_list_is_a_list_of_bullets() -> None:
    document = Document()
    numbered(document.add_paragraph("One"), 99)
    assert shown(document) == [("list", "- One")]


@pytest.mark.parametrize(
    ("number", "format", "expected"),
    [
        (4, "lowerRoman", "iv"),
        (1994, "upperRoman", "MCMXCIV"),
        (3, "upperLetter", "C"),
        (28, "lowerLetter", "bb"),
        (7, "decimalZero", "07"),
        (7, "none", ""),
        (7, "japaneseCounting", "7"),
        (0, "lowerRoman", "0"),
    ],
)
def test_numbers_are_written_as_word_writes_them(number: int, format: str, expected: str) -> None:
    assert numeral(number, format) == expected


def test_a_note_stands_behind_the_paragraph_that_refers_to_it() -> None:
    document = Document()
    paragraph = document.add_paragraph("The column is read daily")
    reference = OxmlElement("w:footnoteReference")
    reference.set(qn("w:id"), "2")
    paragraph.add_run()._r.append(reference)
    paragraph.add_run(" at eye level.")
    document.add_paragraph("Then the level is noted.")
    notes = (
        f'<w:footnotes {W}><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>---</w:t></w:r>'
        '</w:p></w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>By the observer.</w:t></w:r></w:p>'
        "</w:footnote></w:footnotes>"
    )
    assert shown(document, footnotes=notes) == [
        ("paragraph", "The column is read daily at eye level."),
        ("paragraph", "Footnote: By the observer."),
        ("paragraph", "Then the level is noted."),
    ]


def test_a_comment_names_its_author() -> None:
    document = Document()
    paragraph = document.add_paragraph("The column is read daily.")
    document.add_comment(paragraph.runs, text="Twice, I think.", author="Ada")
    assert shown(document)[-1] == ("paragraph", "Comment by Ada: Twice, I think.")


def test_running_heads_are_given_once_and_page_numbers_not_at_all() -> None:
    document = Document()
    document.add_paragraph("Body.")
    document.sections[0].header.paragraphs[0].text = "Weather Service"
    document.sections[0].footer.paragraphs[0].text = "Page 3 of 12"
    section = document.add_section()
    section.header.is_linked_to_previous = False
    section.header.paragraphs[0].text = "Weather Service"
    assert shown(document) == [("paragraph", "Body."), ("paragraph", "Header: Weather Service")]


def test_columns_of_a_table_are_named_by_the_cells_that_span_them() -> None:
    document = Document()
    table = document.add_table(rows=4, cols=3)
    rows = ("Station", "Rain", ""), ("", "2024", "2025"), ("Kew", "600", "610"), ("", "5", "6")
    for cells, values in zip(table.rows, rows, strict=True):
        for cell, value in zip(cells.cells, values, strict=True):
            cell.text = value
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(2, 0).merge(table.cell(3, 0))
    for row in table.rows[:2]:
        row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    target = io.BytesIO()
    document.save(target)
    (block,) = extract(Source(target.getvalue(), "a.docx")).blocks
    assert block.header == ("| Station | Rain | Rain |\n| --- | --- | --- |\n|  | 2024 | 2025 |\n")
    assert block.text.removeprefix(block.header) == "| Kew | 600 | 610 |\n| Kew | 5 | 6 |"


def test_formulas_are_written_in_a_line() -> None:
    document = Document()
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'

    def run(text: str) -> str:
        return f"<m:r {math}><m:t>{text}</m:t></m:r>"

    half = f"<m:f {math}><m:num>{run('a+b')}</m:num><m:den>{run('2')}</m:den></m:f>"
    square = f"<m:sSup {math}><m:e>{run('r')}</m:e><m:sup>{run('2')}</m:sup></m:sSup>"
    paragraph = document.add_paragraph("Let ")
    for one in (half, run(" and "), square):
        paragraph._p.append(etree.fromstring(one))
    assert shown(document) == [("paragraph", "Let (a+b)/2 and r^2")]
