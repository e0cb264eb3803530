"""The bounds of reading one document, and what a parser is given to read."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ragline.domain.errors import Bomb, FileTooLarge, ParsingTimeout
from ragline.ports import Ocr

MAX_UNPACKED = 512 * 1024 * 1024
"""Bytes that all members of a zip container (DOCX, PPTX, XLSX, EPUB) may unpack to."""

MAX_PACKING_RATIO = 200
"""Unpacked to packed bytes. Real office files stay under 60; deflate can reach 1032."""

RATIO_FREE = 32 * 1024 * 1024
"""Containers that unpack to less than this may have any ratio: they cannot hurt."""

MAX_MEMBERS = 20_000
MAX_FILES_INSIDE = 1_000
"""Files of a zip archive, or attachments of a mail, that become documents of their own."""

MAX_BYTES_INSIDE = 4 * 1024 * 1024 * 1024
MAX_FILE_INSIDE = 256 * 1024 * 1024
"""Bytes that these may unpack to, all together and each: one is held in memory at a time."""

MAX_XML_MEMBER = 128 * 1024 * 1024
"""Bytes of one XML part that is read into a tree, which takes about ten times its size."""

MAX_ELEMENTS = 2_000_000
"""Elements of one HTML file or XML part that is read into a tree: about 450 bytes each."""

MAX_ATTRIBUTES = 10_000
"""Of one element. Readers compare each with all before it."""

MAX_PDF_UNPACKED = 256 * 1024 * 1024
"""Bytes that one stream of a PDF may unpack to, or all together that are packed to a 200th: PDFium
holds a page's instructions twice. Pictures are not unpacked."""

MAX_PICTURE_PIXELS = 150_000_000
"""Of one picture or scanned page: A0 at 300 dots per inch has 140 million."""

MAX_MAIL_HEADER = 256 * 1024
"""Bytes of the headers of a mail, or of one of its parts; real ones stay under a tenth of it."""

MAX_DEPTH = 1_000
"""Nesting of HTML and XML elements; beyond it a file is an attack or damaged."""

MAX_JSON_DEPTH = 100
MAX_ROWS = 1_000_000
"""Rows of one CSV file or workbook, records of one JSON file."""

MAX_PAGE_CHARS = 2_000_000
"""Characters on one PDF page; a dense real page has about 10,000."""

_HEAD = 64 * 1024


@dataclass(frozen=True)
class Source:
    """What a parser reads: the file, the pages wanted (from 1, inclusive), and until when.

    ``deadline`` is a ``time.monotonic()`` value. ``ocr`` is asked for the text of pages that are
    pictures; without it they stay without.
    """

    file: Path | bytes
    filename: str = ""
    first_page: int = 1
    last_page: int | None = None
    deadline: float | None = None
    password: str = field(default="", repr=False)
    ocr: Ocr | None = None

    @cached_property
    def data(self) -> bytes:
        """All of it."""
        return self.file if isinstance(self.file, bytes) else self.file.read_bytes()

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.file) if isinstance(self.file, bytes) else self.file.stat().st_size

    @property
    def head(self) -> bytes:
        """Its first 64 KiB."""
        if isinstance(self.file, bytes):
            return self.file[:_HEAD]
        with self.file.open("rb") as file:
            return file.read(_HEAD)

    def check_time(self, page: int | None = None) -> None:
        """Called between pages or blocks.

        Raises:
            ParsingTimeout: the deadline has passed.
        """
        if self.deadline is not None and time.monotonic() > self.deadline:
            where = f" at page {page}" if page else ""
            raise ParsingTimeout(
                f"Reading this document took longer than the time limit for parsing{where}.",
                page=page,
            )

    def page_range(self, pages: int) -> range:
        """The wanted pages that exist, from 1."""
        last = pages if self.last_page is None else min(self.last_page, pages)
        return range(max(1, self.first_page), last + 1)


def check_elements(tags: int, what: str) -> None:
    """Raises FileTooLarge: a tree of so many elements would not fit into memory."""
    if tags > MAX_ELEMENTS:
        raise FileTooLarge(
            f"{what} has more than {MAX_ELEMENTS:,} elements; split it into smaller files."
        )


def too_many_rows() -> FileTooLarge:
    return FileTooLarge(f"This file has more than {MAX_ROWS:,} rows; split it into smaller files.")


def too_deep(limit: int) -> Bomb:
    return Bomb(
        f"This file nests deeper than the limit of {limit:,} levels; flatten it and try again."
    )
