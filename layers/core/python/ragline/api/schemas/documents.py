"""Documents: registering and uploading them, where they stand, their chunks and failures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from ragline.api.schemas.fields import (
    Body,
    Metadata,
    Parent,
    ParentFilename,
    Password,
    PathInParent,
    Text,
)
from ragline.api.schemas.uploads import UploadTarget
from ragline.domain.documents import Scalar, Status


class RegisterBody(Body):
    """A document to come."""

    filename: Text = Field(description="Its last path component is kept.")
    size: int = Field(description="In bytes; the upload must have exactly this many.")
    content_type: str = Field("", description="Media type; the upload must carry the same.")
    collection: str = "default"
    metadata: Metadata = Field(default_factory=dict, description="What queries may filter by.")
    checksum: str = Field(
        "",
        description="SHA-256 in hexadecimal. With it, bytes that the collection already holds are "
        "not taken again.",
    )
    document_id: str = Field(
        "", description="Your own id, or none for a new one. A known id replaces its bytes."
    )
    webhook: str = Field(
        "",
        max_length=128,
        description="The id of a webhook that is told of this document, whatever collections it "
        "was registered for. Bytes that are known already keep what they came with.",
    )
    password: Password = SecretStr("")
    allow_duplicate: bool = Field(
        False, description="Take the bytes even if another document of the collection has them."
    )
    upload: Literal["auto", "put", "post", "multipart"] = Field(
        "auto",
        description="How the bytes will be brought. By itself one PUT, or in parts above 100 MB.",
    )


JobId = Annotated[str, Field(description="In this version the same as document_id.")]


class RegisteredView(BaseModel):
    document_id: str
    job_id: JobId
    status: Status
    duplicate: bool = Field(
        description="These bytes were brought before, as this document. It still has an `upload` "
        "if they never arrived."
    )
    upload: UploadTarget | None = None


class Accepted(BaseModel):
    """The bytes are stored; follow the status of the job."""

    job_id: JobId
    document_id: str
    status: Literal["accepted"] = "accepted"
    duplicate: Literal[True] | None = Field(
        None, description="Only there if these bytes were brought before, as this document."
    )


class PagesView(BaseModel):
    """What became of the pages read, each counted once."""

    text: int = Field(description="Pages with a text layer.")
    ocr: int = Field(description="Pictures whose text was recognised.")
    image: int = Field(description="Pictures in which no text was found.")
    blank: int = Field(description="Pages with nothing on them.")
    failed: int = Field(description="Pages that could not be read.")


class ProgressView(BaseModel):
    """Counts of the generation being worked on.

    `chunks_total` grows until all pages are read. Each chunk is counted once: as embedded (and
    not yet indexed), indexed or failed; the rest wait.
    """

    percent: str = Field(description="'0%' to '100%'; 100% only when the document is done.")
    pages_total: int = Field(description="0 where the format has no pages.")
    pages_done: int
    pages: PagesView
    coverage: float | None = Field(
        description="The share, 0 to 1, of pages with anything on them whose text is known; null "
        "where there are none."
    )
    chunks_total: int
    embedded: int
    indexed: int
    failed: int


class ReasonView(BaseModel):
    """Why something failed, and where: `page` counts from 1, `chunk` is an ordinal."""

    code: str
    message: str
    stage: str
    page: int | None = None
    chunk: int | None = None


class DocumentView(BaseModel):
    document_id: str
    job_id: JobId
    collection: str
    filename: str
    content_type: str
    size: int
    checksum: str
    metadata: dict[str, Scalar]
    parent: Parent = None
    parent_filename: ParentFilename = None
    path_in_parent: PathInParent = None
    children: int = Field(
        0,
        description="How many files came in it (an archive's, a mail's). Each is a document of its "
        "own, see `GET /documents?parent=`, or named among the failures of this one.",
    )
    status: Status
    progress: ProgressView
    generation: int = Field(description="The version being worked on; 0 before the upload.")
    live_generation: int = Field(description="The version that queries see; 0 for none.")
    reason: ReasonView | None = Field(description="Why it failed, or failed in part.")
    advice: str | None = Field(
        description="What to do about it, where we know; or that an older version still answers."
    )
    timings: dict[str, str] = Field(description="When each stage was reached.")
    trace_id: str | None = Field(
        default=None, description="Finds what every function logged of this version."
    )
    created_at: str
    updated_at: str


class DocumentList(BaseModel):
    """Newest first. A page may hold fewer than `limit`; it is the last one if `cursor` is null."""

    documents: list[DocumentView]
    cursor: str | None = None


class Span(BaseModel):
    """Character offsets into the extracted text of the document (or its page range)."""

    start: int
    end: int


class ChunkView(BaseModel):
    chunk_id: str
    ordinal: int
    text: str
    tokens: int
    page: int | None
    page_end: int | None
    headings: list[str]
    span: Span


class ChunkList(BaseModel):
    document_id: str
    generation: int = Field(description="The one that queries see; 0, and no chunks, for none.")
    chunks: list[ChunkView]
    cursor: str | None = None


class FailureView(BaseModel):
    generation: int
    reason: ReasonView
    attempts: int
    first: str
    last: str


class FailedChunks(BaseModel):
    """`count` consecutive chunks, from ordinal `first` on, that failed with one `code`."""

    first: int
    count: int
    code: str


class FailureList(BaseModel):
    """`failures` is the history of all versions; `failed_chunks` is how things stand now."""

    document_id: str
    failures: list[FailureView] = Field(description="The newest version's first; at most 1,000.")
    failed_chunks: list[FailedChunks] = Field(
        description="Chunks of the version being worked on that failed; at most 1,000 runs."
    )
    failed_chunks_cut: bool = Field(description="Whether there are more runs than these.")
