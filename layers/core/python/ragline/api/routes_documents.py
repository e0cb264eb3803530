"""Documents: brought, followed, read, deleted."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Path, Query, Request, Response, UploadFile

from ragline.api import examples, schemas, views
from ragline.api.boundary import MAX_FILE_BYTES, too_large_file
from ragline.api.dependencies import (
    DEFAULT_COLLECTION,
    Dependencies,
    Deps,
    Tenant,
    TraceId,
    partition,
)
from ragline.api.openapi import answers, request
from ragline.domain.documents import Status
from ragline.domain.errors import (
    Conflict,
    EmptyFile,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    QuotaExceeded,
    TooLarge,
)
from ragline.domain.times import utc_now
from ragline.domain.usage import month_of
from ragline.prices import prices
from ragline.usecases import documents, upload
from ragline.usecases.usage import cost_so_far
from ragline.usecases.webhooks import chosen

router = APIRouter(prefix="/api/v2/documents", tags=["documents"])

_EXAMPLE_ID = examples.DOCUMENT["document_id"]

DocumentId = Annotated[str, Path(description="Opaque.", examples=[_EXAMPLE_ID])]
JobId = Annotated[
    str, Path(description="In this version the same as document_id.", examples=[_EXAMPLE_ID])
]
Cursor = Annotated[
    str | None,
    Query(description="From the page before; opaque.", examples=["MToxNg"], max_length=1_024),
]


@router.post(
    "",
    status_code=201,
    summary="Register a document and get a URL to upload it to",
    responses=answers(
        {
            201: ("Now bring the bytes as `upload` says.", examples.REGISTERED),
            200: ("These bytes are known: `duplicate` is true.", examples.DUPLICATE),
        },
        InvalidRequest,
        EmptyFile,
        Conflict,
        QuotaExceeded,
        LimitExceeded,
        TooLarge,
    ),
    openapi_extra=request(examples.REGISTER),
)
def register(
    body: schemas.documents.RegisterBody,
    deps: Deps,
    tenant: Tenant,
    trace_id: TraceId,
    response: Response,
) -> schemas.documents.RegisteredView:
    """For files of any size. Processing starts by itself when the bytes have arrived."""
    asked = upload.UploadRequest(
        partition=partition(tenant, body.collection),
        filename=body.filename,
        size=body.size,
        content_type=body.content_type,
        metadata=body.metadata,
        checksum=body.checksum,
        document_id=body.document_id,
        allow_duplicate=body.allow_duplicate,
        way=upload.Way(body.upload),
        trace_id=trace_id,
        webhook=chosen(tenant, body.webhook, webhooks=deps.webhooks()) if body.webhook else "",
        password=body.password.get_secret_value(),
    )
    done = upload.register(
        asked,
        ledger=deps.ledger(),
        objects=deps.objects(),
        limits=_limits(deps),
        passwords=deps.passwords() if asked.password else None,
    )
    if done.duplicate:
        response.status_code = 200
    return views.registered(done)


async def _one_form(request: Request) -> None:
    """A form with a field twice, or one unknown, would otherwise lose it without a word."""
    form = await request.form()
    known = {"file", "collection", "metadata", "document_id", "allow_duplicate", "password"}
    for name in form:
        if name not in known:
            raise InvalidRequest(f"{name[:80]}: there is no such form field.")
        if len(form.getlist(name)) > 1:
            raise InvalidRequest(f"{name}: give it once; one request takes one file.")


@router.post(
    "/upload",
    status_code=202,
    summary="Upload a small document",
    response_model_exclude_none=True,
    dependencies=[Depends(_one_form)],
    responses=answers(
        {202: ("Stored; follow the job's status.", examples.ACCEPTED)},
        InvalidRequest,
        EmptyFile,
        Conflict,
        QuotaExceeded,
        TooLarge,
        LimitExceeded,
    ),
    openapi_extra=request(examples.UPLOAD, "multipart/form-data"),
)
def upload_directly(
    deps: Deps,
    tenant: Tenant,
    trace_id: TraceId,
    response: Response,
    file: Annotated[UploadFile, File(description=f"At most {MAX_FILE_BYTES:,} bytes.")],
    collection: Annotated[str, Form()] = DEFAULT_COLLECTION,
    metadata: Annotated[str, Form(description="A JSON object.")] = "{}",
    document_id: Annotated[str, Form(description="Your own id, or none.")] = "",
    allow_duplicate: Annotated[bool, Form()] = False,
    password: Annotated[str, Form(description="Opens the file, should it be encrypted.")] = "",
) -> schemas.documents.Accepted:
    """One request instead of two, for files of at most 4.5 MB."""
    data = file.file.read()
    if len(data) > MAX_FILE_BYTES:
        raise too_large_file()
    asked = upload.UploadRequest(
        partition=partition(tenant, collection),
        filename=file.filename or "",
        size=len(data),
        content_type=file.content_type or "",
        metadata=_json_object(metadata),
        document_id=document_id,
        allow_duplicate=allow_duplicate,
        trace_id=trace_id,
        password=password,
    )
    done = upload.store(
        asked,
        data,
        ledger=deps.ledger(),
        objects=deps.objects(),
        limits=_limits(deps),
        passwords=deps.passwords() if password else None,
    )
    return views.accepted(done)


@router.get(
    "",
    summary="List a collection's documents, newest first",
    responses=answers({200: ("A page of them.", examples.DOCUMENTS)}, InvalidRequest, NotFound),
)
def list_documents(
    deps: Deps,
    tenant: Tenant,
    collection: Annotated[str, Query(examples=["reports"])] = DEFAULT_COLLECTION,
    status: Annotated[Status | None, Query(examples=["indexed"])] = None,
    since: Annotated[
        str | None, Query(description="ISO 8601, included.", examples=["2026-01-31T12:00:00Z"])
    ] = None,
    until: Annotated[
        str | None, Query(description="ISO 8601, not included.", examples=["2026-02-01"])
    ] = None,
    parent: Annotated[
        str | None,
        Query(
            description="The files that came in this document, by path; only `limit` and `cursor` "
            "go with it.",
            examples=[_EXAMPLE_ID],
            max_length=128,
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, examples=[50])] = 50,
    cursor: Cursor = None,
) -> schemas.documents.DocumentList:
    if parent is not None:
        if status or since or until:
            raise InvalidRequest("parent: only limit and cursor go with it.")
        return views.listing(
            documents.children(tenant, parent, ledger=deps.ledger(), limit=limit, cursor=cursor)
        )
    page = deps.ledger().list(
        partition(tenant, collection),
        status=status,
        since=since,
        until=until,
        limit=limit,
        cursor=cursor,
    )
    return views.listing(page)


@router.get(
    "/status/{job_id}",
    summary="Follow a job",
    responses=answers({200: ("How far it is.", examples.DOCUMENT)}, NotFound),
)
def job_status(job_id: JobId, deps: Deps, tenant: Tenant) -> schemas.documents.DocumentView:
    return views.document(documents.get(tenant, job_id, ledger=deps.ledger()))


@router.get(
    "/{document_id}",
    summary="A document and how far it is",
    responses=answers({200: ("The document.", examples.DOCUMENT)}, NotFound),
)
def get_document(
    document_id: DocumentId, deps: Deps, tenant: Tenant
) -> schemas.documents.DocumentView:
    """A deleted document is still told of, with status `deleted`."""
    return views.document(documents.get(tenant, document_id, ledger=deps.ledger()))


@router.get(
    "/{document_id}/chunks",
    summary="The passages of a document",
    responses=answers({200: ("A page of them.", examples.CHUNKS)}, InvalidRequest, NotFound),
)
def list_chunks(
    document_id: DocumentId,
    deps: Deps,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=200, examples=[50])] = 50,
    cursor: Cursor = None,
) -> schemas.documents.ChunkList:
    """In reading order, of the version that queries see. Ordinals ascend; they may skip."""
    page = documents.chunks(
        tenant,
        document_id,
        ledger=deps.ledger(),
        objects=deps.objects(),
        limit=limit,
        cursor=cursor,
    )
    return schemas.documents.ChunkList(
        document_id=document_id,
        generation=page.generation,
        chunks=[views.chunk(document_id, page.generation, one) for one in page.chunks],
        cursor=page.cursor,
    )


@router.get(
    "/{document_id}/failures",
    summary="What went wrong with a document",
    responses=answers({200: ("What is on record.", examples.FAILURES)}, NotFound),
)
def list_failures(
    document_id: DocumentId, deps: Deps, tenant: Tenant
) -> schemas.documents.FailureList:
    ledger = deps.ledger()
    found = documents.failures(tenant, document_id, ledger=ledger)
    failed = documents.failed_chunks(tenant, document_id, ledger=ledger)
    return views.failures(document_id, found, failed)


@router.delete(
    "/{document_id}",
    status_code=204,
    summary="Delete a document",
    responses={
        **answers({}, NotFound),
        204: {"description": "It is gone from answers; its bytes follow."},
    },
)
def delete_document(document_id: DocumentId, deps: Deps, tenant: Tenant) -> None:
    """Deleting it again is no error, and mends a deletion that failed half way."""
    documents.delete(
        tenant,
        document_id,
        ledger=deps.ledger(),
        objects=deps.objects(),
        queues=deps.queues(),
    )


def _limits(deps: Dependencies) -> upload.Limits:
    settings = deps.settings()

    def spent(tenant: str) -> float:
        month = month_of(utc_now())
        return cost_so_far(tenant, month, book=deps.usage_book(), prices=prices())

    return upload.Limits(settings.max_file_bytes, settings.upload_expires_seconds, spent)


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidRequest('metadata: give a JSON object, such as {"year": 2025}.')
    return found
