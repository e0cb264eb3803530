"""Webhooks: who wants to hear of which documents, and how often we try to tell."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ragline.domain.documents import Document, Status
from ragline.domain.errors import MalformedMessage

MAX_WEBHOOKS = 20
"""Of one tenant: each is a message for every document that ends."""

RETRY_SECONDS = (10, 60, 300, 900, 1_800, 3_600, 7_200, 10_800)
"""The longest wait after each attempt that failed; together just under seven hours."""

MAX_ATTEMPTS = len(RETRY_SECONDS) + 1

LONGEST_WAIT = 21_600
"""As long as a receiver may have us wait (Retry-After); no queue hides a message for over 12 h."""

ROTATION_HOURS = 24
"""How long the secret before the newest one is good for signing."""

KEPT_DAYS = 30
"""How long what could not be delivered is kept."""

DEFAULT_STATUSES = frozenset(
    {Status.INDEXED, Status.PARTIAL, Status.FAILED, Status.EMPTY, Status.DELETED}
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """``collections``: of which it hears; None for every one, empty for only those documents that
    name it themselves. ``disabled`` says why nothing is sent any more, '' while it is in use."""

    tenant: str
    webhook_id: str
    url: str
    created_at: str
    collections: frozenset[str] | None = None
    statuses: frozenset[Status] = DEFAULT_STATUSES
    disabled: str = ""

    def wants(self, document: Document) -> bool:
        """Whether it is told that this document of its tenant has ended as it has."""
        if self.disabled or document.status not in self.statuses:
            return False
        if self.collections is None or document.webhook == self.webhook_id:
            return True
        return document.partition.collection in self.collections


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """The newest secret, and the one before it, which is good until ``previous_until``."""

    current: str
    previous: str = ""
    previous_until: str = ""

    def good(self, now: str) -> tuple[str, ...]:
        if self.previous and now < self.previous_until:
            return (self.current, self.previous)
        return (self.current,)

    def __repr__(self) -> str:
        return "SigningSecrets(…)"


class Delivery(BaseModel):
    """Deliveries queue: one event for one webhook. ``body`` is what is sent, to the letter.

    ``redriven``: it was given up before, and is on record as long as it is not delivered.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1] = 1
    tenant: str
    webhook_id: str
    event_id: str
    event_time: str
    body: str
    redriven: bool = False


@dataclass(frozen=True, slots=True)
class Undelivered:
    """An event that a webhook was not told of; ``why`` holds nothing of what the receiver said."""

    delivery: Delivery
    why: str
    attempts: int
    at: str


def read_delivery(body: str) -> Delivery:
    """Parse a message of the Deliveries queue.

    Raises:
        MalformedMessage: it is none.
    """
    try:
        return Delivery.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise MalformedMessage(f"delivery not understood: {place}: {first['msg']}") from error


def wait_seconds(attempts: int, asked: int | None = None) -> int | None:
    """How long to wait after so many attempts; None for no more. ``asked``: by the receiver.

    Exponential with some jitter, so that receivers that come back are not met by all at once.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    longest = RETRY_SECONDS[max(attempts, 1) - 1]
    own = random.randint(longest * 3 // 4, longest)  # noqa: S311 - jitter, not a secret
    return max(own, min(asked or 0, LONGEST_WAIT))
