"""Reading documents: files, the parsers, and the recognition of text in pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ragline.domain.chunks import Extraction


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line of text in a picture: its box in pixels from the top left, how sure (0 to 1)."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float = 1.0


class Ocr(Protocol):
    """Recognises text in pictures."""

    @property
    def fingerprint(self) -> str:
        """Names the engine, its version and settings: lower-case letters, digits and hyphens."""

    def read(self, image: bytes) -> Sequence[OcrLine]:
        """The lines of a picture (PNG), in reading order as far as the engine knows one.

        Their boxes are those of the picture turned upright. Nothing is left out: who asks judges by
        the confidence.

        Raises:
            PermanentError: the engine refuses this picture.
            TransientError: a service that is asked is busy, or not to be reached.
        """


@dataclass(frozen=True, slots=True)
class LocalFile:
    """An upload on this machine. ``checksum``: its SHA-256 in hexadecimal; ``size`` in bytes;
    ``etag`` names its version in the bucket, '' where it did not come from there."""

    path: Path
    size: int
    checksum: str
    etag: str = ""


class Files(Protocol):
    """Uploads as local files."""

    def open(self, key: str, etag: str = "") -> AbstractContextManager[LocalFile | None]:
        """The object as a file, as long as the context lasts; None if it, or this version, is gone.

        A version that was opened a moment ago is not fetched again.
        """

    def window(
        self, key: str, spans: Sequence[tuple[int, int]], etag: str = ""
    ) -> AbstractContextManager[LocalFile | None]:
        """As ``open``, a file of the object's size that holds just these bytes of it.

        Each span is from 0, its end exclusive; what is past the object's end is left out. Between
        them there is nothing (a sparse file), and no checksum is known.
        """


@dataclass(frozen=True, slots=True)
class Survey:
    """What a document is, as far as can be told without reading its text.

    ``format``: the name of a ``parsing.Format``. ``pages``: 0 where the format has none.
    ``scanned``: most of its pages are pictures, so reading it takes long. ``sliced``: it is plain
    enough to be read in ranges of bytes. ``members``: files in it that are documents of their own.
    """

    format: str
    pages: int = 0
    scanned: bool = False
    sliced: bool = False
    members: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A file within a document: an archive's member, a mail's attachment.

    ``path`` is its place in there, as shown to people; ``read`` gives its bytes, once.
    """

    path: str
    size: int
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be read, and how.

    ``first`` and ``last`` are pages (from 1, inclusive), or bytes (from 0, ``last`` exclusive) of a
    document read in ``slices``; ``last`` None is the end. ``deadline`` is a ``time.monotonic()``
    value. ``password`` opens the file if it is encrypted.
    """

    file: LocalFile
    filename: str
    deadline: float
    password: str = field(default="", repr=False)
    first: int = 1
    last: int | None = None
    slices: bool = False


class Reader(Protocol):
    """The parsers. Every method raises a ``PermanentError`` for what cannot be read."""

    def survey(self, wanted: Reading) -> Survey: ...

    def extract(self, wanted: Reading, ocr: Ocr | None = None) -> Extraction:
        """``ocr`` is asked about pages that are pictures; without it they stay without text.

        Raises:
            TransientError: whatever ``ocr`` raises of the kind.
        """

    def members(self, wanted: Reading) -> Iterator[Member]: ...
