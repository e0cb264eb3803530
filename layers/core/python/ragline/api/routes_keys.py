"""API keys of the caller's own tenant: made, listed, revoked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from ragline.api import examples, schemas
from ragline.api.dependencies import Deps, Tenant
from ragline.api.openapi import answers, request
from ragline.domain.access import KeyRecord
from ragline.domain.errors import InvalidRequest, NotFound
from ragline.domain.times import utc_now
from ragline.usecases import keys as usecase

router = APIRouter(prefix="/api/v2/keys", tags=["keys"])

KeyId = Annotated[str, Path(description="Opaque.", examples=[examples.KEY["key_id"]])]


@router.post(
    "",
    status_code=201,
    summary="Make an API key",
    responses=answers(
        {201: ("Keep `key`: it is shown once.", examples.KEY_CREATED)}, InvalidRequest
    ),
    openapi_extra=request(examples.KEY_BODY),
)
def create_key(body: schemas.keys.KeyBody, deps: Deps, tenant: Tenant) -> schemas.keys.KeyCreated:
    """What is kept of it is a hash. Limits of a tenant are set in AWS: docs/access.md."""
    made = usecase.create(
        tenant,
        body.role,
        body.name,
        keys=deps.keys(),
        now=utc_now(),
        days=body.expires_in_days,
    )
    return schemas.keys.KeyCreated(key=made.key, **_view(made.record).model_dump())


@router.get(
    "",
    summary="List the API keys",
    responses=answers(
        {200: ("Newest first; of those that are over, the newest 100.", examples.KEYS)}
    ),
)
def list_keys(deps: Deps, tenant: Tenant) -> schemas.keys.KeyList:
    found = usecase.listed(tenant, keys=deps.keys())
    return schemas.keys.KeyList(keys=[_view(one) for one in found])


@router.delete(
    "/{key_id}",
    status_code=204,
    summary="Revoke an API key",
    responses={
        **answers({}, NotFound),
        204: {"description": "It opens nothing any more, within 15 seconds."},
    },
)
def revoke_key(key_id: KeyId, deps: Deps, tenant: Tenant) -> None:
    """Revoking it again is no error. It may be the caller's own."""
    usecase.revoke(tenant, key_id, keys=deps.keys(), now=utc_now())


def _view(record: KeyRecord) -> schemas.keys.KeyView:
    return schemas.keys.KeyView(
        key_id=record.key_id,
        name=record.name,
        role=record.role,
        ends_with=record.hint,
        created_at=record.created_at,
        expires_at=record.expires_at or None,
        revoked_at=record.revoked_at or None,
    )
