"""The parsers as a ``ports.Reader``, in this very process."""

from __future__ import annotations

from collections.abc import Iterator

from ragline.domain.chunks import Extraction
from ragline.parsing import Source, extract, extract_slice, members, survey
from ragline.ports import Member, Ocr, Reading, Survey


class ReaderHere:
    """For files that are trusted: what crashes a parser crashes this process."""

    def survey(self, wanted: Reading) -> Survey:
        return survey(source_of(wanted))

    def extract(self, wanted: Reading, ocr: Ocr | None = None) -> Extraction:
        source = source_of(wanted, ocr)
        if wanted.slices:
            last = source.size if wanted.last is None else wanted.last
            return extract_slice(source, wanted.first, last)
        return extract(source)

    def members(self, wanted: Reading) -> Iterator[Member]:
        return members(source_of(wanted))


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
