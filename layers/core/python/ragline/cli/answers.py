"""The API's answers, as far as the command line reads them. Fields it does not know are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ragline.domain.documents import TERMINAL


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    def raw(self) -> dict[str, Any]:
        """As the API gave it."""
        return self.model_dump(mode="json", exclude_unset=True)


class Reason(Answer):
    code: str = ""
    message: str = ""
    stage: str = ""
    page: int | None = None
    chunk: int | None = None

    @property
    def located(self) -> str:
        """The message, behind where it happened: ``page 3, chunk 7: the model was busy.``"""
        places = (("page", self.page), ("chunk", self.chunk))
        named = ", ".join(f"{name} {value}" for name, value in places if value is not None)
        return f"{named}: {self.message}" if named else self.message


class Pages(Answer):
    text: int = 0
    ocr: int = 0
    image: int = 0
    blank: int = 0
    failed: int = 0

    @property
    def without_text(self) -> int:
        """Those that have something on them."""
        return self.image + self.failed

    def __str__(self) -> str:
        """Such as ``38 text, 2 by OCR``; '' if none are known."""
        counts = {
            "text": self.text,
            "by OCR": self.ocr,
            "without text": self.image,
            "blank": self.blank,
            "failed": self.failed,
        }
        return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


class Progress(Answer):
    percent: str = "0%"
    pages_total: int = 0
    pages_done: int = 0
    pages: Pages = Field(default_factory=Pages)
    coverage: float | None = None
    chunks_total: int = 0
    embedded: int = 0
    indexed: int = 0
    failed: int = 0

    @property
    def hundredths(self) -> int:
        digits = self.percent.removesuffix("%")
        return int(digits) if digits.isdigit() else 0


class DocumentView(Answer):
    document_id: str
    collection: str = ""
    filename: str = ""
    status: str = ""
    progress: Progress = Field(default_factory=Progress)
    reason: Reason | None = None
    advice: str | None = ""
    size: int | None = None
    parent: str | None = None
    parent_filename: str | None = None
    path_in_parent: str | None = None
    children: int = 0
    created_at: str | None = ""
    updated_at: str | None = ""
    trace_id: str | None = ""

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def name(self) -> str:
        """What to call it: of one that came in another, where it lies in there."""
        return placed(self.filename, self.path_in_parent, self.parent_filename)


def placed(filename: str, path: str | None, parent: str | None) -> str:
    """``2026/report.pdf (in papers.zip)``, of a file that came in another one."""
    return f"{path or filename} (in {parent})" if parent else filename


class Listing(Answer):
    documents: list[DocumentView] = Field(default_factory=list)
    cursor: str | None = None


class Failure(Answer):
    generation: int = 0
    reason: Reason = Field(default_factory=Reason)
    attempts: int = 1
    first: str = ""
    last: str = ""


class FailedChunks(Answer):
    """``count`` chunks from ordinal ``first`` on, all failed with ``code``."""

    first: int
    count: int
    code: str = ""


class Failures(Answer):
    failures: list[Failure] = Field(default_factory=list)
    failed_chunks: list[FailedChunks] = Field(default_factory=list)
    failed_chunks_cut: bool = False


class Redriven(Answer):
    document_id: str
    collection: str = ""
    filename: str = ""
    status: str = ""
    chunks: int = 0
    split_again: bool = False
    skipped: str | None = None


class Retried(Answer):
    document_id: str
    status: str = ""
    chunks: int = 0
    split_again: bool = False


class RedrivePage(Answer):
    documents: list[Redriven]
    cursor: str | None = None


class Upload(BaseModel):
    """Where the bytes go, in one piece or (``MULTIPART``) in parts.

    ``url`` is a secret for as long as it lives: never print it.
    """

    method: str = "PUT"
    url: str = Field("", repr=False)
    headers: Mapping[str, str] = Field(default_factory=dict)
    upload_id: str = ""
    part_size: int = 0
    parts: int = 0


class PartTarget(BaseModel):
    """Where one part goes. ``url`` is a secret for as long as it lives: never print it."""

    number: int
    size: int
    url: str = Field(repr=False)
    headers: Mapping[str, str] = Field(default_factory=dict)


class PartTargets(Answer):
    parts: list[PartTarget]


class ArrivedPart(Answer):
    number: int
    checksum: str | None = None


class ArrivedParts(Answer):
    arrived: list[ArrivedPart]


class Registered(Answer):
    document_id: str
    status: str = ""
    duplicate: bool = False
    upload: Upload | None = None


class LegRank(Answer):
    rank: int
    score: float


class Mark(Answer):
    """In characters, from the beginning of the text that is marked."""

    start: int
    end: int


class Snippet(Answer):
    """``text`` is ``start`` to ``end`` of the hit's; the highlights are those of ``text``."""

    text: str
    start: int = 0
    end: int = 0
    highlights: list[Mark] = Field(default_factory=list)


class Section(Answer):
    """``text`` is None where the hit of chunk_id ``carried_by`` has it."""

    text: str | None = None
    carried_by: str = ""
    page: int | None = None
    page_end: int | None = None


class Hit(Answer):
    rank: int
    score: float
    text: str
    document_id: str
    chunk_id: str = ""
    filename: str = ""
    parent_filename: str | None = None
    path_in_parent: str | None = None
    page: int | None = None
    page_end: int | None = None
    headings: list[str] = Field(default_factory=list)
    snippet: Snippet | None = None
    section: Section | None = None
    legs: dict[str, LegRank] | None = None
    rerank: LegRank | None = None
    matched_terms: list[str] | None = None
    highlights: list[Mark] | None = None


class Hits(Answer):
    hits: list[Hit] = Field(default_factory=list)
    legs: dict[str, int] = Field(default_factory=dict)
    reranker: str | None = None
    notes: list[str] = Field(default_factory=list)
    timings_ms: dict[str, float] = Field(default_factory=dict)
