"""Cutting: an upload's bytes, or a range of its pages, become numbered chunks within limits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragline import chunking, parsing
from ragline.domain.chunks import ORDINALS_PER_RANGE, Chunk
from ragline.domain.errors import EmptyFile, LimitExceeded
from ragline.ports import Tokenizer


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may be. ``seconds`` is how long the splitter may work on one range."""

    file_bytes: int
    pages: int
    chunks: int
    pages_per_range: int
    chunk_tokens: int
    overlap_tokens: int
    seconds: float = 240.0


@dataclass(frozen=True, slots=True)
class Cut:
    """The chunks of one page range; ``bare_pages`` of its ``pages`` carry no text layer."""

    chunks: Sequence[Chunk]
    pages: int
    bare_pages: int

    def advice(self, ranges: int) -> str:
        """What to do where no text was found in the document, which has so many ranges."""
        if not self.bare_pages:
            return "The file holds no text. Upload a version that does."
        which = f"{self.bare_pages} of {self.pages}" if ranges == 1 else "Its"
        return (
            f"{which} pages are images without a text layer: run OCR over the file and upload the"
            " result."
        )


def fingerprint(limits: Limits) -> str:
    """Names the parser, the chunker and their settings: another one means another generation."""
    size = f"{limits.chunk_tokens}-{limits.overlap_tokens}-{limits.pages_per_range}"
    return f"{parsing.PARSER_FINGERPRINT}/{chunking.CHUNKER_VERSION}-{size}"


def check_size(filename: str, size: int, limits: Limits) -> None:
    """Raises EmptyFile or LimitExceeded for a file that need not be read at all."""
    if size == 0:
        raise EmptyFile(f"{filename} has no bytes; upload it again.")
    if size > limits.file_bytes:
        raise LimitExceeded(
            f"{filename} has {size:,} bytes; max_file_bytes is {limits.file_bytes:,}."
        )


def page_ranges(
    data: bytes, kind: parsing.Format, filename: str, limits: Limits
) -> list[tuple[int, int]]:
    """The ranges of pages (from 1, inclusive) that a document is cut in; none if it is cut whole.

    Raises:
        LimitExceeded: it has too many pages.
        PermanentError: it cannot be read; see ``ragline.parsing``.
    """
    pages = parsing.page_count(data, kind)
    if pages > limits.pages:
        raise LimitExceeded(
            f"{filename} has {pages:,} pages; max_pages is {limits.pages:,}. Split it."
        )
    if pages <= limits.pages_per_range:
        return []
    firsts = range(1, pages + 1, limits.pages_per_range)
    return [(first, min(first + limits.pages_per_range - 1, pages)) for first in firsts]


def cut(
    data: bytes,
    kind: parsing.Format,
    filename: str,
    *,
    tokenizer: Tokenizer,
    limits: Limits,
    number: int = 0,
    pages: tuple[int, int | None] = (1, None),
) -> Cut:
    """Cut range ``number``, which is ``pages`` (from 1, inclusive), of a document.

    Raises:
        LimitExceeded: it would be too many chunks, or take too long.
        PermanentError: it cannot be read; see ``ragline.parsing``.
    """
    extraction = parsing.extract(
        data,
        kind,
        filename=filename,
        first_page=pages[0],
        last_page=pages[1],
        deadline=time.monotonic() + limits.seconds,
    )
    chunks = list(
        chunking.chunk(
            extraction,
            tokenizer=tokenizer,
            max_tokens=limits.chunk_tokens,
            overlap_tokens=limits.overlap_tokens,
        )
    )
    most = min(limits.chunks, ORDINALS_PER_RANGE)
    if len(chunks) > most:
        raise LimitExceeded(
            f"{len(chunks):,} chunks in one range of pages; at most {most:,}. Split the file."
        )
    base = number * ORDINALS_PER_RANGE
    numbered = [replace(chunk, ordinal=base + chunk.ordinal) for chunk in chunks]
    return Cut(numbered, extraction.pages, len(extraction.bare_pages))
