"""Search."""

from __future__ import annotations

from fastapi import APIRouter

from ragline.api import examples, schemas, views
from ragline.api.dependencies import Deps, Tenant, partition
from ragline.api.openapi import answers, request
from ragline.domain.chunks import Filter
from ragline.domain.errors import InvalidRequest, TooLarge, UnknownField
from ragline.domain.metadata import check_metadata
from ragline.usecases.search import SearchRequest, search

router = APIRouter(prefix="/api/v2", tags=["search"])


@router.post(
    "/query",
    summary="Find passages by meaning and by keyword",
    responses=answers(
        {200: ("The best passages, best first.", examples.ANSWER)},
        InvalidRequest,
        UnknownField,
        TooLarge,
    ),
    openapi_extra=request(examples.QUERY),
)
def query(body: schemas.QueryBody, deps: Deps, tenant: Tenant) -> schemas.QueryAnswer:
    """Only what is live is found: a deleted or replaced version is gone at once."""
    asked = SearchRequest(
        partition=partition(tenant, body.collection),
        query=body.asked,
        limit=body.top_k,
        mode=body.mode,
        where=_filter(body.filters),
        weights=(body.weights.dense, body.weights.bm25),
    )
    result = search(asked, embedder=deps.embedder(), index=deps.index(), ledger=deps.ledger())
    return views.answer(result, explain=body.explain)


def _filter(filters: schemas.Filters) -> Filter:
    ids = [*filters.document_ids, *([filters.document_id] if filters.document_id else [])]
    return Filter(
        document_ids=ids,
        metadata=check_metadata(filters.metadata),
        page_from=filters.page.first,
        page_to=filters.page.last,
    )
