"""Documents within documents over HTTP, on the whole pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from ragline.api.app import create_app
from ragline.api.views_webhooks import TEXTS
from ragline.domain.changes import Change
from ragline.domain.children import child_id
from ragline.domain.tenants import Caps
from tests.samples import zipped
from tests.unit.api.world import World
from tests.unit.bucket import Bucket

DOCUMENTS = "/api/v2/documents"
PAPERS = {
    "a/lamps.txt": "The lamp over the door is out.",
    "b/gates.txt": "The gate opens at nine.",
    "cranes.txt": "The brake of the crane is worn.",
}


@pytest.fixture
def bucket() -> Bucket:
    bucket = Bucket()
    bucket.take_in(zipped(PAPERS))
    return bucket


def world_of(bucket: Bucket) -> World:
    pipeline = bucket.pipeline
    world = World(the_objects=bucket.objects)
    world.the_ledger, world.the_queues = pipeline.ledger, pipeline.queues
    world.the_indexes = pipeline.indexes
    return world


@pytest.fixture
def over(bucket: Bucket) -> Iterator[TestClient]:
    with TestClient(create_app(world_of(bucket))) as api:
        yield api


def listed(api: TestClient, **params: Any) -> list[str]:
    """The paths of a listing, page by page."""
    found, cursor = list[str](), None
    while True:
        more: dict[str, Any] = {"cursor": cursor} if cursor else {}
        answer = api.get(DOCUMENTS, params={"parent": "doc", **params, **more})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [one["path_in_parent"] for one in page["documents"]]
        cursor = page["cursor"]
        if cursor is None:
            return found


def test_an_archive_says_how_many_files_came_in_it_and_each_of_them_where(
    over: TestClient,
) -> None:
    parent = over.get(f"{DOCUMENTS}/doc").json()
    assert (parent["children"], parent["parent"]) == (3, None)
    name = child_id("doc", "b/gates.txt")
    child = over.get(f"{DOCUMENTS}/{name}").json()
    assert (child["filename"], child["path_in_parent"]) == ("gates.txt", "b/gates.txt")
    assert (child["parent"], child["parent_filename"]) == ("doc", "papers.zip")
    assert child["metadata"] == {"year": 2026}


def test_children_are_listed_by_path_page_by_page(over: TestClient, bucket: Bucket) -> None:
    assert listed(over) == sorted(PAPERS)
    assert listed(over, limit=1) == sorted(PAPERS)
    bucket.pipeline.delete(child_id("doc", "b/gates.txt"))
    assert listed(over, limit=1) == ["a/lamps.txt", "cranes.txt"]


def test_a_listing_of_children_takes_nothing_but_limit_and_cursor(over: TestClient) -> None:
    refused = over.get(DOCUMENTS, params={"parent": "doc", "status": "indexed"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert "only limit and cursor" in refused.json()["detail"]
    assert over.get(DOCUMENTS, params={"parent": "nothing"}).status_code == 404
    wrong = over.get(DOCUMENTS, params={"parent": "doc", "cursor": "!"})
    assert wrong.status_code == 400


def test_a_hit_names_the_archive_that_its_file_is_in(over: TestClient) -> None:
    asked = {"query": "worn brake crane", "collection": "handbook", "top_k": 1}
    (hit,) = over.post("/api/v2/query", json=asked).json()["hits"]
    assert hit["filename"] == "cranes.txt"
    assert (hit["parent"], hit["parent_filename"]) == ("doc", "papers.zip")
    assert hit["path_in_parent"] == "cranes.txt"


def test_what_was_left_in_an_archive_is_among_its_failures() -> None:
    bucket = Bucket()
    bucket.pipeline.ledger.cap("default", Caps(documents=3))
    bucket.take_in(zipped(PAPERS))
    with TestClient(create_app(world_of(bucket))) as api:
        (left,) = api.get(f"{DOCUMENTS}/doc/failures").json()["failures"]
    assert left["reason"]["code"] == "quota_exceeded"
    assert left["reason"]["message"].startswith("cranes.txt: ")
    assert left["reason"]["stage"] == "split"


def test_no_child_answers_once_the_deletion_of_its_archive_has_returned(
    over: TestClient, bucket: Bucket
) -> None:
    asked = {"query": "lamp gate crane brake door", "collection": "handbook"}
    assert len(over.post("/api/v2/query", json=asked).json()["hits"]) >= 3
    assert over.delete(f"{DOCUMENTS}/doc").status_code == 204
    assert over.post("/api/v2/query", json=asked).json()["hits"] == []
    assert listed(over) == []
    bucket.settle()
    assert over.delete(f"{DOCUMENTS}/doc").status_code == 204
    assert bucket.pipeline.examine().healthy


def test_an_event_tells_of_each_child_and_of_its_parent(bucket: Bucket) -> None:
    child = bucket.children()["cranes.txt"]
    told = json.loads(TEXTS.event(Change(child, ended=True)))
    assert told["type"] == "document.indexed"
    assert told["document"]["parent"] == "doc"
    assert told["document"]["path_in_parent"] == "cranes.txt"
