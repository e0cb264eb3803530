"""Telling others: webhooks, sockets, the event bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ragline.domain.changes import Change
from ragline.domain.connections import Connection, Topic
from ragline.domain.documents import Document
from ragline.domain.webhooks import Delivery, SigningSecrets, Undelivered, Webhook


class Webhooks(Protocol):
    """The tenants' webhooks, and what each could not be told."""

    def put(self, webhook: Webhook) -> None:
        """Keep it, over what is known of its id."""

    def get(self, tenant: str, webhook_id: str) -> Webhook | None: ...

    def of(self, tenant: str) -> Sequence[Webhook]:
        """Oldest first; strongly consistent."""

    def remove(self, tenant: str, webhook_id: str) -> None:
        """An absent one is no error. What it could not be told ends by itself."""

    def disable(self, tenant: str, webhook_id: str, why: str) -> None:
        """Send it nothing more; one that is gone stays gone."""

    def keep(self, undelivered: Undelivered) -> None:
        """Remember it for ``KEPT_DAYS``; the same event again replaces what was kept."""

    def undelivered(self, tenant: str, webhook_id: str, limit: int = 100) -> Sequence[Undelivered]:
        """Those of the newest events first."""

    def delivered(self, delivery: Delivery) -> None:
        """It is delivered after all: forget that it was not."""


class WebhookSecrets(Protocol):
    """What webhooks are signed with."""

    def put(self, tenant: str, webhook_id: str, secrets: SigningSecrets) -> None: ...

    def get(self, tenant: str, webhook_id: str) -> SigningSecrets:
        """What was put; a change may show only after a minute.

        Raises:
            SetupError: there is none.
        """

    def remove(self, tenant: str, webhook_id: str) -> None:
        """An absent one is no error."""


class Deliveries(Protocol):
    """The queue of what webhooks are to be told."""

    def send(self, deliveries: Sequence[Delivery]) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: a status of HTTP, or 0 and ``trouble`` if none came.

    ``retry_after`` is in seconds, None if it did not say.
    """

    status: int = 0
    trouble: str = ""
    retry_after: int | None = None


class Receivers(Protocol):
    """The servers that webhooks name."""

    def check(self, url: str) -> None:
        """Raises:
        InvalidRequest: we would not send there; says why.
        """

    def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        """One attempt, of bounded time. Redirects are not followed.

        Raises:
            InvalidRequest: we do not send there; nothing was sent.
        """


class EventBus(Protocol):
    """Where the account's own rules listen."""

    def put(self, changes: Sequence[Change], detail: Callable[[Change], str]) -> None:
        """One event for each; ``detail`` is its JSON."""


class Connections(Protocol):
    """Who is connected by WebSocket, and what each follows. All of it ends by itself."""

    def open(self, connection: Connection) -> None: ...

    def find(self, connection_id: str) -> Connection | None: ...

    def follow(self, connection: Connection, topic: Topic) -> None: ...

    def unfollow(self, connection: Connection, topic: Topic) -> None: ...

    def close(self, connection_id: str) -> None:
        """Forget it, and what it follows; an unknown one is no error."""

    def audience(self, tenant: str) -> Mapping[Topic, frozenset[str]]:
        """What the tenant's connections follow: topic → connection ids; strongly consistent."""

    def may_tell(self, document: Document) -> bool:
        """Whether progress of the document may be told: at most once in ``PROGRESS_SECONDS``."""


class Sockets(Protocol):
    """The open WebSocket connections."""

    def send(self, connection_id: str, text: str) -> bool:
        """False if the connection is gone."""

    def cut(self, connection_id: str) -> None:
        """End it; one that is gone is no error."""
