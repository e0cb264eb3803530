"""Uploads in parts: URLs for the parts, what of them arrived, completing and giving up."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ragline.api import examples, schemas, views
from ragline.api.dependencies import Deps, Tenant
from ragline.api.openapi import answers, request
from ragline.api.routes_documents import DocumentId
from ragline.domain.errors import Conflict, InvalidRequest, NotFound
from ragline.usecases import multipart

router = APIRouter(prefix="/api/v2/documents/{document_id}", tags=["documents"])

OpenUpload = Annotated[
    str, Query(min_length=1, max_length=1_024, examples=[examples.MULTIPART["upload_id"]])
]


@router.post(
    "/parts",
    summary="Get URLs to upload parts to",
    responses=answers(
        {200: ("Now PUT each part to its URL, with its headers.", examples.PART_TARGETS)},
        InvalidRequest,
        NotFound,
    ),
    openapi_extra=request(examples.PARTS),
)
def sign_parts(
    document_id: DocumentId, body: schemas.uploads.PartsBody, deps: Deps, tenant: Tenant
) -> schemas.uploads.PartTargets:
    """At most 100 at a time. The size and the checksum of each part are signed."""
    checksums = {one.number: one.checksum for one in body.parts}
    if len(checksums) < len(body.parts):
        raise InvalidRequest("parts: one is there twice.")
    expires = deps.settings().upload_expires_seconds
    signed = multipart.sign_parts(
        tenant,
        document_id,
        body.upload_id,
        checksums,
        ledger=deps.ledger(),
        objects=deps.objects(),
        expires=expires,
    )
    return schemas.uploads.PartTargets(
        document_id=document_id,
        upload_id=body.upload_id,
        parts=[
            schemas.uploads.PartTarget(
                number=one.number, size=one.size, url=one.url, headers=dict(one.headers)
            )
            for one in signed
        ],
        expires_in=expires,
    )


@router.get(
    "/parts",
    summary="What of an upload in parts has arrived",
    responses=answers({200: ("The parts there are.", examples.ARRIVED)}, InvalidRequest, NotFound),
)
def list_parts(
    document_id: DocumentId, upload_id: OpenUpload, deps: Deps, tenant: Tenant
) -> schemas.uploads.ArrivedParts:
    upload, there = multipart.arrived(
        tenant, document_id, upload_id, ledger=deps.ledger(), objects=deps.objects()
    )
    return schemas.uploads.ArrivedParts(
        document_id=document_id,
        upload_id=upload_id,
        size=upload.size,
        part_size=upload.part_size,
        parts=upload.parts,
        arrived=[
            schemas.uploads.ArrivedPart(
                number=one.number, size=one.size, checksum=one.checksum or None
            )
            for one in there
        ],
    )


@router.post(
    "/complete",
    status_code=202,
    summary="Complete an upload in parts",
    responses=answers(
        {202: ("The parts are one file; follow the document.", examples.DOCUMENT)},
        InvalidRequest,
        NotFound,
        Conflict,
    ),
    openapi_extra=request(examples.COMPLETE),
)
def complete_upload(
    document_id: DocumentId, body: schemas.uploads.CompleteBody, deps: Deps, tenant: Tenant
) -> schemas.documents.DocumentView:
    """Refused while parts are missing; the detail names them."""
    done = multipart.complete(
        tenant, document_id, body.upload_id, ledger=deps.ledger(), objects=deps.objects()
    )
    return views.document(done)


@router.delete(
    "/parts",
    status_code=204,
    summary="Give up an upload in parts",
    responses={
        **answers({}, InvalidRequest, NotFound),
        204: {"description": "Its parts are deleted; the document stays as it is."},
    },
)
def abort_upload(
    document_id: DocumentId, upload_id: OpenUpload, deps: Deps, tenant: Tenant
) -> None:
    multipart.abort(tenant, document_id, upload_id, ledger=deps.ledger(), objects=deps.objects())
