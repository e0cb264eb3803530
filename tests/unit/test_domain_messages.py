"""Messages are read as they were written; anything else is refused with the field that is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.domain.chunks import CHUNKS_PER_PART, Part
from ragline.domain.documents import Partition
from ragline.domain.errors import MalformedMessage
from ragline.domain.messages import (
    Delete,
    PageRange,
    PartReady,
    Span,
    Upsert,
    read,
    read_index_op,
)

PART = Part(Partition("acme", "papers"), "d1", 1, 32, 16)
ABOUT = {"tenant": "acme", "collection": "papers", "document_id": "d1", "generation": 1}


@given(st.integers(1), st.integers(0), st.integers(1, CHUNKS_PER_PART), st.text())
def test_a_part_is_read_as_it_was_written(
    generation: int, first: int, count: int, trace: str
) -> None:
    part = Part(PART.partition, "d1", generation, first, count)
    body = PartReady.of(part, trace.encode(errors="ignore").decode()).model_dump_json()
    assert read(PartReady, body).part == part


def test_an_index_operation_is_read_as_the_kind_that_it_is() -> None:
    upsert = Upsert(**ABOUT, vectors_key="v.npz", parts=(Span(first=0, count=2),))
    drop = Delete(**ABOUT, below=3)
    for op in (upsert, drop, Delete(**ABOUT)):
        assert read_index_op(op.model_dump_json()) == op


def test_a_field_that_a_later_version_added_is_ignored() -> None:
    body = json.dumps({**json.loads(PartReady.of(PART).model_dump_json()), "priority": 1})
    assert read(PartReady, body).part == PART


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"schema_version": 2}, "schema_version"),
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
        read(PartReady, body)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "{}"])
def test_what_is_no_message_is_refused_by_every_reader(body: str) -> None:
    with pytest.raises(MalformedMessage):
        read(PageRange, body)
    with pytest.raises(MalformedMessage):
        read_index_op(body)


@pytest.mark.parametrize("op", ["optimise", None, 1])
def test_an_unknown_operation_is_refused(op: object) -> None:
    with pytest.raises(MalformedMessage):
        read_index_op(json.dumps({**ABOUT, "op": op}))


def test_a_refusal_does_not_repeat_what_the_message_said() -> None:
    body = json.dumps({**json.loads(PartReady.of(PART).model_dump_json()), "first": "hunter2"})
    with pytest.raises(MalformedMessage) as caught:
        read(PartReady, body)
    assert "hunter2" not in str(caught.value)
