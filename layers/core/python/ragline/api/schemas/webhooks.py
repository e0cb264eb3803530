"""Webhooks and tickets, and what is told: events, and messages to WebSocket connections."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from ragline.api.schemas.documents import DocumentView, ProgressView
from ragline.api.schemas.fields import Body, Text
from ragline.domain.addresses import MAX_URL
from ragline.domain.documents import Status
from ragline.usecases.webhooks import MAX_COLLECTIONS

EVENT_VERSION: Literal[1] = 1


class WebhookBody(Body):
    """Who wants to hear, and of which documents."""

    url: Text = Field(
        max_length=MAX_URL, description="An https address on the public internet; POST is sent."
    )
    collections: list[str] | None = Field(
        None,
        max_length=MAX_COLLECTIONS,
        description="Only documents of these collections; null for those of every one.",
    )
    statuses: list[Status] | None = Field(
        None,
        min_length=1,
        max_length=len(Status),
        strict=False,
        description="Only these ends: indexed, partial, failed, empty, deleted; null for all.",
    )


class WebhookView(BaseModel):
    webhook_id: str
    url: str
    collections: list[str] | None
    statuses: list[Status]
    created_at: str
    disabled: str | None = Field(description="Why nothing is sent to it any more.")


class UndeliveredView(BaseModel):
    """An event that the webhook was not told of; it is kept for 30 days."""

    event_id: str
    event_time: str
    why: str
    attempts: int
    at: str = Field(description="When it was given up.")


class WebhookDetail(WebhookView):
    undelivered: list[UndeliveredView] = Field(description="The newest events first; at most 100.")


class WebhookCreated(WebhookView):
    """`secret` is shown only now: events are signed with it."""

    secret: str


class WebhookList(BaseModel):
    """Oldest first; a tenant has at most 20."""

    webhooks: list[WebhookView]


class WebhookRedriven(BaseModel):
    webhook_id: str
    events: list[str] = Field(description="The ids of the events that are sent again.")


class TicketView(BaseModel):
    """Good for one WebSocket connection, as `?ticket=`."""

    ticket: str
    expires_in: int = Field(description="Seconds.")


class EventView(BaseModel):
    """What webhooks and the event bus are told when a document ends. `document` is as
    `GET /api/v2/documents/{document_id}` shows it at that moment."""

    schema_version: Literal[1] = EVENT_VERSION
    event_id: str = Field(description="The same however often it is told: drop what you know.")
    type: str = Field(description="`document.` and the status.")
    time: str = Field(description="When the document came to this status.")
    tenant: str
    document: DocumentView


class ProgressMessage(BaseModel):
    """What connections that follow a document are told. Drop what is older than what you have, by
    `generation` and `updated_at`: messages may come twice, or in another order."""

    type: Literal["progress"] = "progress"
    document_id: str
    collection: str
    status: Status
    generation: int
    progress: ProgressView
    updated_at: str
    event_id: str | None = Field(description="That of the event, where the document has ended.")
