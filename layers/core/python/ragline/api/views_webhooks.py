"""Webhooks as the API shows them, and documents as events and messages tell of them."""

from __future__ import annotations

from collections.abc import Sequence

from ragline.api import schemas, views
from ragline.domain.changes import Change
from ragline.domain.webhooks import Undelivered, Webhook
from ragline.usecases.notify import Texts
from ragline.usecases.webhooks import WithSecret


def webhook(found: Webhook) -> schemas.webhooks.WebhookView:
    return schemas.webhooks.WebhookView(
        webhook_id=found.webhook_id,
        url=found.url,
        collections=None if found.collections is None else sorted(found.collections),
        statuses=sorted(found.statuses),
        created_at=found.created_at,
        disabled=found.disabled or None,
    )


def webhook_created(made: WithSecret) -> schemas.webhooks.WebhookCreated:
    shown = webhook(made.webhook).model_dump()
    return schemas.webhooks.WebhookCreated(**shown, secret=made.secret)


def webhook_detail(
    found: Webhook, letters: Sequence[Undelivered]
) -> schemas.webhooks.WebhookDetail:
    undelivered = [
        schemas.webhooks.UndeliveredView(
            event_id=one.delivery.event_id,
            event_time=one.delivery.event_time,
            why=one.why,
            attempts=one.attempts,
            at=one.at,
        )
        for one in letters
    ]
    return schemas.webhooks.WebhookDetail(**webhook(found).model_dump(), undelivered=undelivered)


def event(change: Change) -> schemas.webhooks.EventView:
    return schemas.webhooks.EventView(
        event_id=change.event_id,
        type=change.kind,
        time=change.document.updated_at,
        tenant=change.document.partition.tenant,
        document=views.document(change.document),
    )


def progress(change: Change) -> schemas.webhooks.ProgressMessage:
    shown = views.document(change.document)
    return schemas.webhooks.ProgressMessage(
        document_id=shown.document_id,
        collection=shown.collection,
        status=shown.status,
        generation=shown.generation,
        progress=shown.progress,
        updated_at=shown.updated_at,
        event_id=change.event_id if change.ended else None,
    )


TEXTS = Texts(
    event=lambda change: event(change).model_dump_json(),
    progress=lambda change: progress(change).model_dump_json(),
)
