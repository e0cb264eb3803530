"""Questions and their hits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from ragline.api.schemas.documents import Span
from ragline.api.schemas.fields import (
    Body,
    Metadata,
    Parent,
    ParentFilename,
    PathInParent,
    Text,
)
from ragline.domain.documents import Scalar

LAST_PAGE = 1_000_000
"""More than any document may have, and a number that every index can compare."""

DocumentId = Annotated[str, Field(min_length=1, max_length=128)]
"""No id is longer. What looks like none is no error: no document has it, so nothing is found."""


class Pages(Body):
    """Pages from 1, both ends included; either may be left out."""

    first: int | None = Field(None, alias="from", ge=1, le=LAST_PAGE)
    last: int | None = Field(None, alias="to", ge=1, le=LAST_PAGE)

    @model_validator(mode="after")
    def _in_order(self) -> Pages:
        if self.first is not None and self.last is not None and self.first > self.last:
            raise ValueError("'from' is after 'to'")
        return self


class Filters(Body):
    """Every condition given must hold."""

    document_id: DocumentId | None = None
    document_ids: list[DocumentId] | None = Field(
        None,
        max_length=100,
        description="Only these. An empty list is none of them, so nothing is found; leave it out "
        "to search all.",
    )
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


class Ordinals(BaseModel):
    """Both included."""

    first: int
    last: int


class SectionView(BaseModel):
    """What stands around the hit, below its heading."""

    text: str | None = Field(
        description="null where a better hit is of the same section: `carried_by` names it."
    )
    carried_by: str = Field(description="The chunk_id of the hit that has the text.")
    ordinals: Ordinals
    page: int | None
    page_end: int | None


class HitView(BaseModel):
    rank: int
    score: float = Field(
        description="How far the hit stands above the query's other candidates (below: negative), "
        "so comparable within this answer only; 0 where there is nothing to compare it with."
    )
    text: str
    document_id: str
    chunk_id: str
    ordinal: int
    filename: str
    parent: Parent = None
    parent_filename: ParentFilename = None
    path_in_parent: PathInParent = None
    page: int | None
    page_end: int | None
    headings: list[str]
    span: Span
    metadata: dict[str, Scalar]
    snippet: SnippetView
    section: SectionView | None = Field(
        None,
        description="Of collections that are cut as `parent_child`, of the first 20 hits; else "
        "null.",
    )
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
