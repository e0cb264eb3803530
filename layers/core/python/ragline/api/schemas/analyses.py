"""Page-image analyses."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from ragline.api.schemas.documents import ReasonView
from ragline.api.schemas.fields import Body, Text
from ragline.domain.analyses import AnalysisStatus

MAX_PAGE = 999_999
MAX_COST = 10_000.0


class AnalysisBody(Body):
    """What is asked of the pages. Each page is shown to the model by itself."""

    prompt: Text = Field(min_length=1, max_length=100_000)
    pages: list[Annotated[int, Field(ge=1, le=MAX_PAGE)]] | None = Field(
        None,
        min_length=1,
        max_length=1_000,
        description="Which pages, from 1; null for every one, if they are not too many.",
    )
    max_cost: float | None = Field(
        None,
        gt=0,
        le=MAX_COST,
        allow_inf_nan=False,
        description="Dollars: a page that might pass it is not asked about. Null for no cap.",
    )


class AnalysisAccepted(BaseModel):
    analysis_id: str
    document_id: str
    status: AnalysisStatus


class TokensView(BaseModel):
    """As the model counts them."""

    input: int
    output: int


class PageAnswerView(BaseModel):
    """Of one page: the model's answer, or the reason why there is none."""

    page: int
    answer: str | None
    truncated: bool = Field(description="The model had more to say than it was allowed.")
    reason: ReasonView | None
    tokens: TokensView
    cost: float | None = Field(description="Dollars; null where the prices are not known.")


class AnalysisView(BaseModel):
    analysis_id: str
    document_id: str
    generation: int = Field(description="Of the document; it is about that one's bytes.")
    status: AnalysisStatus = Field(
        description="queued, rendering, analysing, then done (some page has an answer) or failed."
    )
    progress: str = Field(description="For people: 3 of 8 pages.")
    prompt: str
    model: str
    pages: list[int] | None = Field(description="Those that were asked for; null for every one.")
    pages_total: int | None = Field(description="How many that are; null until it is known.")
    pages_done: int
    pages_failed: int = Field(description="Of pages_done, those that have no answer.")
    tokens: TokensView
    cost: float | None = Field(description="Dollars so far; null where the prices are not known.")
    max_cost: float | None
    reason: ReasonView | None = Field(
        description="Why it failed, or, if it is done, why pages were left out."
    )
    advice: str | None
    created_at: str
    updated_at: str
    trace_id: str | None


class AnalysisDetail(AnalysisView):
    answers: list[PageAnswerView] = Field(description="By page, as far as they are there.")


class AnalysisList(BaseModel):
    """Newest first."""

    analyses: list[AnalysisView]
    cursor: str | None
