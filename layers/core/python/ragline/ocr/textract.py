"""Amazon Textract: lines of text, a page a call.

https://docs.aws.amazon.com/textract/latest/dg/API_DetectDocumentText.html
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from ragline.adapters.aws_errors import error_code, translated
from ragline.domain.errors import CorruptDocument, RaglineError, ServiceUnavailable
from ragline.ocr.quads import boxes
from ragline.ports import OcrLine

MAX_BYTES = 5_000_000
"""Of a picture sent as bytes; https://docs.aws.amazon.com/textract/latest/dg/API_Document.html."""

MAX_SIDE = 10_000
"""Pixels; https://docs.aws.amazon.com/textract/latest/dg/limits-document.html."""

_REFUSALS = frozenset(
    {
        "BadDocumentException",
        "DocumentTooLargeException",
        "InvalidParameterException",
        "UnsupportedDocumentException",
    }
)
_QUALITIES = (90, 75, 50, 30)
_MAX_WORDS = 200


def textract_client() -> Any:
    """A client of this region. The SDK waits out a short throttling; the queue a longer one.

    All its attempts together take no longer than the splitter has for a picture that it began late.
    """
    import boto3
    from botocore.config import Config

    retries: Any = {"mode": "standard", "total_max_attempts": 4}
    config = Config(retries=retries, connect_timeout=3, read_timeout=12)
    return boto3.client("textract", config=config)


class TextractOcr:
    """``ports.Ocr``; ``client`` is boto3's of ``textract``."""

    fingerprint = "textract-lines-1"

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, image: bytes) -> Sequence[OcrLine]:
        picture, width, height = _sendable(image)
        with translated("Amazon Textract"):
            try:
                answer = self._client.detect_document_text(Document={"Bytes": picture})
            except ClientError as error:
                raise _refusal(error) or error from error
        try:
            return _lines(answer, width, height)
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceUnavailable("Amazon Textract answered in no shape of its own.") from error


def _lines(answer: Mapping[str, Any], width: int, height: int) -> list[OcrLine]:
    """Corners are given as shares of the picture; they begin at the text's top left."""
    import numpy as np

    found = [block for block in answer["Blocks"] if block["BlockType"] == "LINE"]
    corners = [
        [(point["X"] * width, point["Y"] * height) for point in block["Geometry"]["Polygon"][:4]]
        for block in found
    ]
    upright = boxes(np.array(corners, np.float32).reshape(-1, 4, 2))
    return [
        OcrLine(str(block["Text"]), *box, confidence=round(float(block["Confidence"]) / 100, 3))
        for block, box in zip(found, upright, strict=True)
    ]


def _refusal(error: ClientError) -> RaglineError | None:
    """The service's words for what it does not take: they are about the picture."""
    if error_code(error) not in _REFUSALS:
        return None
    words = " ".join(str(error.response["Error"].get("Message", "")).split())[:_MAX_WORDS]
    return CorruptDocument(f"Amazon Textract refused the page: {words or 'no words'}")


def _sendable(image: bytes) -> tuple[bytes, int, int]:
    """The picture as Textract takes it, and its size; a noisy one goes as JPEG, or smaller."""
    from PIL import Image

    picture = Image.open(io.BytesIO(image), formats=("PNG", "JPEG"))
    size = picture.size
    if len(image) <= MAX_BYTES and max(size) <= MAX_SIDE:
        return image, *size
    smaller = picture.convert("RGB")
    smaller.thumbnail((MAX_SIDE, MAX_SIDE))
    for quality in _QUALITIES:
        target = io.BytesIO()
        smaller.save(target, "JPEG", quality=quality)
        if target.tell() <= MAX_BYTES:
            return target.getvalue(), *size
        smaller.thumbnail((smaller.width * 3 // 4, smaller.height * 3 // 4))
    raise CorruptDocument(f"The page's picture stays above the {MAX_BYTES:,} bytes of Textract.")
