"""The parsers as a ``ports.Reader``, in this very process."""

from __future__ import annotations

from collections.abc import Iterator

from ragline.domain.chunks import Extraction
from ragline.parsing import Source, extract, survey
from ragline.ports import Member, Ocr, Reading, Survey


class ReaderHere:
    """For files that are trusted: what crashes a parser crashes this process."""

    def __init__(self, ocr: Ocr | None = None) -> None:
        self._ocr = ocr

    def survey(self, wanted: Reading) -> Survey:
        return survey(source_of(wanted, self._ocr))

    def extract(self, wanted: Reading) -> Extraction:
        return extract(source_of(wanted, self._ocr))

    def members(self, wanted: Reading) -> Iterator[Member]:
        yield from ()


def source_of(wanted: Reading, ocr: Ocr | None = None) -> Source:
    return Source(
        wanted.file.path,
        wanted.filename,
        wanted.first,
        wanted.last,
        wanted.deadline,
        wanted.password,
        ocr,
    )
