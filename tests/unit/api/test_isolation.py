"""A tenant never sees another's: about what is someone else's, the answer is as if it were not.

Two worlds are alike but for what a rival tenant keeps in one of them. Whatever is asked about the
rival's ids in both, status, headers and body must be equal to the byte, but for the trace id and
the times that work took; and nothing of the rival's may change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragline.adapters.cursors import encode_cursor, sort_key
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.api.access import OPEN
from ragline.api.app import create_app
from ragline.domain.access import KeyRecord, Role
from ragline.domain.documents import Document, Partition, Reason, Status, dropped_id
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.pages import PageCounts
from ragline.domain.webhooks import Webhook
from tests.unit.api.callers import caller, routes
from tests.unit.api.world import World

ME, RIVAL = "acme", "rival"
THE_BYTES = b"the bytes"
CHECKSUM = "a" * 64
ROUTES = {name: one for name, one in routes(create_app(World())).items() if name not in OPEN}
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TIMES = ("trace_id", "timings_ms", "started_at")
"""Fields that differ from one request to the next, whoever asks."""


@dataclass(frozen=True)
class Asked:
    """One request; ``name`` is its route's."""

    name: str
    path: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)

    def send(self, client: Any) -> tuple[int, dict[str, str], Any]:
        method, path = ROUTES[self.name]
        answer = client.request(method, self.path or path, **self.parts)
        headers = {k: v for k, v in answer.headers.items() if k != "x-trace-id"}
        headers.pop("content-length", None)  # of the body below, whose times differ in length
        return answer.status_code, headers, _without_times(answer)


def _without_times(answer: Any) -> Any:
    if not answer.content:
        return b""
    return _timeless(json.loads(answer.content))


def _timeless(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _timeless(one) for name, one in value.items() if name not in TIMES}


Build = Callable[[str, str], list[Asked]]


def body(name: str, **fields: Any) -> Asked:
    return Asked(name, parts={"json": fields})


ABOUT: dict[str, Build] = {
    # Routes that name a document elsewhere than in their path. Each is asked with the id of the
    # other tenant's document, and with a cursor of the other tenant's listing.
    "info": lambda i, c: [Asked("info", parts={"params": {"collection": "handbook"}})],
    "list_collections": lambda i, c: [Asked("list_collections")],
    "get_collection": lambda i, c: [Asked("get_collection", "/api/v2/collections/handbook")],
    "put_collection": lambda i, c: [
        Asked("put_collection", "/api/v2/collections/handbook", {"json": {"chunking": {}}})
    ],
    "delete_collection": lambda i, c: [
        Asked("delete_collection", "/api/v2/collections/handbook")
    ],
    "list_documents": lambda i, c: [
        Asked("list_documents", parts={"params": {"collection": "handbook"}}),
        Asked("list_documents", parts={"params": {"collection": "handbook", "cursor": c}}),
        Asked("list_documents", parts={"params": {"parent": i}}),
    ],
    "register": lambda i, c: [
        body("register", filename="a.md", size=9, collection="handbook", document_id=i),
        body("register", filename="a.md", size=9, collection="handbook", document_id=i,
             checksum=CHECKSUM),
        body("register", filename="a.md", size=9, document_id=i, webhook=i),
    ],
    "upload_directly": lambda i, c: [
        Asked("upload_directly", parts={
            "files": {"file": ("a.md", THE_BYTES, "text/markdown")},
            "data": {"collection": "handbook", "document_id": i},
        })
    ],
    "redrive_documents": lambda i, c: [
        body("redrive_documents"),
        body("redrive_documents", document_id=i),
        body("redrive_documents", document_id=i, force=True),
        body("redrive_documents", collection="handbook"),
        body("redrive_documents", cursor=c),
    ],
    "usage": lambda i, c: [Asked("usage")],
    "revoke_key": lambda i, c: [Asked("revoke_key", f"/api/v2/keys/{key_of(i).key_id}")],
    "list_keys": lambda i, c: [Asked("list_keys")],
    "list_webhooks": lambda i, c: [Asked("list_webhooks")],
    "query": lambda i, c: [
        body("query", question="barometer gauge", collection="handbook"),
        body("query", question="barometer gauge", collection="handbook",
             filters={"document_id": i}),
        body("query", question="barometer", collection="handbook", filters={"document_ids": [i]}),
        body("query", question="barometer", collection="handbook", filters={"metadata": {"x": 1}}),
    ],
}  # fmt: skip

