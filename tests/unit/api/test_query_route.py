"""Search over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.unit.api.world import World

BAROMETER = "The barometer is read every morning."
GAUGE = "The rain gauge is emptied at noon."


@pytest.fixture
def handbook(world: World) -> World:
    world.indexed(BAROMETER, GAUGE, "Close the door.", metadata={"year": 2025, "draft": False})
    return world


def ask(api: TestClient, **fields: Any) -> Any:
    return api.post("/api/v2/query", json={"collection": "handbook", **fields})


def test_a_hit_carries_its_text_and_everything_a_citation_needs(
    api: TestClient, handbook: World
) -> None:
    answer = ask(api, question="when is the barometer read")

    assert answer.status_code == 200
    hit = answer.json()["hits"][0]
    assert hit.pop("score") > 0
    assert hit == {
        "rank": 1,
        "text": BAROMETER,
        "document_id": "guide",
        "chunk_id": "guide:1:0",
        "ordinal": 0,
        "filename": "guide.md",
        "page": 1,
        "page_end": 1,
        "headings": ["Top"],
        "span": {"start": 0, "end": len(BAROMETER)},
        "metadata": {"year": 2025, "draft": False},
        "legs": None,
    }
    assert set(answer.json()["legs"]) == {"dense", "bm25"}
    assert answer.json()["timings_ms"]["total"] >= 0


def test_explain_tells_each_leg_s_rank_and_score(api: TestClient, handbook: World) -> None:
    hit = ask(api, query="barometer morning", explain=True).json()["hits"][0]
    assert hit["legs"]["dense"]["rank"] == 1
    assert hit["legs"]["bm25"]["rank"] == 1
    assert hit["legs"]["bm25"]["score"] > 0


def test_top_k_mode_and_filters_reach_the_search(api: TestClient, handbook: World) -> None:
    assert len(ask(api, query="the", mode="dense", top_k=2).json()["hits"]) == 2
    keywords = ask(api, query="barometer", mode="bm25").json()
    assert [hit["text"] for hit in keywords["hits"]] == [BAROMETER]
    assert set(keywords["legs"]) == {"bm25"}
    page_two = ask(api, query="the", mode="dense", filters={"page": {"from": 2, "to": 2}})
    assert [hit["page"] for hit in page_two.json()["hits"]] == [2]
    page_one = ask(api, query="the", mode="dense", filters={"page": {"to": 1}})
    assert [hit["page"] for hit in page_one.json()["hits"]] == [1, 1]
    nothing: list[Any] = [
        {"metadata": {"year": 2024}},
        {"document_id": "x"},
        {"document_ids": ["x"]},
    ]
    for filters in nothing:
        assert ask(api, query="the", mode="dense", filters=filters).json()["hits"] == []
    everything: list[Any] = [{"metadata": {"draft": False}}, {"document_id": "guide"}]
    for filters in everything:
        assert len(ask(api, query="the", mode="dense", filters=filters).json()["hits"]) == 3


def test_a_weight_of_zero_silences_its_leg(api: TestClient, handbook: World) -> None:
    fields = {"query": "rain gauge", "explain": True, "weights": {"dense": 0.0, "bm25": 1.0}}
    first = ask(api, **fields).json()["hits"][0]
    assert first["score"] == pytest.approx(1 / (60 + first["legs"]["bm25"]["rank"]))


def test_a_deleted_document_is_not_found_although_its_rows_are_there(
    api: TestClient, handbook: World
) -> None:
    api.delete("/api/v2/documents/guide")
    assert ask(api, query="barometer").json()["hits"] == []


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({}, "body", "either 'question' or 'query'"),
        ({"query": "a", "question": "a"}, "body", "either 'question' or 'query'"),
        ({"query": "a", "topk": 3}, "topk", "no such field"),
        ({"query": "a", "top_k": 0}, "top_k", "greater than or equal to 1"),
        ({"query": "a", "top_k": 101}, "top_k", "less than or equal to 100"),
        ({"query": "a", "top_k": "5"}, "top_k", "valid integer"),
        ({"query": "a", "mode": "magic"}, "mode", "'hybrid', 'dense' or 'bm25'"),
        ({"query": "a", "rerank": True}, "rerank", "not offered yet"),
        ({"query": "a", "filters": {"colour": 1}}, "filters.colour", "no such field"),
        ({"query": "a", "filters": {"page": {"from": 0}}}, "filters.page.from", "or equal to 1"),
        ({"query": "a", "filters": {"page": {"from": 3, "to": 2}}}, "filters.page", "after 'to'"),
        ({"query": "a", "weights": {"dense": -1}}, "weights.dense", "or equal to 0"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(
    api: TestClient, fields: dict[str, Any], field: str, says: str
) -> None:
    answer = ask(api, **fields)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["field"] == field
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"query": "  "}, "invalid_request"),
        ({"query": "x" * 2_001}, "invalid_request"),
        ({"query": "a", "weights": {"dense": 0, "bm25": 0}}, "invalid_request"),
        ({"query": "a", "filters": {"metadata": {"year": [1]}}}, "invalid_request"),
        ({"query": "a", "filters": {"metadata": {"yaer": 2025}}}, "unknown_field"),
        ({"query": "a", "collection": "../x"}, "invalid_request"),
    ],
)
def test_what_the_search_refuses_is_the_caller_s_problem(
    api: TestClient, handbook: World, fields: dict[str, Any], code: str
) -> None:
    answer = ask(api, **fields)
    assert answer.status_code == 400
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("content", "content_type", "says"),
    [
        (b"{", "application/json", "no JSON"),
        (b'{"query": "a"}', "text/plain", "send a JSON object"),
        (b"[]", "application/json", "send a JSON object"),
        (b"", "application/json", "send a JSON object"),
        (b"[" * 100_000, "application/json", "cannot be read"),
        (b'{"query": "\xff"}', "application/json", "cannot be read"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    api: TestClient, content: bytes, content_type: str, says: str
) -> None:
    answer = api.post("/api/v2/query", content=content, headers={"content-type": content_type})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]
