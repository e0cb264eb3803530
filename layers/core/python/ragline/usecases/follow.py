"""What WebSocket clients ask: to follow documents and collections, and to stop that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from ragline.domain.changes import Change
from ragline.domain.connections import MAX_TOPICS, Connection, Topic
from ragline.domain.documents import check_document_id, check_name
from ragline.domain.errors import Conflict, InvalidRequest, NotFound, RequestError
from ragline.ports import Connections, Ledger

MAX_MESSAGE = 2_048
_KEYS = {"document_id", "collection"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client is answered: JSON texts, in order; ``error`` is the code of a refusal."""

    texts: tuple[str, ...]
    error: str = ""


def connect(connection_id: str, tenant: str, collection: str, *, connections: Connections) -> None:
    """A new connection; ``collection`` is one to follow from the start, '' for none.

    Raises:
        InvalidRequest: that is no collection's name.
    """
    topics = {Topic("collection", check_name(collection, "collection"))} if collection else set()
    connection = Connection(connection_id, tenant)
    connections.open(connection)
    for topic in topics:
        connections.follow(connection, topic)


def answer(
    connection_id: str,
    body: str,
    *,
    connections: Connections,
    ledger: Ledger,
    progress: Callable[[Change], str],
) -> Reply:
    """Do what a message of the client asks, and what to tell it of that."""
    try:
        connection = connections.find(connection_id)
        if connection is None:
            raise NotFound("this connection is over: connect again.")
        action, topic = _read(body)
        if action == "unsubscribe":
            connections.unfollow(connection, topic)
            return Reply((_told("unsubscribed", topic),))
        return _follow(connection, topic, connections, ledger, progress)
    except RequestError as error:
        told = {"type": "error", "code": error.code, "message": str(error)}
        return Reply((json.dumps(told),), error.code)


def _follow(
    connection: Connection,
    topic: Topic,
    connections: Connections,
    ledger: Ledger,
    progress: Callable[[Change], str],
) -> Reply:
    if topic not in connection.topics and len(connection.topics) >= MAX_TOPICS:
        raise Conflict(f"a connection follows at most {MAX_TOPICS} things: follow a collection.")
    if topic.kind == "collection":
        connections.follow(connection, topic)
        return Reply((_told("subscribed", topic),))
    if ledger.get(connection.tenant, topic.name) is None:
        raise NotFound(f"there is no document {topic.name!r}.")
    connections.follow(connection, topic)
    # Read again: what changed before it was followed would otherwise be told by nobody.
    document = ledger.get(connection.tenant, topic.name)
    now = (progress(Change(document, document.terminal)),) if document else ()
    return Reply((_told("subscribed", topic), *now))


def _read(body: str) -> tuple[str, Topic]:
    """The action and its topic.

    Raises:
        InvalidRequest: it is no message of ours; says what is wrong.
    """
    try:
        said = json.loads(body) if len(body) <= MAX_MESSAGE else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise InvalidRequest(f"send a JSON object of at most {MAX_MESSAGE:,} characters.")
    action, named = said.get("action"), sorted(_KEYS & set(said))
    if action not in ("subscribe", "unsubscribe"):
        raise InvalidRequest("action: use 'subscribe' or 'unsubscribe'.")
    if len(named) != 1 or not isinstance(said[named[0]], str):
        raise InvalidRequest("give either 'document_id' or 'collection', as text.")
    if named == ["document_id"]:
        return str(action), Topic("document", check_document_id(said["document_id"]))
    return str(action), Topic("collection", check_name(said["collection"], "collection"))


def _told(kind: str, topic: Topic) -> str:
    name = "document_id" if topic.kind == "document" else "collection"
    return json.dumps({"type": kind, name: topic.name})
