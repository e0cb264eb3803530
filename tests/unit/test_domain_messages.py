"""Messages are read as they were written; anything else is refused with the field that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.domain.chunks import CHUNKS_PER_PART, Part
from ragline.domain.documents import Partition
from ragline.domain.errors import MalformedMessage, NewerMessage
from ragline.domain.messages import (
    SCHEMA_VERSION,
    CollectionWalk,
    Delete,
    PageRange,
    PartReady,
    Span,
    Uploaded,
    Upsert,
    read_index_op,
    read_page_work,
    read_part,
)

PART = Part(Partition("acme", "papers"), "d1", 1, 32, 16)
ABOUT: dict[str, Any] = {
    "tenant": "acme",
    "collection": "papers",
    "document_id": "d1",
    "generation": 1,
}


@given(st.integers(1), st.integers(0), st.integers(1, CHUNKS_PER_PART), st.text())
def test_a_part_is_read_as_it_was_written(
    generation: int, first: int, count: int, nonce: str
) -> None:
    part = Part(PART.partition, "d1", generation, first, count)
    message = PartReady.of(part, nonce.encode(errors="ignore").decode())
    assert read_part(message.model_dump_json()) == message
    assert message.part == part


def test_an_index_operation_is_read_as_the_kind_that_it_is() -> None:
    upsert = Upsert(**ABOUT, vectors_key="v.npz", parts=(Span(first=0, count=2),))
    drop = Delete(**ABOUT, below=3)
    for op in (upsert, drop, Delete(**ABOUT)):
        assert read_index_op(op.model_dump_json()) == op


def test_pages_work_is_read_as_the_kind_that_it_is() -> None:
    pages = PageRange(
        **ABOUT, number=0, first_page=1, last_page=9, upload_key="uploads/a", etag="e"
    )
    upload = Uploaded(key="uploads/acme/papers/a.pdf", sequencer="0A", etag="e")
    walk = CollectionWalk(tenant="acme", collection="papers", walk_id="w1")
    for work in (pages, upload, Uploaded(key="a", sequencer=""), walk):
        assert read_page_work(work.model_dump_json()) == work


def test_what_only_this_version_knows_is_told_from_what_the_last_one_knew() -> None:
    """So a splitter of the version before leaves a walk alone until it is deployed."""
    walk = CollectionWalk(tenant="acme", collection="papers", walk_id="w1")
    assert walk.schema_version == SCHEMA_VERSION > Uploaded(key="a", sequencer="").schema_version
    with pytest.raises(MalformedMessage, match="collection"):
        read_page_work(walk.model_copy(update={"collection": "No Name"}).model_dump_json())


@pytest.mark.parametrize(
    "body",
    [
        {**ABOUT, "first": 0, "count": 16},
        {**ABOUT, "number": 0, "first_page": 1, "last_page": 9, "upload_key": "uploads/a"},
        {**ABOUT, "op": "upsert", "vectors_key": "v.npz", "parts": [{"first": 0, "count": 2}]},
        {**ABOUT, "op": "delete", "below": 3},
    ],
)
def test_a_message_of_version_1_that_waited_through_a_deploy_is_understood(
    body: dict[str, Any],
) -> None:
    old = json.dumps({**body, "schema_version": 1, "trace_id": ""})
    read = read_part if "count" in body else read_index_op if "op" in body else read_page_work
    message = read(old)
    assert (message.schema_version, message.nonce, message.pauses) == (1, "", 0)


@pytest.mark.parametrize("read", [read_part, read_page_work, read_index_op])
def test_a_message_of_a_later_version_is_told_from_a_malformed_one(
    read: Callable[[str], Any],
) -> None:
    """Its shape may be another, so nothing else of it is looked at."""
    later = {"schema_version": SCHEMA_VERSION + 1, **ABOUT, "op": "delete", "key": "k"}
    with pytest.raises(NewerMessage, match=f"version {SCHEMA_VERSION + 1}"):
        read(json.dumps(later))


@pytest.mark.parametrize("op", [{"op": "merge"}, {}])
def test_an_operation_that_only_a_later_version_knows_is_not_malformed(op: dict[str, str]) -> None:
    later = {"schema_version": SCHEMA_VERSION + 1, **ABOUT, **op}
    with pytest.raises(NewerMessage):
        read_index_op(json.dumps(later))


def test_a_field_that_a_later_version_added_is_ignored() -> None:
    body = json.dumps({**json.loads(PartReady.of(PART).model_dump_json()), "priority": 1})
    assert read_part(body).part == PART


def test_an_upsert_is_no_migrations_unless_it_says_so() -> None:
    upsert = Upsert(**ABOUT, vectors_key="v.npz", parts=(Span(first=0, count=2),), migrated=True)
    assert read_index_op(upsert.model_dump_json()) == upsert
    before = upsert.model_dump(exclude={"migrated"})  # as earlier versions wrote it
    assert read_index_op(json.dumps(before)) == upsert.model_copy(update={"migrated": False})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"schema_version": 0}, "schema_version"),
        ({"schema_version": "new"}, "schema_version"),
        ({"pauses": -1}, "pauses"),
        ({"count": 0}, "count"),
        ({"count": CHUNKS_PER_PART + 1}, "count"),
        ({"first": -1}, "first"),
        ({"generation": 0}, "generation"),
        ({"tenant": None}, "tenant"),
    ],
)
def test_a_part_out_of_bounds_is_refused_with_the_field_named(
    change: dict[str, object], field: str
) -> None:
    body = json.dumps({**json.loads(PartReady.of(PART).model_dump_json()), **change})
    with pytest.raises(MalformedMessage, match=field):
        read_part(body)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "{}"])
def test_what_is_no_message_is_refused_by_every_reader(body: str) -> None:
    with pytest.raises(MalformedMessage):
        read_page_work(body)
    with pytest.raises(MalformedMessage):
        read_index_op(body)


@pytest.mark.parametrize("op", ["optimise", None, 1])
def test_an_unknown_operation_is_refused(op: object) -> None:
    with pytest.raises(MalformedMessage):
        read_index_op(json.dumps({**ABOUT, "op": op}))


def test_a_refusal_does_not_repeat_what_the_message_said() -> None:
    body = json.dumps({**json.loads(PartReady.of(PART).model_dump_json()), "first": "hunter2"})
    with pytest.raises(MalformedMessage) as caught:
        read_part(body)
    assert "hunter2" not in str(caught.value)