NOTHING_TO_ASK = {"create_ticket", "create_webhook", "create_key"}
"""Routes that take no id, no cursor and no filter: what they make is random, or the caller's."""

MORE: dict[str, list[Callable[[str], dict[str, Any]]]] = {
    # What else is sent to a path that names a document.
    "list_chunks": [lambda c: {"params": {"cursor": c}}],
    "retry_document": [lambda c: {"json": {"force": True}}, lambda c: {"json": {"code": "x"}}],
    "sign_parts": [
        lambda c: {"json": {"upload_id": "u", "parts": [{"number": 1, "checksum": CHECKSUM}]}}
    ],
    "list_parts": [lambda c: {"params": {"upload_id": "u"}}],
    "complete_upload": [lambda c: {"json": {"upload_id": "u"}}],
    "abort_upload": [lambda c: {"params": {"upload_id": "u"}}],
}


def about(name: str, document_id: str, cursor: str) -> list[Asked]:
    if name in ABOUT:
        return ABOUT[name](document_id, cursor)
    method, path = ROUTES[name]
    filled = path
    for part in path.split("/"):
        if part.startswith("{"):
            filled = filled.replace(part, document_id)
    plain: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": {}}
    asked = [Asked(name, filled, plain)]
    return asked + [Asked(name, filled, parts(cursor)) for parts in MORE.get(name, ())]


def a_world() -> World:
    """Mine, with one document; its clock stands still."""
    world = World(the_ledger=MemoryLedger(lambda: NOW))
    world.indexed("The barometer is read at nine.", document_id="mine", tenant=ME)
    return world


def put(world: World, status: Status, document_id: str) -> Document:
    """A document of the rival's, brought to that status."""
    ledger, partition = world.the_ledger, Partition(RIVAL, "handbook")
    key = f"uploads/{partition}/{document_id}/guide.md"
    new = NewDocument(partition, document_id, "guide.md", key, checksum=CHECKSUM,
                      metadata={"x": 1})  # fmt: skip
    if status in {Status.INDEXED, Status.DELETED}:
        world.indexed("barometer gauge", tenant=RIVAL, document_id=document_id, metadata={"x": 1})
    elif status is Status.PARTIAL:
        world.partial("barometer", "gauge", code="throttled", tenant=RIVAL, document_id=document_id)
    else:
        _unfinished(world, new, status)
    # Whatever else has an id has this one too.
    world.the_keys.add(key_of(document_id))
    world.the_webhooks.put(Webhook(RIVAL, document_id, "https://rival.example", "2026"))
    world.the_objects.put(key, THE_BYTES)
    ledger.claim_content(partition, CHECKSUM, document_id, arrived=True)
    if status is Status.DELETED:
        ledger.delete(RIVAL, document_id)
    found = ledger.get(RIVAL, document_id)
    assert found
    assert found.status is status
    return found


def key_of(document_id: str) -> KeyRecord:
    """An API key of the rival's, whose id begins as the document's does."""
    return KeyRecord(f"{document_id:0<64}"[:64], RIVAL, Role.ADMIN, "x", "wxyz", "2026")


def _unfinished(world: World, new: NewDocument, status: Status) -> None:
    ledger = world.the_ledger
    ledger.create(new)
    if status is Status.AWAITING_UPLOAD:
        return
    document = ledger.begin(new, "1", "parser-1")
    assert document
    if status is Status.FAILED:
        ledger.fail(RIVAL, new.document_id, 1, Reason("throttled", "it was.", "split"))
        return
    ledger.plan_ranges(document, 1, 1)
    if status is Status.PROCESSING:
        ledger.record_range(document, 0, 2, PageCounts(text=1))
        ledger.record_chunks(document, [0], ChunkState.EMBEDDED)
    if status is Status.EMPTY:
        ledger.record_range(document, 0, 0, PageCounts(text=1))
        ledger.settle(RIVAL, new.document_id, 1)


