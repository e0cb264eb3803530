"""Search over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from ragline.api import schemas
from ragline.api.app import create_app
from ragline.domain.documents import Partition
from ragline.usecases.search import SearchRequest, SearchResult
from tests.overlap import OverlapReranker
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
        "parent": None,
        "parent_filename": None,
        "path_in_parent": None,
        "page": 1,
        "page_end": 1,
        "headings": ["Top"],
        "span": {"start": 0, "end": len(BAROMETER)},
        "metadata": {"year": 2025, "draft": False},
        "section": None,
        "snippet": {
            "text": BAROMETER,
            "start": 0,
            "end": len(BAROMETER),
            "highlights": [{"start": 4, "end": 13}, {"start": 17, "end": 21}],
        },
        "legs": None,
        "rerank": None,
        "matched_terms": None,
        "highlights": None,
    }
    assert set(answer.json()["legs"]) == {"dense", "bm25"}
    assert answer.json()["reranker"] is None
    assert answer.json()["timings_ms"]["total"] >= 0


def test_explain_tells_each_leg_s_rank_and_score_and_the_words_that_matched(
    api: TestClient, handbook: World
) -> None:
    hit = ask(api, query="barometer Morning", explain=True).json()["hits"][0]
    assert hit["legs"]["dense"]["rank"] == 1
    assert hit["legs"]["bm25"]["rank"] == 1
    assert hit["legs"]["bm25"]["score"] > 0
    assert hit["rerank"] is None
    assert hit["matched_terms"] == ["barometer", "Morning"]
    marked = [hit["text"][mark["start"] : mark["end"]] for mark in hit["highlights"]]
    assert marked == ["barometer", "morning"]


def test_a_snippet_is_the_part_of_a_long_passage_that_answers(
    api: TestClient, world: World
) -> None:
    filler = "Weather is told by looking at the sky. " * 20
    world.indexed(f"{filler}{BAROMETER} {filler}")
    hit = ask(api, query="barometer").json()["hits"][0]
    snippet = hit["snippet"]
    assert BAROMETER in snippet["text"]
    assert snippet["text"] == hit["text"][snippet["start"] : snippet["end"]]
    assert len(snippet["text"]) <= 240
    (mark,) = snippet["highlights"]
    assert snippet["text"][mark["start"] : mark["end"]] == "barometer"


def test_a_hit_by_meaning_alone_has_the_passage_s_beginning_as_its_snippet(
    api: TestClient, handbook: World
) -> None:
    hit = ask(api, query="thunderstorm", mode="dense", explain=True).json()["hits"][0]
    assert hit["snippet"] == {
        "text": hit["text"],
        "start": 0,
        "end": len(hit["text"]),
        "highlights": [],
    }
    assert (hit["matched_terms"], hit["highlights"]) == ([], [])


def test_a_word_that_only_the_heading_holds_is_told_as_matched(
    api: TestClient, handbook: World
) -> None:
    hits = ask(api, query="top barometers", explain=True).json()["hits"]
    terms = {hit["text"]: hit["matched_terms"] for hit in hits}
    assert terms[BAROMETER] == ["barometers", "top"]
    assert terms[GAUGE] == ["top"]


def test_a_leg_that_finds_nothing_is_seen_and_told(api: TestClient, handbook: World) -> None:
    for question in ("thunderstorm", "to be or not to be"):
        answer = ask(api, query=question).json()
        assert answer["legs"] == {"dense": 3, "bm25": 0}
        assert len(answer["notes"]) == 1, answer["notes"]
    assert ask(api, query="barometer").json()["notes"] == []


def test_the_deployment_s_reranker_orders_the_hits_if_asked_to(
    api: TestClient, handbook: World
) -> None:
    handbook.the_reranker = OverlapReranker()
    answer = ask(api, query="gauge noon", rerank=True, explain=True).json()
    assert answer["reranker"] == "overlap"
    assert answer["hits"][0]["rerank"] == {"rank": 1, "score": 1.0}

    handbook.asked.clear()
    answer = ask(api, query="gauge noon", explain=True).json()
    assert answer["reranker"] is None
    assert answer["hits"][0]["rerank"] is None
    assert "reranker" not in handbook.asked


def test_to_ask_for_reranking_where_there_is_none_is_refused_with_what_to_do(
    api: TestClient, handbook: World
) -> None:
    answer = ask(api, query="gauge", rerank=True)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert "no reranker" in answer.json()["detail"]
    assert "late-interaction" in answer.json()["detail"]
    assert ask(api, query="gauge").status_code == 200


def test_what_a_query_met_is_told_once_it_is_answered_and_not_if_it_is_refused(
    handbook: World,
) -> None:
    told: list[SearchResult] = []
    with TestClient(create_app(handbook, on_search=told.append)) as api:
        ask(api, query="thunderstorm")
        ask(api, query="  ")
    (result,) = told
    assert dict(result.legs) == {"dense": 3, "bm25": 0}


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
        {"document_ids": []},
        {"document_ids": ["x"], "document_id": "guide"},
    ]
    for filters in nothing:
        assert ask(api, query="the", mode="dense", filters=filters).json()["hits"] == []
    everything: list[Any] = [{"metadata": {"draft": False}}, {"document_id": "guide"}]
    everything += [{"document_ids": None}, {"document_ids": ["guide", "x"], "document_id": "guide"}]
    for filters in everything:
        assert len(ask(api, query="the", mode="dense", filters=filters).json()["hits"]) == 3


def test_who_may_read_no_document_finds_none_and_is_told_why(
    api: TestClient, handbook: World
) -> None:
    answer = ask(api, query="barometer", filters={"document_ids": []}).json()
    assert (answer["hits"], answer["legs"]) == ([], {})
    assert "names no document" in answer["notes"][0]


def test_a_document_without_an_id_is_refused_and_not_taken_for_all(
    api: TestClient, handbook: World
) -> None:
    answer = ask(api, query="barometer", filters={"document_id": ""})
    assert answer.status_code == 400
    assert "document_id" in answer.text


def test_a_weight_of_zero_silences_its_leg(api: TestClient, handbook: World) -> None:
    def order(**weights: float) -> list[tuple[int, int | None]]:
        found = ask(api, query="morning rain", explain=True, weights=weights).json()["hits"]
        legs = [hit["legs"] for hit in found]
        return [(leg["dense"]["rank"], leg.get("bm25", {}).get("rank")) for leg in legs]

    both = order()
    assert [dense for dense, _ in order(bm25=0)] == sorted(dense for dense, _ in both)
    ranked = [bm25 for _, bm25 in order(dense=0) if bm25]
    assert ranked == sorted(ranked)
    assert order(bm25=0) != order(dense=0)


def test_weights_that_are_left_out_are_the_search_s_own() -> None:
    own = SearchRequest(Partition("tenant", "collection"), "query").weights
    assert (schemas.queries.Weights().dense, schemas.queries.Weights().bm25) == own


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
        ({"query": "a", "rerank": "yes"}, "rerank", "valid boolean"),
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
        (b"[" * 100_000, "application/json", "nests deeper"),
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
