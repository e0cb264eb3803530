"""WebSocket connections: who is connected, and what each wants to follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ragline.domain.documents import Document

MAX_TOPICS = 100
"""Of one connection."""

CONNECTION_SECONDS = 2 * 3_600 + 600
"""API Gateway ends a connection after two hours; what is kept of one that ended in silence goes
then too."""

TICKET_SECONDS = 60
"""A browser connects at once or asks for another."""

PROGRESS_SECONDS = 1.0
"""Of one document, progress is told at most once in so long; endings always."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A document or a collection to follow; always one of the connection's own tenant."""

    kind: Literal["document", "collection"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind}#{self.name}"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection and whose it is."""

    connection_id: str
    tenant: str
    topics: frozenset[Topic] = frozenset()


def topics_of(document: Document) -> tuple[Topic, Topic]:
    """The topics under which a document is followed."""
    return (
        Topic("document", document.document_id),
        Topic("collection", document.partition.collection),
    )


def parse_topic(text: str) -> Topic:
    """The inverse of ``str``."""
    kind, _, name = text.partition("#")
    return Topic("document" if kind == "document" else "collection", name)
