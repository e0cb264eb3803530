"""What failed, tried again: one document, or many."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from ragline.api import examples, schemas, views
from ragline.api.dependencies import Deps, Tenant
from ragline.api.openapi import answers, request
from ragline.api.routes_documents import DocumentId
from ragline.domain.documents import check_document_id, check_name
from ragline.domain.errors import Conflict, InvalidRequest, NotFound
from ragline.domain.times import check_time
from ragline.usecases.redrive import Selection, redrive
from ragline.usecases.retry import retry

router = APIRouter(prefix="/api/v2", tags=["failures"])


@router.post(
    "/documents/{document_id}/retry",
    status_code=202,
    summary="Try again what failed of a document",
    responses=answers(
        {202: ("Under way again; follow its status.", examples.RETRIED)},
        InvalidRequest,
        NotFound,
        Conflict,
    ),
    openapi_extra=request(examples.RETRY),
)
def retry_document(
    document_id: DocumentId,
    deps: Deps,
    tenant: Tenant,
    body: Annotated[schemas.retries.RetryBody | None, Body()] = None,
) -> schemas.retries.RetriedView:
    """Only what failed is done again, from what is stored. The body may be left out.

    A conflict means that nothing of it can be tried again as it is; the answer says why.
    """
    asked = body or schemas.retries.RetryBody()
    password = asked.password.get_secret_value()
    done = retry(
        tenant,
        document_id,
        ledger=deps.ledger(),
        objects=deps.objects(),
        queues=deps.queues(),
        code=asked.code,
        force=asked.force,
        password=password,
        passwords=deps.passwords() if password else None,
    )
    return views.retried(done)


@router.post(
    "/redrive",
    status_code=202,
    summary="Try again what failed of many documents, a page at a time",
    responses=answers(
        {
            202: ("Under way again, or skipped.", examples.REDRIVEN),
            200: ("Nothing was changed: a dry run, or none could be tried.", examples.REDRIVEN),
        },
        InvalidRequest,
        NotFound,
    ),
    openapi_extra=request(examples.REDRIVE),
)
def redrive_documents(
    body: schemas.retries.RedriveBody, deps: Deps, tenant: Tenant, response: Response
) -> schemas.retries.RedriveAnswer:
    """An empty body `{}` selects every failed or partial document of the tenant.

    Calling it again is safe: a document that is under way is not started twice.
    """
    page = redrive(
        tenant,
        _selection(body),
        ledger=deps.ledger(),
        objects=deps.objects(),
        queues=deps.queues(),
        force=body.force,
        dry_run=body.dry_run,
        limit=body.limit,
        cursor=body.cursor,
    )
    if body.dry_run or all(one.skipped for one in page.documents):
        response.status_code = 200
    return views.redriven(page)


def _selection(body: schemas.retries.RedriveBody) -> Selection:
    """Refuses what could only select nothing: a misspelt condition must not pass for none."""
    return Selection(
        document_id=check_document_id(body.document_id) if body.document_id else "",
        collection=check_name(body.collection, "collection") if body.collection else "",
        code=body.code,
        since=check_time(body.since, "since") if body.since is not None else None,
    )
