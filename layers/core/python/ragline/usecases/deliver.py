"""Delivering one event to one webhook: signed, and again later if that may help."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ragline.domain.errors import InvalidRequest
from ragline.domain.signatures import ATTEMPT_HEADER, EVENT_HEADER, HEADER, sign
from ragline.domain.times import iso
from ragline.domain.webhooks import Delivery, Undelivered, wait_seconds
from ragline.ports import Answer, Receivers, Webhooks, WebhookSecrets

GONE = 410
_AGAIN = frozenset({0, 408, 425, 429})
"""Besides 5xx: what another attempt may mend. 0: no answer came."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt; ``wait`` is how many seconds to the next one, if it is ``again``.

    ``dropped``: the webhook is deleted or disabled. ``given_up``: it is on record, to be redriven.
    """

    kind: Literal["delivered", "again", "given_up", "dropped"]
    wait: int = 0
    why: str = ""


def deliver(
    delivery: Delivery,
    attempt: int,
    *,
    webhooks: Webhooks,
    secrets: WebhookSecrets,
    receivers: Receivers,
    now: datetime,
) -> Outcome:
    """Make attempt number ``attempt``, counted from 1."""
    webhook = webhooks.get(delivery.tenant, delivery.webhook_id)
    if webhook is None or webhook.disabled:
        return Outcome("dropped")
    good = secrets.get(delivery.tenant, delivery.webhook_id).good(iso(now))
    headers = {
        HEADER: sign(delivery.body, good, int(now.timestamp())),
        EVENT_HEADER: delivery.event_id,
        ATTEMPT_HEADER: str(attempt),
    }
    try:
        answer = receivers.post(webhook.url, delivery.body, headers)
    except InvalidRequest as error:
        return give_up(delivery, str(error), attempt, webhooks=webhooks, now=now)
    if 200 <= answer.status < 300:
        if delivery.redriven:
            webhooks.delivered(delivery)
        return Outcome("delivered")
    why = f"it answered {answer.status}" if answer.status else answer.trouble
    if answer.status == GONE:
        webhooks.disable(
            delivery.tenant, delivery.webhook_id, f"{why}, which means gone, {iso(now)}"
        )
    wait = _wait(answer, attempt)
    if wait is None:
        return give_up(delivery, why, attempt, webhooks=webhooks, now=now)
    return Outcome("again", wait, why)


def give_up(
    delivery: Delivery, why: str, attempts: int, *, webhooks: Webhooks, now: datetime
) -> Outcome:
    """Put it on record, if there still is such a webhook."""
    if webhooks.get(delivery.tenant, delivery.webhook_id) is None:
        return Outcome("dropped")
    webhooks.keep(Undelivered(delivery, why, attempts, iso(now)))
    return Outcome("given_up", why=why)


def _wait(answer: Answer, attempt: int) -> int | None:
    if answer.status in _AGAIN or answer.status >= 500:
        return wait_seconds(attempt, answer.retry_after)
    return None
