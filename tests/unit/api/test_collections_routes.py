"""/api/v2/collections, and the sections that queries return of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ragline.domain.chunks import CHUNKS_PER_PART, Part, Section
from ragline.domain.documents import Partition
from ragline.domain.messages import CollectionWalk
from ragline.usecases.parts import read_part, write_part
from tests.unit.api.callers import caller
from tests.unit.api.world import World

FAMILY = {"strategy": "parent_child", "max_tokens": 48, "section_tokens": 300}
PATH = "/api/v2/collections/handbook"


def put(api: Any, chunking: Any, **more: Any) -> Any:
    return api.put(PATH, json={"chunking": chunking, **more})


def test_a_collection_is_cut_by_default_until_someone_chooses(world: World, api: Any) -> None:
    world.indexed("one", "two")
    found = api.get(PATH).json()
    assert found["default"] is True and found["walk"] is None and found["updated_at"] is None
    assert found["chunking"] == {
        "strategy": "section",
        "max_tokens": 254,
        "overlap_tokens": 32,
        "tables": "rows",
        "section_tokens": None,
    }
    assert (found["counts"]["documents"], found["counts"]["chunks"]) == (1, 2)
    assert found["counts"]["by_status"] == {"indexed": 1}


def test_a_choice_is_answered_with_how_many_documents_it_is_for(world: World, api: Any) -> None:
    world.indexed("one", "two")
    answer = put(api, FAMILY)
    assert answer.status_code == 202
    found = answer.json()
    assert found["chunking"] == {**FAMILY, "overlap_tokens": 8, "tables": "rows"}
    assert (found["default"], found["counts"]["behind"]) == (False, 1)
    assert found["walk"]["kind"] == "recut" and found["walk"]["ended_at"] is None
    (message,) = world.the_queues.pages
    assert isinstance(message, CollectionWalk)
    assert message.partition == Partition("default", "handbook")
    assert api.get("/api/v2/collections").json() == {"collections": ["handbook"]}


def test_null_is_the_deployments_own(api: Any) -> None:
    put(api, FAMILY)
    assert put(api, None).json()["default"] is True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "chunking"),
        ({"chunking": {"strategy": "magic"}}, "strategy"),
        ({"chunking": {"max_tokens": 8}}, "max_tokens"),
        ({"chunking": {"max_tokens": 300}}, "max_tokens"),
        ({"chunking": {"max_tokens": 32, "overlap_tokens": 17}}, "overlap_tokens"),
        ({"chunking": {"tables": "columns"}}, "tables"),
        ({"chunking": {"strategy": "fixed", "tables": "rows"}}, "tables"),
        ({"chunking": {"section_tokens": 100}}, "section_tokens"),
        ({"chunking": {"size": 100}}, "size"),
        ({"chunking": None, "agian": True}, "agian"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(
    world: World, api: Any, body: dict[str, Any], field: str
) -> None:
    answer = api.put(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert field in answer.text
    assert not world.the_queues.pages


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_collection_that_holds_nothing_is_not_found(api: Any, method: str) -> None:
    answer = api.request(method, "/api/v2/collections/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_impossible_name_is_refused(api: Any, method: str) -> None:
    answer = api.request(method, "/api/v2/collections/No%20Name", json={"chunking": None})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_collection_is_deleted_by_a_walk_and_cannot_be_configured_meanwhile(
    world: World, api: Any
) -> None:
    world.indexed("one")
    answer = api.delete(PATH)
    assert (answer.status_code, answer.json()["walk"]["kind"]) == (202, "delete")
    assert put(api, FAMILY).status_code == 409
    assert len(world.the_queues.pages) == 1


def test_another_tenants_collections_are_not_seen(world: World) -> None:
    world.indexed("one", tenant="other")
    with caller(world) as client:
        put(client, FAMILY)
        assert client.get("/api/v2/collections").json() == {"collections": ["handbook"]}
    with caller(world, tenant="third") as client:
        assert client.get("/api/v2/collections").json() == {"collections": []}
        assert client.get(PATH).status_code == 404


def test_a_hit_shows_its_section_and_the_next_names_who_carries_it(world: World, api: Any) -> None:
    document = world.indexed("A key opens the gate.", "The key is old.")
    record = world.the_ledger._records["default", "guide"]
    cut = replace(document, fingerprint="parser-1/chunker-2/parent_child-64-8-rows-512")
    world.the_ledger._records["default", "guide"] = replace(record, document=cut)
    part = Part(document.partition, "guide", 1, 0, CHUNKS_PER_PART)
    chunks = read_part(world.the_objects, part)
    gaps = ["", " "]
    sections = [replace(c, section=Section(0, 1, g)) for c, g in zip(chunks, gaps, strict=True)]
    # Their spans as they would lie in one text.
    sections[1] = replace(sections[1], start=sections[0].end + 1)
    sections[1] = replace(sections[1], end=sections[1].start + len(sections[1].text))
    write_part(world.the_objects, part, sections)
    asked = {"query": "key", "collection": "handbook"}
    first, second = api.post("/api/v2/query", json=asked).json()["hits"]
    assert first["section"] == {
        "text": "A key opens the gate. The key is old.",
        "carried_by": first["chunk_id"],
        "ordinals": {"first": 0, "last": 1},
        "page": 1,
        "page_end": 1,
    }
    assert (second["section"]["text"], second["section"]["carried_by"]) == (
        None,
        first["chunk_id"],
    )