def kept(world: World) -> Any:
    """All that there is of the rival's, in the ledger, the bucket, the queues and the index."""
    audits = [one for one in world.the_ledger.audit() if one.document.partition.tenant == RIVAL]
    objects = {key: world.the_objects.get(key) for key in world.the_objects.list("")}
    queues = [
        message
        for sent in vars(world.the_queues).values()
        if isinstance(sent, list)
        for message in sent
        if RIVAL in str(message)
    ]
    rows = {str(p): sorted(world.the_index.entries(p)) for p in world.the_indexes.partitions()}
    return (
        audits,
        {key: data for key, data in objects.items() if f"/{RIVAL}/" in key},
        queues,
        {name: found for name, found in rows.items() if name.startswith(f"{RIVAL}/")},
        world.the_keys.of(RIVAL),
        world.the_webhooks.of(RIVAL),
    )


IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", fullmatch=True).filter(
    lambda one: one not in {"mine", "upload", "status"}
)


@pytest.mark.parametrize("name", sorted(set(ROUTES) - NOTHING_TO_ASK))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document_id=IDS, status=st.sampled_from(list(Status)), dropped=st.booleans())
def test_about_the_rival_s_a_route_answers_as_if_it_were_not(
    name: str, document_id: str, status: Status, dropped: bool
) -> None:
    if dropped:
        document_id = dropped_id(f"uploads/{RIVAL}/handbook/{document_id}")
    alone, beside = a_world(), a_world()
    theirs = put(beside, status, document_id)
    cursor = encode_cursor(theirs.partition, sort_key(theirs))
    before = kept(beside)
    assert before[0]
    for asked in about(name, document_id, cursor):
        told = []
        for world in (alone, beside):
            with caller(world, ME, Role.ADMIN) as client:
                told.append(asked.send(client))
        assert told[0] == told[1], asked
        assert kept(beside) == before, asked


def test_every_route_takes_an_id_in_its_path_or_says_how_it_is_asked_about_one() -> None:
    told = set(ABOUT) | NOTHING_TO_ASK
    assert told <= set(ROUTES)
    for name, (_, path) in ROUTES.items():
        assert name in told or "{" in path, f"{name}: say in ABOUT how it is asked"


def test_the_owner_of_these_ids_is_answered_otherwise() -> None:
    """Else the tests above could not fail: both worlds would answer nothing to anyone."""
    for name in ("get_document", "list_chunks", "list_failures", "delete_document"):
        world = a_world()
        theirs = put(world, Status.INDEXED, "theirs")
        [first, *_] = about(name, theirs.document_id, "")
        with caller(world, RIVAL, Role.ADMIN) as client:
            assert first.send(client)[0] in {200, 204}, name
        with caller(world, ME, Role.ADMIN) as client:
            assert first.send(client)[0] == 404, name


def test_a_cursor_of_another_tenant_s_listing_is_one_that_nobody_gave() -> None:
    world = a_world()
    for number in range(3):
        put(world, Status.FAILED, f"theirs-{number}")
    with caller(world, RIVAL) as client:
        page = client.get("/api/v2/documents", params={"collection": "handbook", "limit": 1}).json()
        troubled = client.post("/api/v2/redrive", json={"dry_run": True, "limit": 1}).json()
    assert page["cursor"]
    assert troubled["cursor"]
    with caller(world, ME) as client:
        for cursor in (page["cursor"], "made-up"):
            params = {"collection": "handbook", "cursor": cursor}
            answer = client.get("/api/v2/documents", params=params)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
        for cursor in (troubled["cursor"], "made-up"):
            answer = client.post("/api/v2/redrive", json={"cursor": cursor})
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
