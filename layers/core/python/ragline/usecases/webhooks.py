"""Webhooks of a tenant: registered, listed, rotated, redriven, removed."""

from __future__ import annotations

import secrets as random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ragline.domain.documents import Status, check_name
from ragline.domain.errors import Conflict, InvalidRequest, NotFound
from ragline.domain.times import iso
from ragline.domain.webhooks import (
    DEFAULT_STATUSES,
    MAX_WEBHOOKS,
    ROTATION_HOURS,
    SigningSecrets,
    Undelivered,
    Webhook,
)
from ragline.ports import Deliveries, Receivers, Webhooks, WebhookSecrets

MAX_COLLECTIONS = 100
"""That one webhook names."""

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class WithSecret:
    """A webhook and what its events are signed with, which is shown only now."""

    webhook: Webhook
    secret: str = field(repr=False)


def register(
    tenant: str,
    url: str,
    *,
    collections: Collection[str] | None = None,
    statuses: Collection[Status] | None = None,
    webhooks: Webhooks,
    secrets: WebhookSecrets,
    receivers: Receivers,
    now: datetime,
) -> WithSecret:
    """A new webhook of the tenant.

    Raises:
        InvalidRequest: we would not send to this URL, or a filter is wrong; says which.
        Conflict: the tenant has as many as it may have.
    """
    if collections is not None and len(collections) > MAX_COLLECTIONS:
        raise InvalidRequest(f"collections: name at most {MAX_COLLECTIONS}, or leave it out.")
    names = None if collections is None else [check_name(n, "collection") for n in collections]
    wanted = DEFAULT_STATUSES if statuses is None else frozenset(statuses)
    if not wanted or not wanted <= DEFAULT_STATUSES:
        allowed = ", ".join(sorted(DEFAULT_STATUSES))
        raise InvalidRequest(f"statuses: name at least one; those that end a document: {allowed}.")
    receivers.check(url)
    if len(webhooks.of(tenant)) >= MAX_WEBHOOKS:
        raise Conflict(f"a tenant has at most {MAX_WEBHOOKS} webhooks: delete one first.")
    made = Webhook(
        tenant,
        f"wh_{random.token_hex(10)}",
        url,
        iso(now),
        None if names is None else frozenset(names),
        wanted,
    )
    secret = _new_secret()
    # The secret first: a webhook without one could not be sent anything.
    secrets.put(tenant, made.webhook_id, SigningSecrets(secret))
    webhooks.put(made)
    return WithSecret(made, secret)


def get(tenant: str, webhook_id: str, *, webhooks: Webhooks) -> Webhook:
    """Raises:
    NotFound: the tenant has no such webhook.
    """
    found = webhooks.get(tenant, webhook_id)
    if found is None:
        raise NotFound(f"there is no webhook {webhook_id[:80]!r}.")
    return found


def chosen(tenant: str, webhook_id: str, *, webhooks: Webhooks) -> str:
    """The id of a webhook that a document names.

    Raises:
        InvalidRequest: the tenant has no such webhook.
    """
    if webhooks.get(tenant, webhook_id) is None:
        raise InvalidRequest("webhook: give the id of one that is registered.")
    return webhook_id


def rotate(
    tenant: str, webhook_id: str, *, webhooks: Webhooks, secrets: WebhookSecrets, now: datetime
) -> WithSecret:
    """A new secret; for ``ROTATION_HOURS`` events are signed with the one before it as well.

    Raises:
        NotFound: the tenant has no such webhook.
    """
    webhook = get(tenant, webhook_id, webhooks=webhooks)
    before = secrets.get(tenant, webhook_id)
    secret, until = _new_secret(), iso(now + timedelta(hours=ROTATION_HOURS))
    secrets.put(tenant, webhook_id, SigningSecrets(secret, before.current, until))
    return WithSecret(webhook, secret)


def remove(tenant: str, webhook_id: str, *, webhooks: Webhooks, secrets: WebhookSecrets) -> None:
    """Raises:
    NotFound: the tenant has no such webhook.
    """
    get(tenant, webhook_id, webhooks=webhooks)
    # The secret first: what crashes between leaves a webhook that can be removed again.
    secrets.remove(tenant, webhook_id)
    webhooks.remove(tenant, webhook_id)


def redrive(
    tenant: str, webhook_id: str, *, webhooks: Webhooks, deliveries: Deliveries
) -> Sequence[Undelivered]:
    """Send again what the webhook could not be told; each is forgotten once it is delivered.

    Raises:
        NotFound: the tenant has no such webhook.
        Conflict: it is disabled.
    """
    webhook = get(tenant, webhook_id, webhooks=webhooks)
    if webhook.disabled:
        raise Conflict(f"webhook {webhook_id} is disabled: {webhook.disabled}. Register it anew.")
    found = webhooks.undelivered(tenant, webhook_id)
    if found:
        again = [one.delivery.model_copy(update={"redriven": True}) for one in reversed(found)]
        deliveries.send(again)
    return found


def _new_secret() -> str:
    return "whsec_" + random.token_urlsafe(SECRET_BYTES)
