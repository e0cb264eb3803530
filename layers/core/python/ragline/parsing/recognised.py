"""What OCR found in a picture, as a page's runs of characters; pictures with nothing in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from ragline.parsing.pdf.runs import Run, Span
from ragline.ports import OcrLine

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST_CONFIDENCE = 0.6
"""Lines that an engine is less sure of are left out: dirt, or a script unknown to it."""

_LEGIBLE = 0.5
_SAME_SIZE = (0.65, 1.4)
_SHRUNK = 8
_MARGIN = 0.04
_CONTRAST = 48
_SPECKS = 0.0002


def legible(lines: Sequence[OcrLine]) -> list[OcrLine]:
    """The lines to trust; none at all if they are less than half of the text that was seen.

    An engine that does not know a page's script reads words of its own into it here and there.
    """
    sure = [
        line
        for line in lines
        if line.confidence >= LEAST_CONFIDENCE and any(map(str.isalnum, line.text))
    ]
    return sure if _length(sure) >= _LEGIBLE * _length(lines) else []


def _length(lines: Sequence[OcrLine]) -> float:
    return sum(line.right - line.left for line in lines)


def runs_of(lines: Sequence[OcrLine], height: float, scale: float) -> list[Run]:
    """Lines in pixels as runs in points, whose y goes up from the foot of a page so ``height``.

    ``scale`` is pixels to a point. Boxes are as high as the letters in them happen to be, so those
    near the usual height have the same size; others are headings, or small print.
    """
    usual = median(line.bottom - line.top for line in lines) if lines else 0.0
    return [_run(line, height, scale, usual) for line in lines]


def _run(line: OcrLine, height: float, scale: float, usual: float) -> Run:
    text = line.text.strip()
    step = (line.right - line.left) / max(1, len(text)) / scale
    left = line.left / scale
    tall = line.bottom - line.top
    if _SAME_SIZE[0] * usual <= tall <= _SAME_SIZE[1] * usual:
        tall = usual
    return Run(
        text,
        [_span(word, left, step) for word in re.finditer(r"\S+", text)],
        height - line.top / scale,
        height - line.bottom / scale,
        tall / scale,
    )


def _span(word: re.Match[str], left: float, step: float) -> Span:
    start, end = word.span()
    return Span(start, end, left + step * start, left + step * end)


def is_blank(picture: Image) -> bool:
    """Whether nothing is on it but paper, however grey: the back of a sheet that was scanned.

    The margins do not count, where scanners see the edge of the sheet.
    """
    grey = picture.convert("L")
    grey = grey.reduce(_SHRUNK) if min(grey.size) > 4 * _SHRUNK else grey
    wide, high = grey.size
    x, y = int(wide * _MARGIN), int(high * _MARGIN)
    counts = grey.crop((x, y, wide - x, high - y)).histogram()
    paper = max(range(256), key=counts.__getitem__)
    other = sum(n for shade, n in enumerate(counts) if abs(shade - paper) > _CONTRAST)
    return other <= _SPECKS * sum(counts)
