"""Page-image analyses: a vision model answers a question about a document's pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from ragline.api import examples, schemas
from ragline.api import views_analyses as views
from ragline.api.dependencies import Dependencies, Deps, Tenant, TraceId
from ragline.api.openapi import answers, request
from ragline.api.routes_documents import Cursor, DocumentId
from ragline.domain.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    TooManyPages,
    UnsupportedType,
)
from ragline.domain.times import utc_now
from ragline.domain.usage import month_of
from ragline.prices import prices, token_prices
from ragline.usecases import analyses
from ragline.usecases.usage import cost_so_far

router = APIRouter(prefix="/api/v2/documents", tags=["analyses"])

AnalysisId = Annotated[
    str, Path(description="Opaque.", examples=[examples.ANALYSIS["analysis_id"]], max_length=64)
]


@router.post(
    "/{document_id}/analyses",
    status_code=202,
    summary="Ask a vision model about a document's pages",
    responses=answers(
        {202: ("Under way; follow its status.", examples.ANALYSIS_ACCEPTED)},
        InvalidRequest,
        NotFound,
        Conflict,
        QuotaExceeded,
        TooManyPages,
        UnsupportedType,
    ),
    openapi_extra=request(examples.ANALYSIS_BODY),
)
def create_analysis(
    document_id: DocumentId,
    body: schemas.analyses.AnalysisBody,
    deps: Deps,
    tenant: Tenant,
    trace_id: TraceId,
) -> schemas.analyses.AnalysisAccepted:
    """Each page is shown to the model as a picture, by itself. A conflict means that no model is
    deployed, that the document's bytes have not been read yet, or that no cap on cost can be kept.
    """
    question = analyses.Question(body.prompt, body.pages or (), body.max_cost)
    made = analyses.order(
        tenant,
        document_id,
        question,
        ledger=deps.ledger(),
        analyses=deps.analyses(),
        orders=deps.analysis_orders(),
        limits=_limits(deps),
        spent=lambda whose: _spent(whose, deps),
        now=utc_now(),
        trace_id=trace_id,
    )
    return views.accepted(made)


@router.get(
    "/{document_id}/analyses",
    summary="List a document's analyses",
    responses=answers({200: ("A page.", examples.ANALYSES)}, NotFound, InvalidRequest),
)
def list_analyses(
    document_id: DocumentId,
    deps: Deps,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100, examples=[20])] = 20,
    cursor: Cursor = None,
) -> schemas.analyses.AnalysisList:
    """Newest first, without their answers."""
    found = analyses.listed(
        tenant,
        document_id,
        ledger=deps.ledger(),
        analyses=deps.analyses(),
        limit=limit,
        cursor=cursor,
    )
    return views.page(found)


@router.get(
    "/{document_id}/analyses/{analysis_id}",
    summary="An analysis, and its answers so far",
    responses=answers({200: ("The analysis.", examples.ANALYSIS_DETAIL)}, NotFound, InvalidRequest),
)
def get_analysis(
    document_id: DocumentId, analysis_id: AnalysisId, deps: Deps, tenant: Tenant
) -> schemas.analyses.AnalysisDetail:
    found = analyses.find(
        tenant,
        document_id,
        analysis_id,
        ledger=deps.ledger(),
        analyses=deps.analyses(),
        now=utc_now(),
    )
    return views.detail(found)


@router.delete(
    "/{document_id}/analyses/{analysis_id}",
    status_code=204,
    summary="Delete an analysis, or stop it",
    responses={
        **answers({}, NotFound, InvalidRequest),
        204: {"description": "It is gone; no further page is asked about."},
    },
)
def delete_analysis(
    document_id: DocumentId, analysis_id: AnalysisId, deps: Deps, tenant: Tenant
) -> None:
    analyses.remove(
        tenant, document_id, analysis_id, ledger=deps.ledger(), analyses=deps.analyses()
    )


def _limits(deps: Dependencies) -> analyses.AnalysisLimits:
    known = deps.settings()
    deployed = bool(known.vision_model and known.analyses_queue_url)
    return analyses.AnalysisLimits(
        model=known.vision_model if deployed else "",
        prices=token_prices(known.vision_model, known.vision_prices),
        pages=known.max_analysis_pages,
        prompt_characters=known.max_prompt_characters,
        answer_tokens=known.max_answer_tokens,
    )


def _spent(tenant: str, deps: Dependencies) -> float:
    return cost_so_far(tenant, month_of(utc_now()), book=deps.usage_book(), prices=prices())
