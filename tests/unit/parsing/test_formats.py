from __future__ import annotations

import pytest

from ragline.domain.errors import (
    CorruptDocument,
    EmptyFile,
    EncryptedDocument,
    PermanentError,
    UnsupportedType,
)
from ragline.parsing import Format, sniff
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


@pytest.mark.parametrize(
    "filename",
    ["handbook.pdf", "handbook.docx", "handbook.pptx", "handbook.xlsx", "handbook.epub"],
)
@pytest.mark.parametrize("other", ["report.txt", "report.pdf", "report.xyz", "report"])
def test_content_wins_over_a_wrong_extension(filename: str, other: str) -> None:
    assert sniff(samples.SAMPLES[filename](), other) is EXPECTED[filename]


def test_a_web_page_saved_under_another_name_is_html() -> None:
    for name in ("page.txt", "page.pdf", "page"):
        assert sniff(b"\n <!-- saved -->\n<!DOCTYPE HTML>\n<p>x", name) is Format.HTML


def test_plain_text_of_unknown_extension_is_text() -> None:
    assert sniff(b"#!/bin/sh\necho hello\n", "run.sh") is Format.TEXT
    assert sniff("Grüße".encode("utf-16"), "notes.log") is Format.TEXT


def test_text_that_mentions_the_pdf_marker_stays_text() -> None:
    assert sniff(b"A PDF begins with %PDF-1.7.", "notes.txt") is Format.TEXT


def test_json_lines_under_a_json_name_are_json_lines() -> None:
    assert sniff(b'{"a": 1}\n{"a": 2}\n', "log.json") is Format.JSONL
    assert sniff(b'{"a":\n 1}\n', "one.json") is Format.JSON


def test_no_bytes_are_an_empty_file() -> None:
    with pytest.raises(EmptyFile):
        sniff(b"", "a.pdf")


def test_binary_of_no_known_kind_is_refused_naming_what_is_supported() -> None:
    with pytest.raises(UnsupportedType, match=r"PDF, DOCX, .* EML"):
        sniff(samples.junk(), "junk.bin")


def test_rich_text_is_not_mistaken_for_plain_text() -> None:
    with pytest.raises(UnsupportedType):
        sniff(rb"{\rtf1\ansi Hello}", "letter.rtf")


def test_an_office_container_under_a_password_is_encrypted_and_a_legacy_one_unsupported() -> None:
    with pytest.raises(EncryptedDocument, match="remove the password"):
        sniff(samples.encrypted_office(), "a.docx")
    with pytest.raises(UnsupportedType, match="legacy"):
        sniff(samples.legacy_office(), "a.doc")


def test_a_zip_of_other_things_is_unsupported() -> None:
    with pytest.raises(UnsupportedType, match="zip"):
        sniff(samples.zipped({"a.txt": "x"}), "archive.zip")


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
