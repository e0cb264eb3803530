"""What travels over HTTP: request bodies, which refuse unknown fields, and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from ragline.domain.documents import Scalar, Status


def _encodable(text: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("has half a surrogate pair: it is no text")
    return text


Text = Annotated[str, AfterValidator(_encodable)]

Metadata = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": 50,
            "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,63}$"},
            "additionalProperties": {"type": ["string", "number", "integer", "boolean"]},
        }
    ),
]
"""Checked by ``check_metadata``: its errors name the field and what is allowed."""


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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
    allow_duplicate: bool = Field(
        False, description="Take the bytes even if another document of the collection has them."
    )


class UploadTarget(BaseModel):
    """One PUT of exactly these bytes, with these headers. The URL is a secret while it lives."""

    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires_in: int = Field(description="Seconds.")


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


class ProgressView(BaseModel):
    """Counts of the generation being worked on.

    `chunks_total` grows until all pages are read. Each chunk is counted once: as embedded (and
    not yet indexed), indexed or failed; the rest wait.
    """

    percent: str = Field(description="'0%' to '100%'; 100% only when the document is done.")
    pages_total: int = Field(description="0 where the format has no pages.")
    pages_done: int
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
    status: Status
    progress: ProgressView
    generation: int = Field(description="The version being worked on; 0 before the upload.")
    live_generation: int = Field(description="The version that queries see; 0 for none.")
    reason: ReasonView | None = Field(description="Why it failed, or failed in part.")
    advice: str | None = Field(
        description="What to do about it, where we know; or that an older version still answers."
    )
    timings: dict[str, str] = Field(description="When each stage was reached.")
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


ErrorCode = Annotated[
    str,
    Field(
        pattern="^[a-z0-9_]{0,64}$",
        description="Try again only what failed with this code; empty for whatever failed.",
    ),
]
Force = Annotated[bool, Field(description="Also what failed for good, such as a corrupt file.")]


AfterRetry = Annotated[
    Status,
    Field(
        description="As it is now. Where the file is to be read as a new version, it stays as it "
        "was until that begins."
    ),
]


class RetryBody(Body):
    """All of it may be left out."""

    code: ErrorCode = ""
    force: Force = False


class RetriedView(BaseModel):
    """What is tried again; follow the document's status."""

    document_id: str
    status: AfterRetry
    chunks: int = Field(description="How many failed chunks are tried again.")
    split_again: bool = Field(description="Whether the file itself is read again.")


class RedriveBody(Body):
    """Which documents; every condition given must hold, and none at all means every failed or
    partial document of the tenant.
    """

    document_id: str = Field("", description="Just this one.")
    collection: str = Field("", description="Only documents of this collection.")
    code: ErrorCode = ""
    since: str | None = Field(
        None, description="Only documents that failed then or later; ISO 8601, included."
    )
    force: Force = False
    dry_run: bool = Field(False, description="Change nothing; tell what would be tried again.")
    limit: int = Field(20, ge=1, le=50, description="How many documents to look at at once.")
    cursor: str | None = Field(None, max_length=1_024, description="From the page before; opaque.")

    @model_validator(mode="after")
    def _one_has_no_pages(self) -> RedriveBody:
        if self.document_id and self.cursor is not None:
            raise ValueError("give either 'document_id' or 'cursor': one document is one page")
        return self


class RedrivenView(BaseModel):
    """One document: what is (in a dry run: would be) tried again, or why it was skipped."""

    document_id: str
    collection: str
    filename: str
    status: AfterRetry
    chunks: int = Field(description="How many failed chunks are tried again.")
    split_again: bool = Field(description="Whether the file itself is read again.")
    skipped: str | None = Field(description="Why nothing of it is tried again.")


class RedriveAnswer(BaseModel):
    """Those that failed first come first. A page may hold fewer than `limit`, even none; it is the
    last one if `cursor` is null. What fails once more while pages are read comes again at the end.
    """

    documents: list[RedrivenView]
    cursor: str | None = None


