"""Webhooks, and tickets for WebSocket connections."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from ragline.api import examples, schemas
from ragline.api import views_webhooks as views
from ragline.api.dependencies import Caller, Deps, Tenant
from ragline.api.openapi import answers, request
from ragline.domain.connections import TICKET_SECONDS
from ragline.domain.errors import Conflict, InvalidRequest, NotFound
from ragline.domain.times import utc_now
from ragline.usecases import tickets, webhooks

router = APIRouter(prefix="/api/v2", tags=["webhooks"])

WebhookId = Annotated[
    str, Path(description="Opaque.", examples=[examples.WEBHOOK["webhook_id"]], max_length=128)
]


@router.post(
    "/webhooks",
    status_code=201,
    summary="Register a webhook",
    responses=answers(
        {201: ("Keep `secret`: it is shown once.", examples.WEBHOOK_CREATED)},
        InvalidRequest,
        Conflict,
    ),
    openapi_extra=request(examples.WEBHOOK_BODY),
)
def create_webhook(
    body: schemas.webhooks.WebhookBody, deps: Deps, tenant: Tenant
) -> schemas.webhooks.WebhookCreated:
    """It is told of every document that ends from now on. How to verify what comes, and how often
    it is tried: docs/push.md."""
    made = webhooks.register(
        tenant,
        body.url,
        collections=body.collections,
        statuses=body.statuses,
        webhooks=deps.webhooks(),
        secrets=deps.webhook_secrets(),
        receivers=deps.receivers(),
        now=utc_now(),
    )
    return views.webhook_created(made)


@router.get(
    "/webhooks",
    summary="List the webhooks",
    responses=answers({200: ("All of them.", examples.WEBHOOKS)}),
)
def list_webhooks(deps: Deps, tenant: Tenant) -> schemas.webhooks.WebhookList:
    found = deps.webhooks().of(tenant)
    return schemas.webhooks.WebhookList(webhooks=[views.webhook(one) for one in found])


@router.get(
    "/webhooks/{webhook_id}",
    summary="A webhook, and what it could not be told",
    responses=answers({200: ("The webhook.", examples.WEBHOOK_DETAIL)}, NotFound, InvalidRequest),
)
def get_webhook(
    webhook_id: WebhookId, deps: Deps, tenant: Tenant
) -> schemas.webhooks.WebhookDetail:
    known = deps.webhooks()
    found = webhooks.get(tenant, webhook_id, webhooks=known)
    return views.webhook_detail(found, known.undelivered(tenant, webhook_id))


@router.delete(
    "/webhooks/{webhook_id}",
    status_code=204,
    summary="Delete a webhook",
    responses={
        **answers({}, NotFound, InvalidRequest),
        204: {"description": "Nothing more is sent to it."},
    },
)
def delete_webhook(webhook_id: WebhookId, deps: Deps, tenant: Tenant) -> None:
    webhooks.remove(tenant, webhook_id, webhooks=deps.webhooks(), secrets=deps.webhook_secrets())


@router.post(
    "/webhooks/{webhook_id}/rotate",
    summary="Give a webhook a new secret",
    responses=answers(
        {200: ("Keep `secret`: it is shown once.", examples.WEBHOOK_CREATED)},
        NotFound,
        InvalidRequest,
    ),
)
def rotate_webhook(
    webhook_id: WebhookId, deps: Deps, tenant: Tenant
) -> schemas.webhooks.WebhookCreated:
    """For 24 hours what is sent is signed with the secret before it, too."""
    made = webhooks.rotate(
        tenant,
        webhook_id,
        webhooks=deps.webhooks(),
        secrets=deps.webhook_secrets(),
        now=utc_now(),
    )
    return views.webhook_created(made)


@router.post(
    "/webhooks/{webhook_id}/redrive",
    status_code=202,
    summary="Send again what a webhook could not be told",
    responses=answers(
        {202: ("Under way again.", examples.WEBHOOK_REDRIVEN)},
        NotFound,
        Conflict,
        InvalidRequest,
    ),
)
def redrive_webhook(
    webhook_id: WebhookId, deps: Deps, tenant: Tenant
) -> schemas.webhooks.WebhookRedriven:
    """The newest 100 events, the oldest of them first; each is off the list once delivered."""
    sent = webhooks.redrive(
        tenant, webhook_id, webhooks=deps.webhooks(), deliveries=deps.deliveries()
    )
    return schemas.webhooks.WebhookRedriven(
        webhook_id=webhook_id, events=[one.delivery.event_id for one in sent]
    )


@router.post(
    "/tickets",
    status_code=201,
    summary="Get a ticket for a WebSocket connection",
    responses=answers({201: ("Use it at once.", examples.TICKET)}),
)
def create_ticket(deps: Deps, caller: Caller) -> schemas.webhooks.TicketView:
    """For browsers, which can set no header when they connect; others send their key."""
    ticket = tickets.issue(caller, tickets=deps.tickets())
    return schemas.webhooks.TicketView(ticket=ticket, expires_in=TICKET_SECONDS)
