"""What every format must yield of the same small handbook."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import LimitExceeded
from ragline.parsing import PARSER_FINGERPRINT, Format, Source, extract, survey
from tests import samples

PAGED = ("handbook.pdf", "handbook.pptx")
WITH_HEADINGS = tuple(
    name
    for name in samples.SAMPLES
    if name not in ("handbook.txt", "handbook.csv", "handbook.jsonl")
)


def read(filename: str) -> Extraction:
    data = samples.SAMPLES[filename]()
    return extract(Source(data, filename))


def block_with(extraction: Extraction, text: str) -> Block:
    return next(block for block in extraction.blocks if text in block.text)


@pytest.mark.parametrize("filename", samples.SAMPLES)
def test_the_known_sentence_is_found_once(filename: str) -> None:
    texts = [block.text for block in read(filename).blocks]
    assert sum(text.count(samples.SENTENCE) for text in texts) == 1


@pytest.mark.parametrize("filename", WITH_HEADINGS)
def test_the_sentence_stands_under_its_heading(filename: str) -> None:
    blocks = list(read(filename).blocks)
    position = next(i for i, block in enumerate(blocks) if samples.SENTENCE in block.text)
    above = [block for block in blocks[:position] if block.kind == "heading"]
    assert above[-1].text == samples.HEADING
    assert 1 <= above[-1].level <= 6


@pytest.mark.parametrize("filename", PAGED)
def test_formats_with_pages_say_on_which_page_it_stands(filename: str) -> None:
    extraction = read(filename)
    assert extraction.pages == 2
    assert block_with(extraction, samples.SENTENCE).page == 2
    assert not extraction.bare_pages


@pytest.mark.parametrize("filename", PAGED)
def test_a_page_range_yields_only_its_pages_under_their_true_numbers(filename: str) -> None:
    data = samples.SAMPLES[filename]()
    second = extract(Source(data, filename, first_page=2, last_page=2))
    assert second.pages == 1
    assert {block.page for block in second.blocks} == {2}


def test_pages_are_counted_where_there_are_any() -> None:
    counted = {name: survey(Source(make(), name)).pages for name, make in samples.SAMPLES.items()}
    assert {name for name, pages in counted.items() if pages} == set(PAGED)
    assert {counted[name] for name in PAGED} == {2}


@pytest.mark.parametrize("filename", samples.SAMPLES)
def test_blocks_can_be_stored_as_utf8_and_headers_lead_their_tables(filename: str) -> None:
    for block in read(filename).blocks:
        block.text.encode("utf-8")
        assert block.text.strip()
        assert block.text.startswith(block.header)
        assert not block.header or (block.kind == "table" and block.header.endswith("\n"))


@pytest.mark.parametrize("filename", samples.SAMPLES)
def test_a_deadline_in_the_past_stops_reading_and_is_named(filename: str) -> None:
    data = samples.SAMPLES[filename]()
    with pytest.raises(LimitExceeded, match="time limit"):
        extract(Source(data, filename, deadline=time.monotonic() - 1))


def test_a_document_without_text_is_no_error_and_names_its_bare_pages() -> None:
    data = samples.scanned_pdf()
    extraction = extract(Source(data, "scan.pdf"), Format.PDF)
    assert list(extraction.blocks) == []
    assert list(extraction.bare_pages) == [1, 2]
    assert list(extract(Source(b" \n ", "a.txt"), Format.TEXT).blocks) == []


def test_importing_the_package_loads_no_parser() -> None:
    heavy = ("pypdfium2", "docx", "pptx", "openpyxl", "lxml", "markdown_it", "charset_normalizer")
    code = f"import sys, ragline.parsing; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_fingerprint_can_be_part_of_a_key() -> None:
    assert PARSER_FINGERPRINT.replace("-", "").isalnum()