class Pages(Body):
    """Pages from 1, both ends included; either may be left out."""

    first: int | None = Field(None, alias="from", ge=1)
    last: int | None = Field(None, alias="to", ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Pages:
        if self.first is not None and self.last is not None and self.first > self.last:
            raise ValueError("'from' is after 'to'")
        return self


class Filters(Body):
    """Every condition given must hold."""

    document_id: str = ""
    document_ids: list[str] = Field(default_factory=list, max_length=100)
    metadata: Metadata = Field(default_factory=dict, description="Equal in value and type.")
    page: Pages = Field(default_factory=Pages)


class Weights(Body):
    """How much each leg counts in the fusion."""

    dense: float = Field(0.5, ge=0, le=1_000, allow_inf_nan=False)
    bm25: float = Field(0.5, ge=0, le=1_000, allow_inf_nan=False)


class QueryBody(Body):
    """A question, or some keywords."""

    question: Text | None = None
    query: Text | None = Field(None, description="Another name for `question`: give one of them.")
    collection: str = "default"
    top_k: int = Field(10, ge=1, le=100)
    mode: Literal["hybrid", "dense", "bm25"] = "hybrid"
    filters: Filters = Field(default_factory=Filters)
    weights: Weights = Field(default_factory=Weights)
    rerank: bool = Field(
        False,
        description="Have a model read the question and the best passages together: finer, and "
        "some tenths of a second slower. Refused where the deployment has no such model.",
    )
    explain: bool = Field(
        False,
        description="Tell of each hit its rank and score in each leg and in reranking, the words "
        "of the question that it holds, and where.",
    )

    @model_validator(mode="after")
    def _one_question(self) -> QueryBody:
        if (self.question is None) == (self.query is None):
            raise ValueError("give either 'question' or 'query'")
        return self

    @property
    def asked(self) -> str:
        return self.question if self.question is not None else self.query or ""


class LegView(BaseModel):
    """Where one leg, or the reranker, put the hit; the score is its own (cosine, BM25, …)."""

    rank: int
    score: float


class Mark(BaseModel):
    """From `start` up to `end`, in Unicode code points from the beginning of the marked text."""

    start: int
    end: int


class SnippetView(BaseModel):
    """The lines of the passage that hold most of the question's words, or else its first ones.

    `text` is what stands in the hit's `text` from `start` up to `end`, at most 240 characters, and
    neither begins nor ends with a space. Put an ellipsis before it if `start` > 0, and after it if
    `end` is less than the length of the hit's `text`.
    """

    text: str
    start: int
    end: int
    highlights: list[Mark] = Field(description="The question's words in this snippet's `text`.")


class HitView(BaseModel):
    rank: int
    score: float = Field(description="Comparable within this answer only.")
    text: str
    document_id: str
    chunk_id: str
    ordinal: int
    filename: str
    page: int | None
    page_end: int | None
    headings: list[str]
    span: Span
    metadata: dict[str, Scalar]
    snippet: SnippetView
    legs: dict[str, LegView] | None = Field(
        None, description="Only with `explain`: of the legs that found it."
    )
    rerank: LegView | None = Field(
        None, description="Only with `explain`: where the reranker put it, if it read it."
    )
    matched_terms: list[str] | None = Field(
        None,
        description="Only with `explain`: the question's words that the passage, or else a heading "
        "above it, holds in some form, as the question has them; pieces of the question where a "
        "script puts no space between words.",
    )
    highlights: list[Mark] | None = Field(
        None, description="Only with `explain`: where they stand in `text`."
    )


class QueryAnswer(BaseModel):
    hits: list[HitView]
    legs: dict[str, int] = Field(
        description="How many candidates each leg returned; 0 for one that found nothing."
    )
    reranker: str | None = Field(description="What ordered the hits last; null if nothing did.")
    notes: list[str] = Field(
        description="Sentences for who asked: what this search could not do, and why."
    )
    timings_ms: dict[str, float]


class Health(BaseModel):
    status: Literal["ok"] = "ok"


State = Literal["ok", "unavailable", "misconfigured", "unchecked"]


class LedgerInfo(BaseModel):
    state: State


class IndexInfo(BaseModel):
    """Asked only for a `collection`: opening an index takes a while."""

    state: State
    rows: int | None = Field(
        None,
        description="Rows of the collection by the deployed model, those of old versions too.",
    )
    models: dict[str, int] | None = Field(
        None, description="Rows of the collection by each model that it was embedded by."
    )


class ModelInfo(BaseModel):
    state: State
    fingerprint: str | None = None
    precision: str | None = None
    dimensions: int | None = None


class Components(BaseModel):
    ledger: LedgerInfo
    index: IndexInfo
    model: ModelInfo


class LimitsInfo(BaseModel):
    max_file_bytes: int
    max_direct_upload_bytes: int
    max_pages: int
    max_chunks: int
    max_query_characters: int
    max_top_k: int


class Info(BaseModel):
    name: Literal["ragline"] = "ragline"
    version: str
    components: Components
    limits: LimitsInfo
