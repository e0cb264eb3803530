"""Real scans, read whole: what stands on them is found on its page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ragline.domain.pages import PageKind
from ragline.ocr.rapid import RapidOcr
from ragline.parsing import Source, extract, survey
from tests.bench.parsers.measures import score

DATA = os.environ.get("RAGLINE_DATA", "")
FOLDER = Path(DATA, "docs")
pytestmark = [pytest.mark.data, pytest.mark.skipif(not DATA, reason="RAGLINE_DATA is not set")]

SEEN = {
    "ocrmypdf__linn.pdf": {1: "state-of-the-art composition and performance tool"},
    "ocrmypdf__skew.pdf": {1: "state-of-the-art composition and performance tool"},
    "ocrmypdf__rotated_skew.pdf": {1: "state-of-the-art composition and performance tool"},
    "ocrmypdf__cardinal.pdf": dict.fromkeys((1, 2, 3, 4), "32 Track MIDI Sequence Recorder"),
    "ocrmypdf__jbig2.pdf": {1: "Exclusive REPEAT function"},
    "ocrmypdf__francais.pdf": {1: "Portez ce vieux whisky"},
    "ocrmypdf__3small.pdf": {2: "perfectly cromulent word", 3: "Linzensoep"},
    "unstructured__single_table.pdf": {1: "mean chunks per document"},
    "awsidp__lending_package.pdf": {2: "LICENSE", 6: "Homeowners Insurance Application"},
    "awsidp__rvl_cdip_package.pdf": {
        1: "WESTERN DARK FIRED TOBACCO",
        6: "cigarette testing laboratory has satisfactorily completed",
        9: "CURRICULUM VITAE",
    },
}
"""File → page → words on it, as eyes read them."""


@pytest.fixture(scope="module")
def engine() -> RapidOcr:
    return RapidOcr()


@pytest.mark.parametrize("name", SEEN)
def test_what_stands_on_a_scanned_page_is_found_there(engine: RapidOcr, name: str) -> None:
    source = Source(FOLDER / "pdf" / name, ocr=engine)
    assert survey(source).scanned
    found = extract(source)
    assert set(found.kinds.values()) == {PageKind.OCR}
    for page, words in SEEN[name].items():
        text = " ".join(block.text for block in found.blocks if block.page == page)
        assert words in " ".join(text.split())


def test_a_scan_has_the_words_of_the_reference(engine: RapidOcr) -> None:
    found = extract(Source(FOLDER / "pdf/ocrmypdf__linn.pdf", ocr=engine))
    reference = (FOLDER / "expected/ocrmypdf/linn.txt").read_text()
    assert score("\n".join(block.text for block in found.blocks), reference).f1 > 0.95
