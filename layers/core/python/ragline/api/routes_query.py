"""Search."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from fastapi import APIRouter

from ragline.api import examples, schemas, views
from ragline.api.dependencies import Dependencies, Deps, OnSearch, Tenant, partition
from ragline.api.openapi import answers, request
from ragline.domain.chunks import Filter
from ragline.domain.documents import Partition
from ragline.domain.errors import (
    InvalidRequest,
    ModelMismatch,
    TooLarge,
    TransientError,
    UnknownField,
)
from ragline.domain.metadata import check_metadata
from ragline.ports import Reranker
from ragline.usecases.highlight import highlight
from ragline.usecases.models import check_model
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
        ModelMismatch,
    ),
    openapi_extra=request(examples.QUERY),
)
def query(
    body: schemas.queries.QueryBody, deps: Deps, tenant: Tenant, on_search: OnSearch
) -> schemas.queries.QueryAnswer:
    """Only what is live is found: a deleted or replaced version is gone at once."""
    asked = SearchRequest(
        partition=partition(tenant, body.collection),
        query=body.asked,
        limit=body.top_k,
        mode=body.mode,
        where=_filter(body.filters),
        weights=(body.weights.dense, body.weights.bm25),
    )
    result = search(
        asked,
        embedder=deps.embedder(),
        index=deps.index(),
        ledger=deps.ledger(),
        reranker=_reranker(body.rerank, deps),
        objects=deps.objects,
    )
    on_search(result)
    if not any(result.legs.values()) and body.filters == schemas.queries.Filters():
        _check_model(asked.partition, deps)
    seen = highlight(body.asked, [hit.passage.chunk for hit in result.hits])
    return views.answer(result, seen, explain=body.explain)


def _check_model(asked: Partition, deps: Dependencies) -> None:
    """As ``check_model``; the empty answer stands where the rows cannot be counted just now."""
    with suppress(TransientError):
        check_model(asked, deps.embedder().fingerprint, indexes=deps.indexes())


def _reranker(wanted: bool, deps: Dependencies) -> Reranker | None:
    """What the deployment has; it is not even loaded for a query that wants none."""
    reranker = deps.reranker() if wanted else None
    if wanted and reranker is None:
        raise InvalidRequest(
            "rerank: this deployment has no reranker. Leave it out, or deploy with RERANKER set to "
            "late-interaction, cross-encoder or bedrock."
        )
    return reranker


def _filter(filters: schemas.queries.Filters) -> Filter:
    return Filter(
        document_ids=_documents(filters),
        metadata=check_metadata(filters.metadata),
        page_from=filters.page.first,
        page_to=filters.page.last,
    )


def _documents(filters: schemas.queries.Filters) -> Sequence[str] | None:
    """The one document, if it is among those allowed; None if any is."""
    one, allowed = filters.document_id, filters.document_ids
    if one is None:
        return allowed
    return [one] if allowed is None or one in allowed else []
