"""Cutting: an upload's bytes, or a range of its pages, become numbered chunks within limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragline import chunking, parsing
from ragline.domain.chunking import Chunking
from ragline.domain.chunks import ORDINALS_PER_RANGE, Chunk
from ragline.domain.errors import EmptyFile, FileTooLarge, LimitExceeded, TooManyPages
from ragline.domain.pages import PageCounts, PageTrouble
from ragline.ports import Ocr, Reader, Reading, Survey, Tokenizer


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may be, and in what ranges it is cut: so many pages each, pages that are
    pictures (``scans_per_range``), or bytes. ``seconds`` is how long the splitter may work on one.

    ``chosen`` is how its collection wants to be cut, None for as any other.
    """

    file_bytes: int
    pages: int
    chunks: int
    pages_per_range: int
    chunk_tokens: int
    overlap_tokens: int
    seconds: float = 240.0
    scans_per_range: int = 20
    bytes_per_range: int = 8 * 1024 * 1024
    chosen: Chunking | None = None

    @property
    def reading_seconds(self) -> float:
        """What of the time is for reading a range; its chunks are to be kept in the rest."""
        return 0.75 * self.seconds

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
    sizes = f"{limits.pages_per_range}-{limits.scans_per_range}-{limits.bytes_per_range}"
    return f"{parsing.PARSER_FINGERPRINT}-{sizes}/{chunker}"


def check_size(filename: str, size: int, limits: Limits) -> None:
    """Raises EmptyFile or FileTooLarge for a file that need not be read at all."""
    if size == 0:
        raise EmptyFile(f"{filename} has no bytes.")
    if size > limits.file_bytes:
        raise FileTooLarge(
            f"{filename} has {size:,} bytes; max_file_bytes is {limits.file_bytes:,}."
        )


def plan(survey: Survey, size: int, filename: str, limits: Limits) -> list[tuple[int, int]]:
    """The ranges that a document of so many bytes is cut in; none if it is cut whole.

    Of pages, from 1, inclusive; of a format without pages that is read in slices, of bytes, from 0,
    the end exclusive.

    Raises:
        TooManyPages: it has more than it may.
    """
    if survey.pages > limits.pages:
        raise TooManyPages(f"{filename} has {survey.pages:,} pages; max_pages is {limits.pages:,}.")
    if survey.sliced:
        return _ranges(0, size, limits.bytes_per_range)
    each = limits.scans_per_range if survey.scanned else limits.pages_per_range
    return [(first, end - 1) for first, end in _ranges(1, survey.pages + 1, each)]


def _ranges(first: int, end: int, each: int) -> list[tuple[int, int]]:
    """Runs of ``each`` from ``first`` to ``end`` (exclusive); none if that is a single one."""
    runs = [(start, min(start + each, end)) for start in range(first, end, each)]
    return runs if len(runs) > 1 else []


def cut(
    wanted: Reading,
    *,
    reader: Reader,
    tokenizer: Tokenizer,
    limits: Limits,
    number: int = 0,
    ocr: Ocr | None = None,
) -> Cut:
    """Read and cut what is range ``number`` of a document.

    Raises:
        LimitExceeded: it would be too many chunks, or take too long.
        PermanentError: it cannot be read; see ``ports.Reader``.
    """
    extraction = reader.extract(wanted, ocr)
    chunks = list(
        chunking.chunk(
            extraction,
            tokenizer=tokenizer,
            chunking=limits.chunking,
        )
    )
    if len(chunks) > ORDINALS_PER_RANGE:
        raise LimitExceeded(
            f"{len(chunks):,} chunks in one range; at most {ORDINALS_PER_RANGE:,} have room."
        )
    base = number * ORDINALS_PER_RANGE
    numbered = [chunk.moved(base) for chunk in chunks]
    return Cut(numbered, extraction.counts, extraction.trouble)
