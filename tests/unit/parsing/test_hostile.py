"""Files made to hurt: each ends in an extraction or in an error that says what to do."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragline.domain.errors import (
    CorruptDocument,
    EncryptedDocument,
    LimitExceeded,
    PermanentError,
)
from ragline.parsing import Format, Source, delimited, extract, limits, records, sniff
from ragline.parsing.names import numbered
from tests import samples

BOMB_DTD = (
    '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "0123456789">'
    + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">'
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


def test_a_bomb_is_refused_by_what_its_directory_says_before_unpacking() -> None:
    data = samples.zip_bomb()
    assert len(data) < 100_000
    with pytest.raises(LimitExceeded, match="times its size"):
        sniff(data, "bomb.docx")


def test_the_total_a_container_unpacks_to_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragline.parsing.archives.MAX_UNPACKED", 1000)
    with pytest.raises(LimitExceeded, match="MiB"):
        extract(Source(samples.docx(), "a.docx"), Format.DOCX)


def test_entities_are_never_expanded_in_books() -> None:
    opf = BOMB_DTD + "<package><metadata><title>&i;</title></metadata></package>"
    container = "<container><rootfiles><rootfile full-path='b.opf'/></rootfiles></container>"
    data = samples.zipped({"META-INF/container.xml": container, "b.opf": opf})
    try:
        extraction = extract(Source(data, "b.epub"), Format.EPUB)
    except PermanentError:
        return
    assert len(extraction.title) < 1000


@pytest.mark.parametrize(
    ("filename", "part"),
    [
        ("handbook.docx", "word/document.xml"),
        ("handbook.xlsx", "xl/worksheets/sheet1.xml"),
        ("handbook.xlsx", "xl/workbook.xml"),
        ("handbook.pptx", "ppt/slides/slide1.xml"),
    ],
)
def test_entities_are_never_expanded_in_office_files(filename: str, part: str) -> None:
    data = replaced(samples.SAMPLES[filename](), part, BOMB_DTD + "<r>&i;</r>")
    try:
        extraction = extract(Source(data, filename))
    except PermanentError:
        return
    assert sum(len(block.text) for block in extraction.blocks) < 10_000


def test_no_file_of_the_machine_is_read_through_an_entity() -> None:
    external = (
        '<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]><html><body>&x;</body></html>'
    )
    extraction = extract(Source(external.encode(), "a.html"), Format.HTML)
    assert "root:" not in "".join(block.text for block in extraction.blocks)


def test_deep_html_ends_without_exhausting_the_stack() -> None:
    deep = b"<div>" * 200_000 + b"bottom"
    try:
        extract(Source(deep, "deep.html"), Format.HTML)
    except LimitExceeded as error:
        assert "levels" in str(error)


def test_deeply_nested_tables_are_refused_before_they_cost_time() -> None:
    with pytest.raises(LimitExceeded, match="levels"):
        extract(Source(b"<table><tr><td>" * 3000, "tables.html"), Format.HTML)


def test_deep_json_names_the_limit() -> None:
    for depth in (limits.MAX_JSON_DEPTH + 3, 200_000):
        with pytest.raises(LimitExceeded, match="levels"):
            extract(Source(b"[" * depth + b"1" + b"]" * depth, "deep.json"), Format.JSON)


def test_rows_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_ROWS", 10)
    monkeypatch.setattr(records, "MAX_ROWS", 10)
    with pytest.raises(LimitExceeded, match="rows"):
        extract(Source(b"a,b\n" * 20, "a.csv"), Format.CSV)
    with pytest.raises(LimitExceeded, match="rows"):
        extract(Source(json.dumps([{"a": 1}] * 20).encode(), "a.json"), Format.JSON)


def test_a_password_on_a_pdf_is_named_as_such() -> None:
    with pytest.raises(EncryptedDocument, match="password"):
        extract(Source(samples.encrypted_pdf(), "a.pdf"), Format.PDF)


def test_encrypted_mail_is_refused() -> None:
    data = b"Subject: x\nMIME-Version: 1.0\nContent-Type: application/pkcs7-mime\n\nMIIB"
    with pytest.raises(EncryptedDocument, match="mail"):
        extract(Source(data, "a.eml"), Format.EML)


def test_wrong_json_names_the_place() -> None:
    with pytest.raises(CorruptDocument, match="Line 2"):
        extract(Source(b'{"a": 1}\n{"a": \n', "a.jsonl"), Format.JSONL)


@pytest.mark.parametrize("filename", samples.SAMPLES)
@settings(max_examples=25, deadline=None)
@given(cut=st.floats(0, 1), place=st.floats(0, 1), noise=st.binary(max_size=40))
def test_damaged_samples_never_raise_anything_foreign(
    filename: str, cut: float, place: float, noise: bytes
) -> None:
    data = bytearray(GOOD[filename])
    position = int(place * (len(data) - 1))
    data[position : position + len(noise)] = noise
    damaged = bytes(data[: max(1, int(len(data) * (1 - cut / 4)))])
    try:
        extract(Source(damaged, filename))
    except PermanentError as error:
        assert str(error).endswith(".")


def replaced(data: bytes, name: str, content: str) -> bytes:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, str | bytes] = {n: archive.read(n) for n in archive.namelist()}
    assert name in members
    members[name] = content
    return samples.zipped(members)


GOOD = {name: make() for name, make in samples.SAMPLES.items()}


def test_many_files_of_one_name_are_told_apart_in_time_with_their_number() -> None:
    began = time.process_time()
    told = numbered(["x", "x (2)", *["x"] * 60_000])
    assert time.process_time() - began < 5
    assert told[:4] == ["x", "x (2)", "x (3)", "x (4)"]
    assert len(set(told)) == len(told)


def test_banners_within_banners_are_looked_at_once() -> None:
    depth, empty = 400, 100_000
    banners = '<div class="cookie-banner">' * depth + "<b></b>" * empty + "</div>" * depth
    began = time.process_time()
    found = extract(Source(f"<html><body>{banners}<p>Text</p></body></html>".encode(), "a.html"))
    assert time.process_time() - began < 3
    assert [block.text for block in found.blocks] == ["Text"]


def test_a_number_of_any_length_is_json() -> None:
    digits = "9" * 6_000
    for data in (f"[{digits}, {{}}]", f'{{"a": {digits}}}\n{{"a": 1}}\n'):
        found = extract(Source(data.encode(), "a.txt"))
        assert digits in found.blocks[0].text


def test_a_chapter_that_a_book_lists_again_and_again_is_read_once() -> None:
    container = '<container><rootfile full-path="b.opf"/></container>'
    item = "<item id='a' href='a.html' media-type='text/html'/>"
    spine = '<itemref idref="a"/>' * 50
    opf = f"<package><manifest>{item}</manifest><spine>{spine}</spine></package>"
    files = {"META-INF/container.xml": container, "b.opf": opf, "a.html": "<p>Once</p>"}
    found = extract(Source(samples.zipped(files), "a.epub"))
    assert [block.text for block in found.blocks] == ["Once"]
