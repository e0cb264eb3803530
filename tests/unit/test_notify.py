"""Who is told of what, and what happens when somebody cannot be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ragline.adapters.dynamodb import items
from ragline.adapters.dynamodb.stream import read_change
from ragline.adapters.memory.push import (
    MemoryBus,
    MemoryConnections,
    MemorySockets,
    MemoryWebhooks,
)
from ragline.api.views_webhooks import TEXTS
from ragline.domain.changes import Change, newest
from ragline.domain.connections import Connection, Topic
from ragline.domain.documents import Document, Partition, Progress, Status
from ragline.domain.errors import MalformedMessage, ServiceUnavailable
from ragline.domain.lifecycle import Record
from ragline.domain.webhooks import Webhook
from ragline.usecases.notify import Told, notify

HOME = Partition("acme", "papers")
TIME = "2026-01-31T12:00:00.000Z"


def document(status: Status = Status.INDEXED, **known: Any) -> Document:
    made = Document(HOME, "d1", "guide.md", status, TIME, TIME, generation=1)
    return replace(made, **known)


def ended(status: Status = Status.INDEXED, **known: Any) -> Change:
    return Change(document(status, **known), ended=True)


def moved(**known: Any) -> Change:
    return Change(document(Status.PROCESSING, **known), ended=False)


def hook(webhook_id: str = "wh_1", tenant: str = "acme", **known: Any) -> Webhook:
    return Webhook(tenant, webhook_id, "https://example.com/", TIME, **known)


@dataclass
class Outside:
    bus: MemoryBus = field(default_factory=MemoryBus)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    connections: MemoryConnections = field(default_factory=MemoryConnections)
    sockets: MemorySockets = field(default_factory=MemorySockets)

    def tell(self, *changes: Change) -> Told:
        return notify(
            changes,
            texts=TEXTS,
            bus=self.bus,
            webhooks=self.webhooks,
            deliveries=self.bus,
            connections=self.connections,
            sockets=self.sockets,
        )

    def follow(self, connection_id: str, topic: Topic, tenant: str = "acme") -> None:
        connection = Connection(connection_id, tenant)
        self.connections.open(connection)
        self.connections.follow(connection, topic)

    def heard(self, connection_id: str) -> list[Any]:
        return [json.loads(text) for text in self.sockets.sent[connection_id]]


@pytest.fixture
def outside() -> Outside:
    return Outside()


def test_the_bus_and_every_webhook_that_wants_it_hear_of_an_ending_with_one_body(
    outside: Outside,
) -> None:
    outside.webhooks.put(hook("wh_1"))
    outside.webhooks.put(hook("wh_2", collections=frozenset({"papers"})))
    change = ended()
    assert outside.tell(change) == Told(ended=1, deliveries=2, messages=0)
    ((_, detail),) = outside.bus.events
    assert {one.body for one in outside.bus.deliveries} == {detail}
    event = json.loads(detail)
    assert (event["type"], event["tenant"]) == ("document.indexed", "acme")
    assert event["event_id"] == change.event_id
    assert event["document"]["document_id"] == "d1"


@pytest.mark.parametrize(
    "webhook",
    [
        hook(collections=frozenset({"letters"})),
        hook(collections=frozenset()),
        hook(statuses=frozenset({Status.FAILED})),
        hook(disabled="it answered 410"),
        hook(tenant="rival"),
    ],
)
def test_a_webhook_hears_only_of_what_it_asked_for_and_of_its_own_tenant(
    outside: Outside, webhook: Webhook
) -> None:
    outside.webhooks.put(webhook)
    assert outside.tell(ended()).deliveries == 0


def test_a_document_that_names_a_webhook_is_told_of_whatever_its_collections(
    outside: Outside,
) -> None:
    outside.webhooks.put(hook(collections=frozenset()))
    assert outside.tell(ended(webhook="wh_1"), ended(webhook="wh_2")).deliveries == 1


def test_progress_is_for_connections_only(outside: Outside) -> None:
    outside.webhooks.put(hook())
    outside.follow("c1", Topic("document", "d1"))
    assert outside.tell(moved()) == Told(0, 0, 1)
    (message,) = outside.heard("c1")
    assert (message["type"], message["status"]) == ("progress", "processing")
    assert message["event_id"] is None


def test_a_connection_of_another_tenant_hears_nothing(outside: Outside) -> None:
    outside.follow("c1", Topic("document", "d1"), tenant="rival")
    outside.follow("c2", Topic("collection", "papers"), tenant="rival")
    assert outside.tell(ended(), moved()).messages == 0


def test_who_follows_a_document_and_its_collection_is_told_once(outside: Outside) -> None:
    outside.follow("c1", Topic("document", "d1"))
    found = outside.connections.find("c1")
    assert found
    outside.connections.follow(found, Topic("collection", "papers"))
    outside.tell(ended())
    assert len(outside.heard("c1")) == 1


def test_of_one_batch_every_ending_is_told_and_of_counts_the_last(outside: Outside) -> None:
    outside.follow("c1", Topic("collection", "papers"))
    counts = [moved(progress=Progress(embedded=n)) for n in (1, 2, 3)]
    first, last = ended(), ended(Status.FAILED, generation=2)
    outside.tell(*counts[:2], first, counts[2], last)
    heard = outside.heard("c1")
    assert [one["status"] for one in heard] == ["indexed", "failed"]
    assert newest([*counts[:2], first, counts[2]]) == [first, counts[2]]


def test_progress_of_a_document_is_told_once_a_second_and_its_end_always(
    outside: Outside,
) -> None:
    outside.follow("c1", Topic("document", "d1"))
    for n in range(5):
        outside.tell(moved(progress=Progress(embedded=n)))
    outside.tell(ended())
    assert [one["status"] for one in outside.heard("c1")] == ["processing", "indexed"]


def test_a_connection_that_is_gone_is_forgotten(outside: Outside) -> None:
    outside.follow("c1", Topic("document", "d1"))
    outside.follow("c2", Topic("document", "d1"))
    outside.sockets.gone.add("c1")
    assert outside.tell(ended()).messages == 1
    assert outside.connections.find("c1") is None
    assert outside.connections.find("c2") is not None


def test_a_connection_that_cannot_be_reached_is_cut_and_fails_nothing(outside: Outside) -> None:
    class Broken(MemorySockets):
        def send(self, connection_id: str, text: str) -> bool:
            raise ServiceUnavailable("no.")

    outside.sockets = Broken()
    outside.webhooks.put(hook())
    outside.follow("c1", Topic("document", "d1"))
    assert outside.tell(ended()) == Told(1, 1, 0)
    assert outside.sockets.gone == {"c1"}


def test_what_the_queue_does_not_take_is_told_again_with_the_same_id(outside: Outside) -> None:
    outside.webhooks.put(hook())
    outside.tell(ended())
    outside.tell(ended())
    assert len({one.event_id for one in outside.bus.deliveries}) == 1


def test_a_document_that_ends_twice_alike_has_two_events() -> None:
    later = "2026-01-31T13:00:00.000Z"
    assert ended(Status.PARTIAL).event_id != ended(Status.PARTIAL, updated_at=later).event_id


def record(new: Document | None, old: Document | None = None) -> dict[str, Any]:
    images: dict[str, Any] = {}
    if new:
        images["NewImage"] = items.meta_item(Record(new))
    if old:
        images["OldImage"] = items.meta_item(Record(old))
    return {"eventID": "1", "eventSource": "aws:dynamodb", "dynamodb": images}


def test_a_record_of_the_stream_is_an_ending_only_by_the_write_that_made_it() -> None:
    before, after = document(Status.PROCESSING), document(Status.INDEXED)
    assert read_change(record(after, before)) == Change(after, ended=True)
    assert read_change(record(after, after)) is None
    counted = replace(after, progress=Progress(indexed=1))
    assert read_change(record(counted, after)) == Change(counted, ended=False)
    assert read_change(record(before)) == Change(before, ended=False)
    assert read_change(record(None, after)) is None
    again = replace(after, generation=2)
    assert read_change(record(again, after)) == Change(again, ended=True)


def test_a_lease_or_a_checksum_concerns_nobody_outside() -> None:
    before = document(Status.PROCESSING)
    assert read_change(record(replace(before, checksum="aa", updated_at="x"), before)) is None


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"dynamodb": {"NewImage": {"document_id": {"S": "d1"}}}},
        {"dynamodb": {"NewImage": {"document_id": {"S": "d1"}, "SK": {"S": "META"}}}},
        {"dynamodb": {"NewImage": 7}},
    ],
)
def test_a_record_that_cannot_be_read_says_so(broken: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        read_change(broken)


def test_what_is_said_of_a_record_that_cannot_be_read_quotes_nothing_of_it() -> None:
    new = record(document(), None)["dynamodb"]["NewImage"] | {"status": {"S": "secret words"}}
    with pytest.raises(MalformedMessage) as told:
        read_change({"eventID": "e-1", "dynamodb": {"NewImage": new}})
    assert str(told.value) == "stream record not understood: ValueError in event e-1."


def test_records_of_other_items_are_passed_over() -> None:
    assert read_change({"dynamodb": {"NewImage": {"PK": {"S": "x"}, "SK": {"S": "META"}}}}) is None
