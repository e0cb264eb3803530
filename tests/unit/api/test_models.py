"""A collection of another embedding model is no empty collection: a query says so."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ragline.adapters.lance.index import LanceIndexes
from ragline.adapters.memory.index import MemoryIndex
from ragline.api.app import create_app
from ragline.domain.documents import Partition
from ragline.domain.errors import ServiceUnavailable
from ragline.embedding.hashing import HashEmbedder
from tests.unit.api.world import World

BODY = {"query": "the rain gauge", "collection": "handbook"}


class Renamed(HashEmbedder):
    """Of other dimensions, and of the same name: a model folder that was put together by hand."""

    @property
    def fingerprint(self) -> str:
        return "hash-1-64"


@pytest.mark.parametrize("mode", ["hybrid", "dense", "bm25"])
def test_a_collection_of_another_model_answers_with_both_names(
    api: TestClient, world: World, mode: str
) -> None:
    world.indexed("The rain gauge is emptied at nine.")
    world.the_embedder = HashEmbedder(128)
    answer = api.post("/api/v2/query", json={**BODY, "mode": mode})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "model_mismatch"
    for said in ("'handbook'", "hash-1-64", "hash-1-128", "ragline migrate --model"):
        assert said in answer.json()["detail"]


def test_a_model_of_other_dimensions_is_refused_with_both_numbers(
    api: TestClient, world: World
) -> None:
    world.indexed("The rain gauge is emptied at nine.")
    world.the_embedder = Renamed(128)
    answer = api.post("/api/v2/query", json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (409, "model_mismatch")
    assert "64" in answer.json()["detail"]
    assert "128" in answer.json()["detail"]


def test_so_it_is_by_a_real_index(tmp_path: object, world: World) -> None:
    world.the_indexes = LanceIndexes(str(tmp_path))  # type: ignore[assignment]
    world.indexed("The rain gauge is emptied at nine.")
    with TestClient(create_app(world)) as api:
        world.the_embedder = HashEmbedder(128)
        other = api.post("/api/v2/query", json=BODY)
        world.the_embedder = Renamed(128)
        longer = api.post("/api/v2/query", json=BODY)
        world.the_embedder = HashEmbedder()
        assert len(api.post("/api/v2/query", json=BODY).json()["hits"]) == 1
    for answer in (other, longer):
        assert (answer.status_code, answer.json()["code"]) == (409, "model_mismatch")
    assert "hash-1-64" in other.json()["detail"]
    assert "vectors of 64 numbers" in longer.json()["detail"]
    assert "one of 128" in longer.json()["detail"]


@pytest.mark.parametrize(
    "filters",
    [{"document_id": "guide"}, {"metadata": {"year": 2025}}, {"page": {"from": 2}}],
    ids=str,
)
def test_a_filtered_query_may_find_nothing_and_counts_no_rows(
    api: TestClient, world: World, filters: dict[str, object]
) -> None:
    world.indexed("The rain gauge is emptied at nine.", metadata={"year": 2025})
    world.the_embedder = HashEmbedder(128)
    answer = api.post("/api/v2/query", json={**BODY, "filters": filters})
    assert (answer.status_code, answer.json()["hits"]) == (200, [])
    assert "indexes" not in world.asked


def test_filters_that_filter_nothing_are_none(api: TestClient, world: World) -> None:
    world.indexed("The rain gauge is emptied at nine.")
    world.the_embedder = HashEmbedder(128)
    filters = {"document_id": None, "document_ids": None, "metadata": {}, "page": {"from": None}}
    answer = api.post("/api/v2/query", json={**BODY, "filters": filters})
    assert (answer.status_code, answer.json()["code"]) == (409, "model_mismatch")


class Uncountable(MemoryIndex):
    def count(self, partition: Partition, document_id: str | None = None) -> int:
        raise ServiceUnavailable("it does not answer")


def test_an_empty_answer_stands_where_the_rows_cannot_be_counted(
    api: TestClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragline.adapters.memory.index.MemoryIndex", Uncountable)
    answer = api.post("/api/v2/query", json=BODY)
    assert (answer.status_code, answer.json()["hits"]) == (200, [])


def test_a_collection_that_is_empty_is_just_empty(api: TestClient, world: World) -> None:
    world.indexed("The rain gauge is emptied at nine.")
    answer = api.post("/api/v2/query", json={**BODY, "collection": "papers"})
    assert (answer.status_code, answer.json()["hits"]) == (200, [])


def test_words_that_match_nothing_are_no_mismatch(api: TestClient, world: World) -> None:
    world.indexed("The rain gauge is emptied at nine.")
    answer = api.post("/api/v2/query", json={**BODY, "query": "zebra", "mode": "bm25"})
    assert (answer.status_code, answer.json()["hits"]) == (200, [])
