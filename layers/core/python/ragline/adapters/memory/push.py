"""Webhooks, connections and all that is told, in memory; the contract suites run on these too."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ragline.domain.access import Principal
from ragline.domain.changes import Change
from ragline.domain.connections import (
    CONNECTION_SECONDS,
    PROGRESS_SECONDS,
    TICKET_SECONDS,
    Connection,
    Topic,
)
from ragline.domain.documents import Document
from ragline.domain.errors import SetupError
from ragline.domain.times import utc_now
from ragline.domain.webhooks import Delivery, SigningSecrets, Undelivered, Webhook
from ragline.ports import Answer


class MemoryWebhooks:
    """``ports.Webhooks``."""

    def __init__(self) -> None:
        self._webhooks: dict[tuple[str, str], Webhook] = {}
        self._letters: dict[tuple[str, str], dict[tuple[str, str], Undelivered]] = defaultdict(dict)

    def put(self, webhook: Webhook) -> None:
        self._webhooks[webhook.tenant, webhook.webhook_id] = webhook

    def get(self, tenant: str, webhook_id: str) -> Webhook | None:
        return self._webhooks.get((tenant, webhook_id))

    def of(self, tenant: str) -> Sequence[Webhook]:
        found = [one for one in self._webhooks.values() if one.tenant == tenant]
        return sorted(found, key=lambda one: (one.created_at, one.webhook_id))

    def remove(self, tenant: str, webhook_id: str) -> None:
        self._webhooks.pop((tenant, webhook_id), None)

    def disable(self, tenant: str, webhook_id: str, why: str) -> None:
        if found := self.get(tenant, webhook_id):
            self.put(replace(found, disabled=why))

    def keep(self, undelivered: Undelivered) -> None:
        one = undelivered.delivery
        place = (one.event_time, one.event_id)
        self._letters[one.tenant, one.webhook_id][place] = undelivered

    def undelivered(self, tenant: str, webhook_id: str, limit: int = 100) -> Sequence[Undelivered]:
        found = self._letters[tenant, webhook_id]
        return [found[place] for place in sorted(found, reverse=True)[:limit]]

    def delivered(self, delivery: Delivery) -> None:
        kept = self._letters[delivery.tenant, delivery.webhook_id]
        kept.pop((delivery.event_time, delivery.event_id), None)


class MemorySecrets:
    """``ports.WebhookSecrets``."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], SigningSecrets] = {}

    def put(self, tenant: str, webhook_id: str, secrets: SigningSecrets) -> None:
        self._kept[tenant, webhook_id] = secrets

    def get(self, tenant: str, webhook_id: str) -> SigningSecrets:
        try:
            return self._kept[tenant, webhook_id]
        except KeyError as error:
            raise SetupError(f"webhook {webhook_id} has no secret.") from error

    def remove(self, tenant: str, webhook_id: str) -> None:
        self._kept.pop((tenant, webhook_id), None)


class MemoryConnections:
    """``ports.Connections``."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._clock = now
        self._lock = threading.RLock()
        self._open: dict[str, tuple[Connection, datetime]] = {}
        self._told: dict[tuple[str, str], datetime] = {}

    def open(self, connection: Connection) -> None:
        ends = self._clock() + timedelta(seconds=CONNECTION_SECONDS)
        self._open[connection.connection_id] = connection, ends

    def find(self, connection_id: str) -> Connection | None:
        connection, ends = self._open.get(connection_id, (None, self._clock()))
        return connection if ends > self._clock() else None

    def follow(self, connection: Connection, topic: Topic) -> None:
        self._change(connection, lambda topics: topics | {topic})

    def unfollow(self, connection: Connection, topic: Topic) -> None:
        self._change(connection, lambda topics: topics - {topic})

    def close(self, connection_id: str) -> None:
        self._open.pop(connection_id, None)

    def audience(self, tenant: str) -> Mapping[Topic, frozenset[str]]:
        found: dict[Topic, set[str]] = defaultdict(set)
        for connection, ends in self._open.values():
            if connection.tenant == tenant and ends > self._clock():
                for topic in connection.topics:
                    found[topic].add(connection.connection_id)
        return {topic: frozenset(ids) for topic, ids in found.items()}

    def may_tell(self, document: Document) -> bool:
        with self._lock:
            place, now = (document.partition.tenant, document.document_id), self._clock()
            last = self._told.get(place)
            if last is not None and now - last < timedelta(seconds=PROGRESS_SECONDS):
                return False
            self._told[place] = now
            return True

    def _change(
        self, connection: Connection, change: Callable[[frozenset[Topic]], frozenset[Topic]]
    ) -> None:
        if found := self._open.get(connection.connection_id):
            known, ends = found
            self._open[known.connection_id] = replace(known, topics=change(known.topics)), ends


class MemoryTickets:
    """``ports.Tickets``."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._clock = now
        self._kept: dict[str, tuple[Principal, datetime]] = {}

    def put(self, digest: str, caller: Principal) -> None:
        self._kept[digest] = caller, self._clock() + timedelta(seconds=TICKET_SECONDS)

    def take(self, digest: str) -> Principal | None:
        caller, ends = self._kept.pop(digest, (None, self._clock()))
        return caller if ends > self._clock() else None


@dataclass
class MemoryBus:
    """``ports.EventBus`` and ``ports.Deliveries``: what they were given."""

    events: list[tuple[Change, str]] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)

    def put(self, changes: Sequence[Change], detail: Callable[[Change], str]) -> None:
        self.events += [(change, detail(change)) for change in changes]

    def send(self, deliveries: Sequence[Delivery]) -> None:
        self.deliveries += deliveries


@dataclass
class MemorySockets:
    """``ports.Sockets``: what each connection was sent; those in ``gone`` are gone."""

    sent: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    gone: set[str] = field(default_factory=set)

    def send(self, connection_id: str, text: str) -> bool:
        if connection_id in self.gone:
            return False
        self.sent[connection_id].append(text)
        return True

    def cut(self, connection_id: str) -> None:
        self.gone.add(connection_id)


@dataclass
class MemoryReceivers:
    """``ports.Receivers``: what was posted where; ``answers`` are given in turn, then 200."""

    answers: list[Answer] = field(default_factory=list)
    posted: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def check(self, url: str) -> None:
        return None

    def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        self.posted.append((url, body, headers))
        return self.answers.pop(0) if self.answers else Answer(200)
