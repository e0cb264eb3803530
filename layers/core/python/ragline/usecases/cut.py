"""Cutting: an upload's bytes, or a range of its pages, become numbered chunks within limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragline import chunking, parsing
from ragline.domain.chunking import Chunking
from ragline.domain.chunks import ORDINALS_PER_RANGE, Chunk
from ragline.domain.errors import EmptyFile, FileTooLarge, LimitExceeded, TooManyPages
from ragline.domain.pages import PageCounts, PageTrouble
from ragline.ports import Reader, Reading, Survey, Tokenizer


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may be. ``seconds`` is how long the splitter may work on one range.

    ``chosen`` is how its collection wants to be cut, None for as any other.
    """

    file_bytes: int
    pages: int
    chunks: int
    pages_per_range: int
    chunk_tokens: int
    overlap_tokens: int
    seconds: float = 240.0
    chosen: Chunking | None = None

    @property
    def chunking(self) -> Chunking:
        return self.chosen or Chunking(
            max_tokens=self.chunk_tokens, overlap_tokens=self.overlap_tokens
        )


@dataclass(frozen=True, slots=True)
class Cut:
    """The chunks of one range, what became of its pages, and which of them could not be read."""

    chunks: Sequence[Chunk]
    pages: PageCounts
    trouble: Sequence[PageTrouble] = ()


def fingerprint(limits: Limits) -> str:
    """Names the parser, the chunker and their settings: another one means another generation."""
    chunker = f"{chunking.CHUNKER_VERSION}/{limits.chunking}"
    return f"{parsing.PARSER_FINGERPRINT}-{limits.pages_per_range}/{chunker}"


def check_size(filename: str, size: int, limits: Limits) -> None:
    """Raises EmptyFile or FileTooLarge for a file that need not be read at all."""
    if size == 0:
        raise EmptyFile(f"{filename} has no bytes.")
    if size > limits.file_bytes:
        raise FileTooLarge(
            f"{filename} has {size:,} bytes; max_file_bytes is {limits.file_bytes:,}."
        )


def plan(survey: Survey, filename: str, limits: Limits) -> list[tuple[int, int]]:
    """The ranges of pages (from 1, inclusive) that a document is cut in; none if it is cut whole.

    Raises:
        TooManyPages: it has more than it may.
    """
    if survey.pages > limits.pages:
        raise TooManyPages(f"{filename} has {survey.pages:,} pages; max_pages is {limits.pages:,}.")
    if survey.pages <= limits.pages_per_range:
        return []
    firsts = range(1, survey.pages + 1, limits.pages_per_range)
    return [(first, min(first + limits.pages_per_range - 1, survey.pages)) for first in firsts]


def cut(
    wanted: Reading, *, reader: Reader, tokenizer: Tokenizer, limits: Limits, number: int = 0
) -> Cut:
    """Read and cut what is range ``number`` of a document.

    Raises:
        LimitExceeded: it would be too many chunks, or take too long.
        PermanentError: it cannot be read; see ``ports.Reader``.
    """
    extraction = reader.extract(wanted)
    chunks = list(
        chunking.chunk(
            extraction,
            tokenizer=tokenizer,
            chunking=limits.chunking,
        )
    )
    most = min(limits.chunks, ORDINALS_PER_RANGE)
    if len(chunks) > most:
        raise LimitExceeded(f"{len(chunks):,} chunks in one range of pages; at most {most:,}.")
    base = number * ORDINALS_PER_RANGE
    numbered = [chunk.moved(base) for chunk in chunks]
    return Cut(numbered, extraction.counts, extraction.trouble)
