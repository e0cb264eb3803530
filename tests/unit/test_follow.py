"""What WebSocket clients may ask, and what they are answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.push import MemoryConnections, MemoryTickets
from ragline.api.views_webhooks import TEXTS
from ragline.domain.access import Principal, Role
from ragline.domain.connections import MAX_TOPICS, TICKET_SECONDS, Topic
from ragline.domain.documents import Partition
from ragline.domain.errors import InvalidRequest, Unauthorised
from ragline.domain.ledger import NewDocument
from ragline.usecases import follow, tickets

CALLER = Principal("acme", Role.READER, "key:1")


@dataclass
class Client:
    connections: MemoryConnections = field(default_factory=MemoryConnections)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)

    def ask(self, body: Any, connection_id: str = "c1") -> list[Any]:
        reply = follow.answer(
            connection_id,
            body if isinstance(body, str) else json.dumps(body),
            connections=self.connections,
            ledger=self.ledger,
            progress=TEXTS.progress,
        )
        return [json.loads(text) for text in reply.texts]

    def document(self, document_id: str, tenant: str = "acme") -> None:
        partition = Partition(tenant, "papers")
        key = f"uploads/{partition}/{document_id}/x.md"
        self.ledger.create(NewDocument(partition, document_id, "x.md", key))


@pytest.fixture
def client() -> Client:
    made = Client()
    follow.connect("c1", "acme", "", connections=made.connections)
    return made


def test_who_follows_a_document_is_told_how_it_stands(client: Client) -> None:
    client.document("d1")
    subscribed, now = client.ask({"action": "subscribe", "document_id": "d1"})
    assert subscribed == {"type": "subscribed", "document_id": "d1"}
    assert (now["type"], now["document_id"], now["status"]) == (
        "progress", "d1", "awaiting_upload",
    )  # fmt: skip
    assert client.connections.audience("acme") == {Topic("document", "d1"): {"c1"}}


def test_another_tenants_document_is_one_that_does_not_exist(client: Client) -> None:
    client.document("d1", "rival")
    unknown, foreign = (
        client.ask({"action": "subscribe", "document_id": one}) for one in ("d2", "d1")
    )
    assert unknown[0]["code"] == "not_found"
    assert json.dumps(foreign).replace("d1", "d2") == json.dumps(unknown)
    assert not client.connections.audience("acme")


def test_a_collection_is_followed_from_the_start_or_later_and_no_more(client: Client) -> None:
    follow.connect("c2", "acme", "papers", connections=client.connections)
    assert client.ask({"action": "subscribe", "collection": "papers"}) == [
        {"type": "subscribed", "collection": "papers"}
    ]
    topic = Topic("collection", "papers")
    assert client.connections.audience("acme") == {topic: {"c1", "c2"}}
    client.ask({"action": "unsubscribe", "collection": "papers"})
    assert client.connections.audience("acme") == {topic: {"c2"}}
    with pytest.raises(InvalidRequest):
        follow.connect("c3", "acme", "No Name", connections=client.connections)


@pytest.mark.parametrize(
    "body",
    ["", "[]", "null", "{", "x" * 3_000, "[" * 2_000, '{"action": "subscribe"}',
     '{"action": "shout", "collection": "papers"}', '{"action": [], "collection": "papers"}',
     '{"action": "subscribe", "collection": "papers", "document_id": "d1"}',
     '{"action": "subscribe", "collection": 7}', '{"action": "subscribe", "collection": "A B"}',
     '{"action": "subscribe", "document_id": "../x"}'],
)  # fmt: skip
def test_a_message_that_is_none_is_answered_with_what_is_wrong(client: Client, body: str) -> None:
    (said,) = client.ask(body)
    assert (said["type"], said["code"]) == ("error", "invalid_request")
    assert said["message"]


def test_a_connection_follows_only_so_much(client: Client) -> None:
    for n in range(MAX_TOPICS):
        client.ask({"action": "subscribe", "collection": f"c{n}"})
    (said,) = client.ask({"action": "subscribe", "collection": "one-more"})
    assert said["code"] == "conflict"
    (again,) = client.ask({"action": "subscribe", "collection": "c0"})
    assert again["type"] == "subscribed"


def test_a_connection_that_is_not_known_is_told_to_connect_again(client: Client) -> None:
    (said,) = client.ask({"action": "subscribe", "collection": "papers"}, "c9")
    assert said["code"] == "not_found"


@dataclass
class Clock:
    moment: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


def test_a_ticket_is_good_once_and_for_a_minute() -> None:
    clock = Clock()
    known = MemoryTickets(clock)
    ticket = tickets.issue(CALLER, tickets=known)
    assert tickets.redeem(ticket, tickets=known) == CALLER
    with pytest.raises(Unauthorised):
        tickets.redeem(ticket, tickets=known)
    late = tickets.issue(CALLER, tickets=known)
    clock.moment += timedelta(seconds=TICKET_SECONDS)
    for wrong in (late, "", "x" * 10_000):
        with pytest.raises(Unauthorised) as refused:
            tickets.redeem(wrong, tickets=known)
        assert not wrong or wrong not in str(refused.value)
