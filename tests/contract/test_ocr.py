"""Engines of OCR. The local one reads pages that were made here; Textract is botocore's own client
with stubbed answers in the shape of the service's model, and no local stand-in asks it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import pytest_socket
from botocore.stub import ANY, Stubber
from PIL import Image

from ragline.batches import MARGIN_SECONDS
from ragline.domain.errors import (
    CorruptDocument,
    ModelRefused,
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
)
from ragline.local import template
from ragline.ocr.rapid import RapidOcr
from ragline.ocr.textract import MAX_BYTES, TextractOcr, _sendable, textract_client
from ragline.ocr.vision import ANSWER_TOKENS, PROMPT, SECONDS, VisionOcr
from ragline.parsing import Source, extract
from ragline.parsing.recognised import legible
from ragline.ports import Ocr, OcrLine, PageImage, Seen
from ragline.vision.bedrock import bedrock_client
from tests.samples import HEADING, SENTENCE
from tests.scans import LETTER, png, scan, sheet
from tests.unit.pipeline import LIMITS

ROOT = Path(__file__).parents[2]

SMALL = png(Image.new("RGB", (200, 100), "white"))


@pytest.fixture(scope="module")
def local() -> RapidOcr:
    return RapidOcr()


@pytest.fixture
def offline() -> Iterator[None]:
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


def texts(lines: Any) -> list[str]:
    return [line.text for line in legible(lines)]


def test_the_local_engine_reads_a_page_without_any_network(offline: None, local: RapidOcr) -> None:
    lines = local.read(png(sheet()))
    assert texts(lines) == list(LETTER)
    assert min(line.confidence for line in lines) > 0.9


def test_a_picture_that_is_begun_late_is_read_before_the_splitter_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    splitter = template.load(ROOT / "template.yaml")["Resources"]["Splitter"]["Properties"]
    work = splitter["Timeout"] - MARGIN_SECONDS
    left = work - replace(LIMITS, seconds=work).reading_seconds
    for client in (textract_client(), bedrock_client(SECONDS)):
        told = client.meta.config
        once = told.connect_timeout + told.read_timeout
        assert told.retries["total_max_attempts"] * once <= left


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_the_local_engine_reads_a_page_however_it_was_laid_on_the_glass(
    local: RapidOcr, degrees: int
) -> None:
    lines = local.read(png(sheet().rotate(degrees, expand=True)))
    assert texts(lines) == list(LETTER)
    assert lines[0].top < lines[-1].top
    assert lines[-1].bottom < 1754  # upright again


@pytest.mark.parametrize("degrees", [-4, 3])
def test_the_lines_of_a_crooked_scan_are_level(local: RapidOcr, degrees: int) -> None:
    crooked = sheet().rotate(degrees, expand=True, fillcolor="white")
    lines = local.read(png(crooked))
    assert texts(lines) == list(LETTER)
    assert all(line.bottom - line.top < 45 for line in lines[1:])
    assert max(line.left for line in lines) - min(line.left for line in lines) < 12


def test_the_local_engine_knows_accents_and_chinese(local: RapidOcr) -> None:
    lines = local.read(png(sheet(["Überprüfung", "À l'été, naïve façade; Año, señor"])))
    assert texts(lines) == ["Überprüfung", "À l'été, naïve façade; Año, señor"]


def test_the_local_engine_finds_nothing_on_paper(local: RapidOcr) -> None:
    assert local.read(png(Image.new("RGB", (900, 1200), "white"))) == []


def test_the_local_engine_refuses_what_is_no_picture(local: RapidOcr) -> None:
    for data in (b"", b"no picture"):
        with pytest.raises(CorruptDocument):
            local.read(data)


def test_models_that_are_missing_are_not_fetched(
    offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rapidocr

    monkeypatch.setattr(rapidocr, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(SetupError, match="install rapidocr again"):
        RapidOcr().read(SMALL)


def test_nothing_is_loaded_before_the_first_picture() -> None:
    import subprocess

    code = (
        "import sys; from ragline.ocr.rapid import RapidOcr; print(RapidOcr().fingerprint);"
        "assert not {'cv2', 'rapidocr', 'onnxruntime'} & set(sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("rapidocr-")


def test_a_scanned_document_is_read_from_its_bytes_to_its_blocks(local: RapidOcr) -> None:
    found = extract(Source(scan(sheet(), sheet().rotate(180)), ocr=local))
    for page in (1, 2):
        heading, *rest = [block for block in found.blocks if block.page == page]
        assert (heading.kind, heading.text) == ("heading", HEADING)
        assert SENTENCE in " ".join(block.text for block in rest)


def textract() -> tuple[TextractOcr, Stubber]:
    client = boto3.client(
        "textract",
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return TextractOcr(client), Stubber(client)


def block(kind: str, text: str, box: tuple[float, float, float, float]) -> dict[str, Any]:
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return {
        "BlockType": kind,
        "Confidence": 99.42,
        "Text": text,
        "Id": text,
        "Geometry": {
            "BoundingBox": {
                "Left": left,
                "Top": top,
                "Width": right - left,
                "Height": bottom - top,
            },
            "Polygon": [{"X": x, "Y": y} for x, y in corners],
        },
    }


def answer(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {
        "DocumentMetadata": {"Pages": 1},
        "Blocks": list(blocks),
        "DetectDocumentTextModelVersion": "1.0",
    }


def test_textract_is_sent_the_picture_and_its_lines_are_taken() -> None:
    engine, stub = textract()
    page = {**block("PAGE", "", (0, 0, 1, 1))}
    page.pop("Text")
    line = block("LINE", "The gate opens at nine.", (0.1, 0.2, 0.6, 0.3))
    word = block("WORD", "gate", (0.1, 0.2, 0.2, 0.3))
    stub.add_response(
        "detect_document_text", answer(page, line, word), {"Document": {"Bytes": SMALL}}
    )
    with stub:
        assert engine.read(SMALL) == [
            OcrLine("The gate opens at nine.", 20.0, 20.0, 120.0, 30.0, 0.994)
        ]


def test_textract_finds_nothing_on_paper() -> None:
    engine, stub = textract()
    stub.add_response("detect_document_text", answer(), {"Document": ANY})
    with stub:
        assert engine.read(SMALL) == []


def test_lines_that_textract_sees_on_their_side_are_given_upright() -> None:
    engine, stub = textract()
    upper = block("LINE", "first", (0.8, 0.1, 0.9, 0.9))
    lower = block("LINE", "second", (0.6, 0.1, 0.7, 0.9))
    for one in (upper, lower):  # text that runs down the page: it begins at the upper right
        corners = one["Geometry"]["Polygon"]
        one["Geometry"]["Polygon"] = [*corners[1:], corners[0]]
    stub.add_response("detect_document_text", answer(upper, lower), {"Document": ANY})
    with stub:
        first, second = engine.read(SMALL)
    assert first.bottom <= second.top
    assert first.right - first.left > first.bottom - first.top


def test_a_picture_too_large_for_textract_is_packed_smaller() -> None:
    import os

    noise = Image.frombytes("RGB", (1600, 1600), os.urandom(1600 * 1600 * 3))
    data, width, height = _sendable(png(noise))
    assert len(png(noise)) > MAX_BYTES >= len(data)
    assert (width, height) == (1600, 1600)


TEXTRACT_ERRORS = [
    ("ThrottlingException", 400, Throttled),
    ("ProvisionedThroughputExceededException", 400, Throttled),
    ("InternalServerError", 500, ServiceUnavailable),
    ("AccessDeniedException", 400, SetupError),
    ("UnsupportedDocumentException", 400, CorruptDocument),
    ("BadDocumentException", 400, CorruptDocument),
    ("DocumentTooLargeException", 400, CorruptDocument),
    ("InvalidParameterException", 400, CorruptDocument),
]


@pytest.mark.parametrize(("code", "status", "kind"), TEXTRACT_ERRORS)
def test_what_textract_refuses_is_said_in_our_words(
    code: str, status: int, kind: type[RaglineError]
) -> None:
    engine, stub = textract()
    words = "Request has unsupported document format. " + "x" * 900
    stub.add_client_error("detect_document_text", code, words, status)
    with stub, pytest.raises(kind) as caught:
        engine.read(SMALL)
    assert len(str(caught.value)) < 300
    if kind is CorruptDocument:
        assert "unsupported document format" in str(caught.value)


class Model:
    """A model that sees, and says what it is told to."""

    model = "eu.amazon.nova-lite-v1:0"

    def __init__(self, text: str, truncated: bool = False) -> None:
        self.text, self.truncated = text, truncated
        self.asked: list[tuple[str, int, int]] = []

    def ask(self, image: PageImage, prompt: str, *, answer_tokens: int, seconds: float) -> Seen:
        with Image.open(image.path) as picture:
            assert picture.size == (image.width, image.height)
        self.asked.append((prompt, answer_tokens, max(image.width, image.height)))
        return Seen(self.text, 1_000, 100, self.truncated)


def test_a_model_that_sees_transcribes_a_page_line_by_line() -> None:
    model = Model(f"{HEADING}\n\nThe mercury column must be read\nat eye level every morning.\n")
    engine: Ocr = VisionOcr(model)
    assert engine.fingerprint == "vision-eu-amazon-nova-lite-v1-0-1"
    found = extract(Source(scan(sheet()), ocr=engine))
    assert [block.text for block in found.blocks] == [HEADING, SENTENCE]
    assert model.asked == [(PROMPT, ANSWER_TOKENS, 1_568)]


def test_a_model_that_sees_no_text_says_so() -> None:
    assert VisionOcr(Model("NO-TEXT")).read(SMALL) == []


def test_a_transcript_that_was_cut_off_is_not_taken_for_the_page() -> None:
    with pytest.raises(ModelRefused, match="8,000 tokens"):
        VisionOcr(Model("and so on", truncated=True)).read(SMALL)
