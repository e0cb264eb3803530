"""Telling others what the ledger has written: the event bus, webhooks, WebSocket connections.

In this order, since a failure has the whole batch told again: the bus and the queue of deliveries
take a batch or raise, and what was told twice has the same event id. A connection that cannot be
reached fails nothing: it is cut, so that its client connects again and is told how things stand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ragline.domain.changes import Change, newest
from ragline.domain.connections import Topic, topics_of
from ragline.domain.errors import RaglineError
from ragline.domain.webhooks import Delivery, Webhook
from ragline.ports import Connections, Deliveries, EventBus, Sockets, Webhooks

Audience = Mapping[Topic, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Texts:
    """A change in JSON: as an event, and as a message to a connection that follows it."""

    event: Callable[[Change], str]
    progress: Callable[[Change], str]


@dataclass(frozen=True, slots=True)
class Told:
    """How many were told: endings, deliveries to webhooks, messages to connections."""

    ended: int = 0
    deliveries: int = 0
    messages: int = 0


def notify(
    changes: Sequence[Change],
    *,
    texts: Texts,
    bus: EventBus,
    webhooks: Webhooks,
    deliveries: Deliveries,
    connections: Connections,
    sockets: Sockets,
) -> Told:
    """Tell everyone who wants to hear of these changes, which are in their order."""
    ended = [change for change in changes if change.ended]
    if ended:
        bus.put(ended, texts.event)
    wanted = _deliveries(ended, webhooks, texts)
    if wanted:
        deliveries.send(wanted)
    by_tenant: dict[str, list[Change]] = defaultdict(list)
    for change in newest(changes):
        by_tenant[change.document.partition.tenant].append(change)
    messages = 0
    for tenant, some in by_tenant.items():
        audience = connections.audience(tenant)
        if audience:
            messages += _broadcast(some, audience, texts, connections, sockets)
    return Told(len(ended), len(wanted), messages)


def _deliveries(ended: Sequence[Change], webhooks: Webhooks, texts: Texts) -> list[Delivery]:
    known: dict[str, Sequence[Webhook]] = {}
    found = []
    for change in ended:
        tenant = change.document.partition.tenant
        if tenant not in known:
            known[tenant] = webhooks.of(tenant)
        listeners = [one for one in known[tenant] if one.wants(change.document)]
        body = texts.event(change) if listeners else ""
        found += [_delivery(one, change, body) for one in listeners]
    return found


def _delivery(webhook: Webhook, change: Change, body: str) -> Delivery:
    return Delivery(
        tenant=webhook.tenant,
        webhook_id=webhook.webhook_id,
        event_id=change.event_id,
        event_time=change.document.updated_at,
        body=body,
    )


def _broadcast(
    changes: Sequence[Change],
    audience: Audience,
    texts: Texts,
    connections: Connections,
    sockets: Sockets,
) -> int:
    """Tell the connections of one tenant; how many messages were sent."""
    sent = 0
    gone: set[str] = set()
    for change in changes:
        listeners = set[str]().union(
            *(audience.get(topic, frozenset()) for topic in topics_of(change.document))
        )
        if not listeners - gone or not (change.ended or connections.may_tell(change.document)):
            continue
        text = texts.progress(change)
        for connection_id in sorted(listeners - gone):
            if _reached(connection_id, text, connections, sockets):
                sent += 1
            else:
                gone.add(connection_id)
    return sent


def _reached(connection_id: str, text: str, connections: Connections, sockets: Sockets) -> bool:
    try:
        if sockets.send(connection_id, text):
            return True
    except RaglineError:
        _cut(connection_id, sockets)
    connections.close(connection_id)
    return False


def _cut(connection_id: str, sockets: Sockets) -> None:
    """As far as we can: a connection that stays open hears nothing more and ends by its age."""
    try:
        sockets.cut(connection_id)
    except RaglineError:
        return
