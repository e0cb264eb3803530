"""Decompression bombs in PDFs: PDFium unpacks whole what a page refers to, without a bound."""

from __future__ import annotations

import re
import zlib

from ragline.domain.errors import Bomb
from ragline.parsing.limits import MAX_PACKING_RATIO, MAX_PDF_UNPACKED

_STREAM = re.compile(rb"stream\r?\n(?=[\x08\x18\x28\x38\x48\x58\x68\x78])")
"""Where deflated bytes begin: a zlib header's first byte says the method 8 in its low half.
https://www.rfc-editor.org/rfc/rfc1950#section-2.2"""

_PIECE = 1024 * 1024
_DICTIONARY = 2_000
"""Bytes before a stream in which its dictionary stands."""


def check_streams(data: bytes) -> None:
    """Unpack, and forget, every deflated stream but pictures, as far as the limit goes.

    A picture is what its dictionary calls one. Text that was deflated twice unpacks to something
    deflated, which is unpacked too.

    Raises:
        Bomb: one unpacks to too much, or those together that are packed beyond all reason.
    """
    suspicious = 0
    for found in _STREAM.finditer(data):
        dictionary = data[max(0, found.start() - _DICTIONARY) : found.start()].rpartition(b"obj")[2]
        if b"/Image" in dictionary:
            continue
        read, unpacked = _unpacked(data, found.end())
        if unpacked > MAX_PACKING_RATIO * read:
            suspicious += unpacked
        if max(unpacked, suspicious) > MAX_PDF_UNPACKED:
            raise Bomb(
                f"The PDF unpacks to more than the limit of {MAX_PDF_UNPACKED // _PIECE} MiB, as "
                "decompression bombs do; print it to PDF again."
            )


def _unpacked(data: bytes, start: int) -> tuple[int, int]:
    """How many bytes were read, and to how many they unpack at most; no more than the limit."""
    outer, inner = zlib.decompressobj(), zlib.decompressobj()
    view = memoryview(data)[start:]
    read = once = twice = 0
    piece: bytes | memoryview = view[:_PIECE]
    nested = True
    try:
        while piece and not outer.eof and max(once, twice) <= MAX_PDF_UNPACKED:
            out = outer.decompress(piece, _PIECE)
            once += len(out)
            twice, nested = _again(inner, out, twice) if nested else (twice, False)
            piece = outer.unconsumed_tail
            if not piece:
                read += _PIECE
                piece = view[read : read + _PIECE]
    except zlib.error:
        pass  # damaged, or not deflated at all: what came out until then counts
    used = min(len(view), read + _PIECE) - len(outer.unconsumed_tail) - len(outer.unused_data)
    return max(1, used), max(once, twice)


def _again(inner: zlib._Decompress, out: bytes, before: int) -> tuple[int, bool]:
    """What ``out`` unpacks to in its turn, added to ``before``; whether it does at all."""
    try:
        total = before + len(inner.decompress(out, _PIECE))
        while inner.unconsumed_tail and total <= MAX_PDF_UNPACKED:
            total += len(inner.decompress(inner.unconsumed_tail, _PIECE))
    except zlib.error:
        return before, False
    return total, True
