from __future__ import annotations

import json
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.domain.errors import (
    CorruptDocument,
    EmptyFile,
    EncryptedDocument,
    PermanentError,
    UnsupportedType,
)
from ragline.parsing import Format, Source, extract, sniff
from ragline.parsing.formats import CODE, format_of
from tests import samples

EXPECTED = {
    "handbook.pdf": Format.PDF,
    "handbook.docx": Format.DOCX,
    "handbook.pptx": Format.PPTX,
    "handbook.xlsx": Format.XLSX,
    "handbook.html": Format.HTML,
    "handbook.md": Format.MARKDOWN,
    "handbook.txt": Format.TEXT,
    "handbook.rst": Format.TEXT,
    "handbook.csv": Format.CSV,
    "handbook.json": Format.JSON,
    "handbook.jsonl": Format.JSONL,
    "handbook.epub": Format.EPUB,
    "handbook.eml": Format.EML,
}


@pytest.mark.parametrize("filename", samples.SAMPLES)
def test_each_sample_is_recognised_under_its_own_name(filename: str) -> None:
    assert sniff(samples.SAMPLES[filename](), filename) is EXPECTED[filename]


SHOWN = {name: make() for name, make in samples.SAMPLES.items() if EXPECTED[name] != Format.TEXT}
EXTENSIONS = [*(PurePath(name).suffix for name in SHOWN), "", ".txt", ".rst", ".zip", ".dat"]


ANY_EXTENSION = st.from_regex(r"\.[a-z0-9]{1,5}", fullmatch=True).filter(
    lambda one: one not in CODE
)


@pytest.mark.parametrize("filename", SHOWN)
@given(extension=st.sampled_from(EXTENSIONS) | ANY_EXTENSION)
def test_content_wins_over_any_other_name(filename: str, extension: str) -> None:
    assert sniff(SHOWN[filename], f"report{extension}") is EXPECTED[filename]


def test_a_web_page_saved_under_another_name_is_html() -> None:
    for name in ("page.txt", "page.pdf", "page"):
        assert sniff(b"\n <!-- saved -->\n<!DOCTYPE HTML>\n<p>x", name) is Format.HTML


def test_plain_text_of_unknown_extension_is_text() -> None:
    assert sniff(b"#!/bin/sh\necho hello\n", "run.sh") is Format.TEXT
    assert sniff("Grüße".encode("utf-16"), "notes.log") is Format.TEXT


def test_text_that_mentions_the_pdf_marker_stays_text() -> None:
    for name in ("notes.txt", "notes"):
        assert sniff(b"A PDF begins with %PDF-1.7.", name) is Format.TEXT
        assert sniff(b"The first line is\n%PDF-1.7\nand then come objects.", name) is Format.TEXT


def test_a_pdf_behind_other_bytes_is_a_pdf() -> None:
    mail = b"Content-Type: application/pdf\r\n\r\n"
    assert sniff(mail + b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\n", "a.txt") is Format.PDF
    assert sniff(b"\0\0\0\0" + samples.pdf(), "a") is Format.PDF


@pytest.mark.parametrize(
    "text",
    [
        "Dear all,\n\nthe meeting is moved, again, to Friday.\n\nAda\n",
        "One, two, three.\nFour, five, six.\nSeven, eight and nine.\n",
        "Subject: this is no mail\n\nIt only begins like one.\n",
        "[1] A footnote\n[2] Another\n",
        "{\\bf not} JSON\n",
        "# a comment\nset -e\necho hello | sort\n",
        "A text with `code` and one [link](https://example.com) in it.\n",
        "key: value\nother: value\nthird: value\n",
        "",
    ],
)
def test_text_that_shows_no_other_format_goes_by_its_name(text: str) -> None:
    assert sniff(f"{text}\n".encode(), "a.txt") is Format.TEXT
    assert sniff(f"{text}\n".encode(), "a") is Format.TEXT
    assert sniff(f"{text}\n".encode(), "a.md") is Format.MARKDOWN


def test_a_piece_of_a_page_is_html_unless_its_name_says_markdown() -> None:
    piece = b"<h1 align=center>Title</h1>\n<p>Text.</p>\n"
    assert sniff(piece, "a.txt") is sniff(piece, "a.pdf") is Format.HTML
    assert sniff(piece, "README.md") is Format.MARKDOWN


def test_xml_of_any_vocabulary_gives_what_its_elements_say() -> None:
    xml = (
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        "<r xmlns='urn:x'><station><name>Kew</name><rain>600</rain></station><!-- no -->"
        "<note>Read <b>daily</b> at noon.</note><station><name>Eton</name></station>&e;</r>"
    )
    for name in ("stations.xml", "stations", "stations.docx"):
        source = Source(xml.encode(), name)
        assert format_of(source) is Format.XML
        assert [block.text for block in extract(source).blocks] == [
            "name: Kew\nrain: 600",
            "Read daily at noon.",
            "name: Eton",
        ]


def test_what_stands_beside_a_comment_or_an_entity_in_xml_is_not_lost() -> None:
    data = (
        b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY hg "mercury">]><r><a>column of &hg; reads</a>'
        b"<b>at <!-- not below --> eye <i>level</i> &hg; only</b></r>"
    )
    text = "\n".join(block.text for block in extract(Source(data, "a.xml")).blocks)
    assert all(word in text for word in ("column of", "reads", "at eye level", "only"))
    assert "not below" not in text


