"""A model that sees, asked to write down what it sees: Bedrock's by Converse, or any other.

It knows scripts that no OCR engine knows, and hands; it gives no places, is paid by the token, and
may write what is not there.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ragline.domain.errors import ModelRefused
from ragline.ports import OcrLine, PageImage, Vision

PROMPT = (
    "Transcribe all text of this page, exactly as it is written, in its own language and in reading"
    " order, columns one after another. Keep line ends; leave an empty line between paragraphs. "
    "Write a table as one line a row, its cells separated by ' | '. Do not describe pictures, do "
    "not comment, do not translate, do not correct. If there is no text on the page, answer only: "
    "NO-TEXT"
)

ANSWER_TOKENS = 8_000
"""A dense page has about 2,000."""

SECONDS = 60.0
"""For one page. Begun as the splitter's time for reading ends, it must not outlast the function: a
killed one is no turn that goes on at once, but an attempt that failed."""

_NO_TEXT = "NO-TEXT"
_LONG_SIDE = 1_568
_LINE, _TALL, _WIDE = 24, 16, 8
"""Pixels from line to line, of a line, of a character: places for lines that have none."""


class VisionOcr:
    """``ports.Ocr``."""

    def __init__(self, vision: Vision) -> None:
        self._vision = vision
        model = re.sub(r"[^a-z0-9]+", "-", vision.model.lower()).strip("-")
        self.fingerprint = f"vision-{model}-1"

    def read(self, image: bytes) -> Sequence[OcrLine]:
        with tempfile.TemporaryDirectory(prefix="ragline-page-") as folder:
            picture = _saved(image, Path(folder, "page.jpeg"))
            seen = self._vision.ask(picture, PROMPT, answer_tokens=ANSWER_TOKENS, seconds=SECONDS)
        if seen.truncated:
            raise ModelRefused(f"{self._vision.model} wrote more than {ANSWER_TOKENS:,} tokens.")
        return [] if seen.text.strip() == _NO_TEXT else _placed(seen.text)


def _placed(text: str) -> list[OcrLine]:
    """One below the other, with a gap where a line is empty."""
    return [
        OcrLine(line.strip(), 0.0, _LINE * row, _WIDE * len(line.strip()), _LINE * row + _TALL)
        for row, line in enumerate(text.splitlines())
        if line.strip()
    ]


def _saved(image: bytes, path: Path) -> PageImage:
    """As large as models look at: more pixels cost more, and show nothing."""
    import io

    from PIL import Image

    picture = Image.open(io.BytesIO(image), formats=("PNG", "JPEG")).convert("RGB")
    picture.thumbnail((_LONG_SIDE, _LONG_SIDE))
    picture.save(path, "JPEG", quality=90)
    return PageImage(path, "jpeg", picture.width, picture.height)
