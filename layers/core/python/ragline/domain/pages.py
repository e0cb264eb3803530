"""What became of each page of a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class PageKind(StrEnum):
    """Where a page's text came from, or why there is none."""

    TEXT = "text"
    """It carries a text layer, or is made of text."""
    OCR = "ocr"
    """It is a picture, and its text was recognised."""
    IMAGE = "image"
    """It is a picture, and no text was found in it."""
    BLANK = "blank"
    """There is nothing on it."""
    FAILED = "failed"
    """It could not be read."""


@dataclass(frozen=True, slots=True)
class PageCounts:
    """How many pages are of which kind."""

    text: int = 0
    ocr: int = 0
    image: int = 0
    blank: int = 0
    failed: int = 0

    @classmethod
    def of(cls, kinds: Iterable[PageKind]) -> PageCounts:
        return cls(**{kind.value: count for kind, count in Counter(kinds).items()})

    @property
    def total(self) -> int:
        return self.text + self.ocr + self.image + self.blank + self.failed

    @property
    def coverage(self) -> float | None:
        """The share, 0 to 1, of pages with anything on them whose text is known; None for none."""
        printed = self.total - self.blank
        return (self.text + self.ocr) / printed if printed else None


@dataclass(frozen=True, slots=True)
class PageTrouble:
    """A page that could not be read: a stable ``code``, and one sentence."""

    page: int
    code: str
    message: str
