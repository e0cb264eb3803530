"""Pages that are pictures, as far as PDFium and layout go; the engine is told what it sees."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence

import pytest
from PIL import Image

from ragline.domain.errors import CorruptDocument, ModelRefused, ParsingTimeout, Throttled
from ragline.domain.pages import PageKind
from ragline.parsing import Source, extract, survey
from ragline.parsing.pdf.scans import MAX_PIXELS
from ragline.parsing.recognised import is_blank, legible
from ragline.ports import OcrLine
from tests.samples import SENTENCE
from tests.scans import scan, sheet

WORDS = "The gate opens at nine."
BLANK = Image.new("RGB", (1240, 1754), (236, 232, 224))
LETTER = [
    OcrLine("Care of the barometer", 100, 100, 700, 160, 0.99),
    OcrLine("The mercury column must be read at eye", 100, 220, 900, 252, 0.98),
    OcrLine("level every morning.", 100, 260, 520, 290, 0.97),
    OcrLine("Write the reading down at once.", 100, 360, 760, 392, 0.99),
]


class Told:
    """An engine that sees the same on every picture."""

    fingerprint = "told-1"

    def __init__(self, *answers: Sequence[OcrLine] | Exception) -> None:
        self.answers = answers or (LETTER,)
        self.shown: list[Image.Image] = []

    def read(self, image: bytes) -> Sequence[OcrLine]:
        self.shown.append(Image.open(io.BytesIO(image)))
        answer = self.answers[min(len(self.shown), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_scanned_page_has_the_headings_and_paragraphs_that_are_seen_on_it() -> None:
    found = extract(Source(scan(sheet()), ocr=Told()))
    assert [(block.kind, block.text) for block in found.blocks] == [
        ("heading", "Care of the barometer"),
        ("paragraph", SENTENCE),
        ("paragraph", "Write the reading down at once."),
    ]
    assert found.kinds == {1: PageKind.OCR}


def test_of_a_mixed_document_only_the_pictures_are_shown_to_the_engine() -> None:
    engine = Told()
    found = extract(Source(scan(WORDS, sheet(), BLANK, WORDS), ocr=engine))
    kinds = [PageKind.TEXT, PageKind.OCR, PageKind.BLANK, PageKind.TEXT]
    assert list(found.kinds.values()) == kinds
    assert [block.page for block in found.blocks] == [1, 2, 2, 2, 4]
    assert len(engine.shown) == 1


def test_only_the_pages_asked_for_are_shown_to_the_engine() -> None:
    engine = Told()
    data = scan(*[sheet()] * 4)
    found = extract(Source(data, first_page=2, last_page=3, ocr=engine))
    assert found.kinds == {2: PageKind.OCR, 3: PageKind.OCR}
    assert len(engine.shown) == 2


def test_without_an_engine_a_picture_stays_one() -> None:
    assert extract(Source(scan(sheet()))).kinds == {1: PageKind.IMAGE}


def test_a_picture_without_words_is_a_picture() -> None:
    found = extract(Source(scan(sheet()), ocr=Told([])))
    assert (found.kinds, list(found.blocks)) == ({1: PageKind.IMAGE}, [])


def test_a_script_that_the_engine_does_not_know_is_not_read_as_its_scraps() -> None:
    scraps = [OcrLine("a t tt tnn n", 0, 40 * n, 800, 40 * n + 30, 0.5) for n in range(9)]
    seen = [*scraps, OcrLine("2020", 0, 400, 90, 430, 0.99)]
    assert legible(seen) == []
    found = extract(Source(scan(sheet()), ocr=Told(seen)))
    assert (found.kinds, list(found.blocks)) == ({1: PageKind.IMAGE}, [])


def test_dirt_is_left_out_of_what_is_legible() -> None:
    dirt = [OcrLine("..", 5, 5, 30, 20, 0.99), OcrLine("lI1", 0, 900, 60, 930, 0.4)]
    assert legible([*LETTER, *dirt]) == LETTER


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_engine_is_shown_the_page_as_readers_see_it(degrees: int) -> None:
    engine = Told()
    extract(Source(scan(sheet(), turned=degrees), ocr=engine))
    width, height = engine.shown[0].size
    assert (width > height) == (degrees in {90, 270})


def test_a_poster_is_shown_coarser() -> None:
    from fpdf import FPDF

    document, engine = FPDF(unit="pt", format=(4_000, 6_000)), Told()
    document.add_page()
    document.image(sheet(dpi=72), 0, 0, 4_000, 6_000)
    extract(Source(bytes(document.output()), ocr=engine))
    width, height = engine.shown[0].size
    assert 0.99 * MAX_PIXELS < width * height < 1.01 * MAX_PIXELS


def test_the_back_of_a_sheet_is_blank_and_a_page_number_on_it_is_not() -> None:
    back = BLANK.copy()
    back.paste((20, 20, 20), (0, 0, 18, 1754))  # the scanner's bed
    back.paste((120, 110, 100), (700, 300, 703, 303))  # a speck
    assert is_blank(back)
    back.paste((20, 20, 20), (600, 1600, 620, 1634))
    assert not is_blank(back)


def test_a_page_that_the_engine_refuses_fails_alone_with_its_words() -> None:
    engine = Told(LETTER, ModelRefused("the model says no."))
    found = extract(Source(scan(sheet(), sheet()), ocr=engine))
    assert found.kinds == {1: PageKind.OCR, 2: PageKind.FAILED}
    assert [(one.page, one.code, one.message) for one in found.trouble] == [
        (2, "model_refused", "the model says no.")
    ]
    with pytest.raises(CorruptDocument, match="the model says no"):
        extract(Source(scan(sheet()), ocr=Told(ModelRefused("the model says no."))))


def test_a_service_that_is_busy_is_no_fault_of_the_page() -> None:
    with pytest.raises(Throttled):
        extract(Source(scan(sheet()), ocr=Told(Throttled("busy"))))


def test_time_is_looked_at_before_each_page() -> None:
    class Slow(Told):
        def read(self, image: bytes) -> Sequence[OcrLine]:
            time.sleep(0.3)
            return super().read(image)

    engine = Slow()
    with pytest.raises(ParsingTimeout):
        extract(Source(scan(*[sheet()] * 9), deadline=time.monotonic() + 1.0, ocr=engine))
    assert 0 < len(engine.shown) < 9


def test_a_survey_tells_scanned_documents_by_some_of_their_pages() -> None:
    picture = sheet(dpi=36)
    assert survey(Source(scan(*[picture] * 30))).scanned
    assert survey(Source(scan(WORDS, picture, picture))).scanned
    assert not survey(Source(scan(*[WORDS] * 30, picture))).scanned
    assert not survey(Source(scan(WORDS, picture))).scanned
