"""What each format's own structure becomes."""

from __future__ import annotations

import io
import zipfile

import pytest

from ragline.domain.chunks import Block
from ragline.parsing import Format, Source, extract
from ragline.parsing import markdown as markdown_parser
from ragline.parsing.archives import office_package
from tests import samples


def blocks(data: bytes | str, format: Format, filename: str = "a") -> list[Block]:
    encoded = data.encode() if isinstance(data, str) else data
    return list(extract(Source(encoded, filename), format).blocks)


def shown(found: list[Block]) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in found]


def test_docx_lists_and_tables_keep_their_place() -> None:
    kinds = [block.kind for block in blocks(samples.docx(), Format.DOCX)]
    assert kinds == ["heading", "paragraph", "heading", "paragraph", "list", "table"]


def test_strict_and_macro_enabled_office_files_read_like_plain_ones() -> None:
    plain = blocks(samples.docx(), Format.DOCX)
    for old, new in (
        (b"http://schemas.openxmlformats.org/wordprocessingml/2006/", b"wordprocessingml/"),
        (b"vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml", b""),
    ):
        replacement = (
            b"http://purl.oclc.org/ooxml/" + new
            if new
            else b"vnd.ms-word.document.macroEnabled.main+xml"
        )
        changed = rewritten(samples.docx(), old, replacement)
        if new:
            relation = b"http://schemas.openxmlformats.org/officeDocument/2006/"
            changed = rewritten(changed, relation, b"http://purl.oclc.org/ooxml/officeDocument/")
        assert changed != samples.docx()
        assert office_package(changed) != changed
        assert blocks(changed, Format.DOCX) == plain


def rewritten(data: bytes, old: bytes, new: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, str | bytes] = {
            name: archive.read(name).replace(old, new) for name in archive.namelist()
        }
    return samples.zipped(members)


def test_pptx_notes_are_read() -> None:
    assert ("paragraph", "Notes: Bring the spare tube.") in shown(
        blocks(samples.pptx(), Format.PPTX)
    )


def test_xlsx_numbers_read_as_people_write_them() -> None:
    table = blocks(samples.xlsx(), Format.XLSX)[-1]
    assert table.header == "| Step | What to do | Minutes |\n| --- | --- | --- |\n"
    assert f"| 1 | {samples.SENTENCE} | 2.5 |" in table.text


def test_html_drops_scripts_and_navigation_and_keeps_lists_tables_and_code() -> None:
    found = shown(blocks(samples.html(), Format.HTML))
    assert not any("alert" in text or "Home" in text for _, text in found)
    assert ("list", "- Check the level.\n- Note the temperature.") in found
    assert found[-1] == ("table", "| Instrument | Unit |\n| --- | --- |\n| Barometer | hPa |")
    code = blocks("<pre>a\n  b</pre>", Format.HTML)
    assert shown(code) == [("code", "a\n  b")]


def test_html_text_around_comments_and_inline_tags_is_not_lost_or_torn() -> None:
    assert shown(blocks("<p>one <!-- x -->two<b>th</b>ree<br>four</p>tail", Format.HTML)) == [
        ("paragraph", "one twothree\nfour"),
        ("paragraph", "tail"),
    ]


def test_html_cells_that_span_rows_are_repeated_and_captions_stand_before() -> None:
    markup = (
        "<table><caption>Cap</caption><tr><th>A<th>B</tr>"
        "<tr><td rowspan=2>x<td>1</tr><tr><td>2</tr></table>"
    )
    assert shown(blocks(markup, Format.HTML)) == [
        ("paragraph", "Cap"),
        ("table", "| A | B |\n| --- | --- |\n| x | 1 |\n| x | 2 |"),
    ]


def test_html_tables_for_layout_are_walked_into() -> None:
    found = blocks("<table><tr><td><h1>T</h1><p>a</p></td></tr></table>", Format.HTML)
    assert shown(found) == [("heading", "T"), ("paragraph", "a")]


def test_markdown_nested_lists_are_indented_and_front_matter_gives_the_title() -> None:
    text = "---\ntitle: Care\n---\n- a\n  - b\n- c\n\n```\nx = 1\n```\n"
    extraction = extract(Source(text.encode(), "a.md"), Format.MARKDOWN)
    assert extraction.title == "Care"
    assert shown(list(extraction.blocks))[1:] == [("list", "- a\n  - b\n- c"), ("code", "x = 1")]


def test_a_long_markdown_file_reads_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# A\n\ntext\n\n```\n# no heading\n```\n\n## B\n\nmore\n" * 20
    whole = blocks(text, Format.MARKDOWN)
    monkeypatch.setattr(markdown_parser, "_SECTION_CHARS", 50)
    assert len(list(markdown_parser._sections(text))) > 10
    assert blocks(text, Format.MARKDOWN) == whole


def test_rst_titles_take_their_levels_from_the_order_of_their_rules() -> None:
    text = "Top\n===\n\nSub\n---\n\npara\n\n----\n\nNext\n====\n"
    found = blocks(text, Format.TEXT, "a.rst")
    assert [(b.text, b.level) for b in found if b.kind == "heading"] == [
        ("Top", 1),
        ("Sub", 2),
        ("Next", 1),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_finds_its_delimiter(delimiter: str) -> None:
    rows = [["Name", "Town"], ["Ada", '"Bath, Avon; UK"'], ["Bo", "Ely"]]
    (found,) = blocks("\n".join(delimiter.join(row) for row in rows), Format.CSV)
    assert found.text.endswith("| Ada | Bath, Avon; UK |\n| Bo | Ely |")


def test_csv_in_shift_jis_reads_as_japanese() -> None:
    (found,) = blocks("名前,年齢\n佐藤太郎,30\n三木英子,25\n".encode("cp932"), Format.CSV)
    assert "| 佐藤太郎 | 30 |" in found.text


def test_json_numbers_stay_as_written_and_paths_are_readable() -> None:
    (found,) = blocks('{"a": {"b": [1.10, 2e400]}, "c": [{"d": true}, 3]}', Format.JSON)
    assert found.text == "a.b: 1.10, 2e400\nc[1].d: true\nc[2]: 3"


def test_lone_surrogates_and_control_characters_do_not_get_through() -> None:
    (found,) = blocks(r'{"a": "x\ud800y\u0000z"}', Format.JSON)
    assert found.text == "a: x y z"


def test_books_are_read_in_the_order_of_their_spine() -> None:
    headings = [b.text for b in blocks(samples.epub(), Format.EPUB) if b.kind == "heading"]
    assert headings == [samples.OPENING, samples.HEADING]


def test_mail_prefers_plain_text_and_names_attachments() -> None:
    found = blocks(samples.eml(), Format.EML)
    assert found[1].text.startswith("From: Ada <ada@example.com>\nTo: Bo")
    assert found[-1].text == "Attachments: column.png"
    html = b"Subject: x\nContent-Type: text/html; charset=utf-8\n\n<p>Gr\xc3\xbc\xc3\x9fe</p>"
    assert blocks(html, Format.EML)[-1].text == "Grüße"
