"""What a child may claim. One that was taken over says what it likes, in frames that are sound."""

from __future__ import annotations

import struct

from ragline.domain.chunks import Block, Extraction
from ragline.ports import Reading, Survey

MOST_PIXELS = 32_000_000
"""Of a picture to recognise; the parsers make none of more than 20 million."""

_MOST = 100_000_000
"""Pages, or files inside, of any document. What is too many for us is judged elsewhere."""

_LEVELS = range(7)
_FORMAT_CHARS = 20
_PNG = struct.Struct("!8sI4sII")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_survey(told: Survey) -> bool:
    counts = (told.pages, told.members)
    return all(0 <= count <= _MOST for count in counts) and len(told.format) <= _FORMAT_CHARS


def is_extraction(told: Extraction, wanted: Reading) -> bool:
    """Whether it tells of the pages that were asked for, and of places that exist."""
    last = _MOST if wanted.last is None or wanted.slices else wanted.last
    asked = range(1 if wanted.slices else max(1, wanted.first), last + 1)
    pages = [*told.kinds, *(trouble.page for trouble in told.trouble)]
    return all(page in asked for page in pages) and all(
        _is_block(one, asked) for one in told.blocks
    )


def _is_block(block: Block, asked: range) -> bool:
    placed = block.page is None or block.page in asked
    return placed and block.level in _LEVELS and 0 <= block.turn <= len(block.text)


def is_picture(data: bytes) -> bool:
    """Whether it is a PNG, of a size that an engine may be shown.

    https://www.w3.org/TR/png-3/#11IHDR
    """
    if len(data) < _PNG.size:
        return False
    signature, _, kind, width, height = _PNG.unpack(data[: _PNG.size])
    return bool(signature == _SIGNATURE and kind == b"IHDR" and 0 < width * height <= MOST_PIXELS)