@pytest.mark.parametrize("name", ["read.sh", "read.py", "site.conf", "READ.YML"])
def test_source_code_is_text_whose_comments_are_no_headings(name: str) -> None:
    code = "# first\n\n    cat <input> *.txt\n\n## second\n\nmail <list> a*b*c\n"
    assert sniff(code.encode(), "notes.txt") is Format.MARKDOWN
    source = Source(code.encode(), name)
    assert format_of(source) is Format.TEXT
    text = "\n".join(block.text for block in extract(source).blocks)
    assert text.split() == code.split()


def test_a_markdown_table_is_no_delimited_one() -> None:
    assert sniff(b"Item | Price\n---|---\nApple | 2\nPear | 3\n", "a.csv") is Format.MARKDOWN


def test_json_longer_than_what_is_looked_at_is_json() -> None:
    long = json.dumps([{"station": number, "text": "x" * 500} for number in range(500)])
    assert len(long) > 200_000
    for name in ("stations.txt", "stations"):
        assert sniff(long.encode(), name) is Format.JSON
        assert sniff(long.replace("}, {", "}\n{")[1:].encode(), name) is Format.JSONL


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (rb"{\rtf1\ansi Hello}", "DOCX"),
        (b"%!PS-Adobe-3.0\n", "PostScript: convert it to PDF"),
        (bytes.fromhex("1f8b0800000000000003"), "gzip"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z archive: pack it as ZIP"),
        (b"Rar!\x1a\x07\x01\0", "RAR archive: pack it as ZIP"),
        (b"notes.txt".ljust(257, b"\0") + b"ustar\x0000", "tar archive"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC or AVIF picture: save it as JPEG"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "video"),
        (b"ID3\x03\0\0\0\0", "sound"),
        (b"\x7fELF\x02\x01\x01\0\0", "program"),
        (b"SQLite format 3\0\x10\0", "SQLite"),
        (samples.zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), "OpenDocument"),
        (samples.zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.bin": "x"}), "XLSB"),
        (samples.zipped({"[Content_Types].xml": "<Types/>", "visio/document.xml": "x"}), "office"),
    ],
)
def test_what_is_known_and_not_read_is_refused_by_name_whatever_it_is_called(
    data: bytes, what: str
) -> None:
    for name in ("a", "a.txt", "a.docx", "a.pdf"):
        with pytest.raises(UnsupportedType, match=what):
            sniff(data, name)


@pytest.mark.parametrize(
    ("stream", "what"),
    [("WordDocument", "doc"), ("Workbook", "xls"), ("PowerPoint Document", "ppt"), ("", "legacy")],
)
def test_legacy_office_files_are_refused_by_name(stream: str, what: str) -> None:
    data = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(504) + stream.encode("utf-16-le")
    with pytest.raises(UnsupportedType, match=what):
        sniff(data, "a.docx")


def test_what_is_refused_with_a_way_out_does_not_bury_it_under_all_that_is_read() -> None:
    word = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(504) + "WordDocument".encode("utf-16-le")
    with pytest.raises(UnsupportedType) as refused:
        sniff(word, "letter.doc")
    assert str(refused.value) == "This is a Word 97-2003 document (.doc): save it as DOCX."
    with pytest.raises(UnsupportedType, match=r"a program\. Supported are PDF, DOCX"):
        sniff(b"\x7fELF\x02\x01\x01\0\0", "setup")


def test_json_lines_under_a_json_name_are_json_lines() -> None:
    assert sniff(b'{"a": 1}\n{"a": 2}\n', "log.json") is Format.JSONL
    assert sniff(b'{"a":\n 1}\n', "one.json") is Format.JSON


def test_no_bytes_are_an_empty_file() -> None:
    with pytest.raises(EmptyFile):
        sniff(b"", "a.pdf")


def test_binary_of_no_known_kind_is_refused_naming_what_is_supported() -> None:
    with pytest.raises(UnsupportedType, match=r"PDF, DOCX, .* EML"):
        sniff(samples.junk(), "junk.bin")


def test_an_office_container_under_a_password_is_encrypted() -> None:
    with pytest.raises(EncryptedDocument, match="no password was given"):
        sniff(samples.encrypted_office(), "a.docx")


def test_a_zip_of_other_things_is_an_archive() -> None:
    for name in ("archive.zip", "archive.docx", "archive"):
        assert sniff(samples.zipped({"a.txt": "x"}), name) is Format.ZIP


def test_a_file_named_pdf_that_is_none_is_corrupt_rather_than_unsupported() -> None:
    with pytest.raises(CorruptDocument, match=r"named \.pdf"):
        sniff(samples.junk(), "scan.pdf")


def test_every_refusal_is_one_sentence_of_advice_without_internals() -> None:
    for filename, (make, code) in samples.BAD.items():
        if code == "empty":
            continue
        with pytest.raises(PermanentError) as caught:
            from ragline.parsing import Source, extract

            data = make()
            extract(Source(data, filename))
        assert caught.value.code == code, filename
        message = str(caught.value)
        assert message.endswith(".") and "\n" not in message and "Traceback" not in message
