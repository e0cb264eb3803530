"""Queries over HTTP: what they find, and how they refuse."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ragline.usecases.search import MAX_QUERY_CHARACTERS
from tests.e2e.stack import Stack, texts
from tests.samples import SENTENCE, pdf

pytestmark = pytest.mark.e2e

COLLECTION = "queries"
NOTES = {
    "tides": ("The tide turns twice a day in the harbour.", {"year": 2024, "draft": True}),
    "moon": ("The moon pulls the sea and makes the tide.", {"year": "2024", "draft": False}),
    "reef": ("Corals build the reef; the tide feeds them.", {"year": 2025, "weight": 0.5}),
    "chess": ("黑豹队的防守只丢了 308分, the best of the league.", {"lang": "zh"}),
}


@pytest.fixture(scope="module", autouse=True)
def indexed(stack: Stack) -> dict[str, str]:
    """Four notes and a PDF of two pages; name → document id."""
    ids = {
        name: stack.upload(f"{name}.txt", text.encode(), COLLECTION, metadata=metadata)
        for name, (text, metadata) in NOTES.items()
    }
    ids["handbook"] = stack.upload("handbook.pdf", pdf(), COLLECTION)
    stack.indexed(*ids.values())
    return ids


def ask(stack: Stack, body: Any = None, **parts: Any) -> httpx.Response:
    if body is not None:
        parts["json"] = {"collection": COLLECTION, **body}
    return stack.api.post("/api/v2/query", **parts)


def assert_problem(answer: httpx.Response, status: int, code: str) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["code"]) == (status, code)
    assert told["detail"]
    assert told["trace_id"] == answer.headers["x-trace-id"]
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return told


def found(answer: Any) -> set[str]:
    return {hit["filename"].split(".")[0] for hit in answer["hits"]}


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"question": ""}, "invalid_request", None),
        ({"question": " \n\t"}, "invalid_request", None),
        ({"question": "tide " * 2_000}, "invalid_request", None),
        ({}, "invalid_request", "body"),
        ({"question": "a", "query": "b"}, "invalid_request", "body"),
        ({"question": None}, "invalid_request", "body"),
        ({"question": 7}, "invalid_request", "question"),
        ({"question": ["tide"]}, "invalid_request", "question"),
        ({"question": "tide", "top_k": 0}, "invalid_request", "top_k"),
        ({"question": "tide", "top_k": -1}, "invalid_request", "top_k"),
        ({"question": "tide", "top_k": 101}, "invalid_request", "top_k"),
        ({"question": "tide", "top_k": 10**30}, "invalid_request", "top_k"),
        ({"question": "tide", "top_k": "5"}, "invalid_request", "top_k"),
        ({"question": "tide", "top_k": 2.5}, "invalid_request", "top_k"),
        ({"question": "tide", "mode": "magic"}, "invalid_request", "mode"),
        ({"question": "tide", "explain": "yes"}, "invalid_request", "explain"),
        ({"question": "tide", "topk": 5}, "invalid_request", "topk"),
        ({"question": "tide", "tenant": "other"}, "invalid_request", "tenant"),
        ({"question": "tide", "rerank": "yes"}, "invalid_request", "rerank"),
        ({"question": "tide", "collection": "No Such!"}, "invalid_request", None),
        ({"question": "tide", "collection": "../other"}, "invalid_request", None),
        ({"question": "tide", "filters": {"author": "x"}}, "invalid_request", "filters.author"),
        ({"question": "tide", "filters": []}, "invalid_request", "filters"),
        ({"question": "tide", "filters": {"page": {"from": 0}}}, "invalid_request",
         "filters.page.from"),
        ({"question": "tide", "filters": {"page": {"from": 3, "to": 2}}}, "invalid_request",
         "filters.page"),
        ({"question": "tide", "filters": {"metadata": {"year": [2024]}}}, "invalid_request", None),
        ({"question": "tide", "filters": {"metadata": {"no such": 1}}}, "invalid_request", None),
        ({"question": "tide", "filters": {"metadata": {"author": "Ada"}}}, "unknown_field", None),
        ({"question": "tide", "weights": {"dense": 0, "bm25": 0}}, "invalid_request", None),
        ({"question": "tide", "weights": {"dense": -1}}, "invalid_request", "weights.dense"),
    ],
)  # fmt: skip
def test_a_query_that_is_wrong_is_a_400_that_names_the_field(
    stack: Stack, body: dict[str, Any], code: str, field: str | None
) -> None:
    told = assert_problem(ask(stack, body), 400, code)
    assert told.get("field") == field


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"tide"', b"{'question': 'tide'}", b"\xff\xfe", b"\0", b"[" * 9000,
     b'{"question": "\\ud800"}', b'{"question": "tide", "top_k": NaN}'],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_a_400(stack: Stack, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert_problem(ask(stack, content=content, headers=headers), 400, "invalid_request")


def test_a_body_of_a_megabyte_is_a_413(stack: Stack) -> None:
    assert_problem(ask(stack, {"question": "x" * 2**20}), 413, "too_large")


@pytest.mark.parametrize("route", ["/api/v2/documents", "/api/v2/info"])
def test_a_misspelt_query_parameter_is_refused(stack: Stack, route: str) -> None:
    answer = stack.api.get(route, params={"colection": "x"})
    assert_problem(answer, 400, "invalid_request")


def test_without_the_right_api_key_everything_but_health_is_a_401(stack: Stack) -> None:
    wrong = {"x-api-key": "wrong"}
    for headers in ({}, wrong):
        for method, path in (
            ("POST", "/api/v2/query"),
            ("GET", "/api/v2/documents"),
            ("POST", "/api/v2/documents"),
            ("DELETE", "/api/v2/documents/x"),
            ("GET", "/api/v2/info"),
        ):
            answer = stack.anyone.request(method, stack.api_url + path, headers=headers)
            assert answer.status_code == 401, (method, path, answer.text)
    assert stack.anyone.get(f"{stack.api_url}/health").json() == {"status": "ok"}


@pytest.mark.parametrize("mode", ["dense", "bm25", "hybrid"])
def test_each_mode_puts_the_best_passage_first_and_explains_only_its_legs(
    stack: Stack, mode: str
) -> None:
    answer = stack.query("corals of the reef", COLLECTION, mode=mode, explain=True)
    asked = {"dense", "bm25"} if mode == "hybrid" else {mode}
    assert answer["hits"][0]["filename"] == "reef.txt"
    assert {
        leg: place["rank"] for leg, place in answer["hits"][0]["legs"].items()
    } == dict.fromkeys(asked, 1)
    assert set(answer["legs"]) == asked
    spent = answer["timings_ms"]
    assert {"total", "ledger", *asked} <= set(spent)
    assert ("embed" in spent) == (mode != "bm25")
    assert 0 < spent["ledger"] <= spent["total"]


def test_hits_are_ranked_by_score_and_explained_only_when_asked(stack: Stack) -> None:
    hits = stack.query("the tide of the sea", COLLECTION)["hits"]
    assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert all(hit.get("legs") is None for hit in hits)


def test_top_k_bounds_the_hits(stack: Stack) -> None:
    for top_k in (1, 3, 100):
        hits = stack.query("tide", COLLECTION, mode="dense", top_k=top_k)["hits"]
        assert len(hits) == min(top_k, 6), "four notes, and two passages of the handbook"


def test_only_stop_words_are_a_question_by_meaning_but_not_by_keyword(stack: Stack) -> None:
    assert stack.query("the of and", COLLECTION, mode="bm25")["hits"] == []
    answer = stack.query("the of and", COLLECTION)
    assert len(answer["hits"]) == 6
    assert answer["legs"]["bm25"] == 0
    assert "keyword" in answer["notes"][0]


def test_a_chinese_word_is_found_within_a_chinese_sentence(stack: Stack) -> None:
    answer = stack.query("防守", COLLECTION, mode="bm25", explain=True)
    assert found(answer) == {"chess"}
    (hit,) = answer["hits"]
    (mark,) = hit["snippet"]["highlights"]
    assert hit["snippet"]["text"][mark["start"] : mark["end"]] == "防守"
    assert hit["matched_terms"] == ["防守"]


@pytest.mark.parametrize(
    "question",
    ['"reef', "+reef -tide", "reef AND NOT", "reef~2 (", "text:reef*", "'; DROP TABLE reef; --",
     "reef\\", "reef\u0000", "🪸 reef", "%reef%_", "${reef}", "<b>reef</b>"],
)  # fmt: skip
def test_no_character_of_a_question_is_an_operator(stack: Stack, question: str) -> None:
    assert "reef" in found(stack.query(question, COLLECTION, mode="bm25"))
    assert "reef" in found(stack.query(question, COLLECTION))


def test_a_question_as_long_as_allowed_is_answered(stack: Stack) -> None:
    question = ("reef " * MAX_QUERY_CHARACTERS)[:MAX_QUERY_CHARACTERS]
    assert found(stack.query(question, COLLECTION, mode="bm25")) == {"reef"}
    assert stack.query(question, COLLECTION)["hits"][0]["filename"] == "reef.txt"


def test_filters_by_document_take_one_or_several(stack: Stack, indexed: dict[str, str]) -> None:
    one = stack.query("tide", COLLECTION, filters={"document_id": indexed["moon"]})
    both = {"document_ids": [indexed["moon"], indexed["reef"], "unknown"]}
    assert found(one) == {"moon"}
    assert found(stack.query("tide", COLLECTION, filters=both)) == {"moon", "reef"}
    assert stack.query("tide", COLLECTION, filters={"document_id": "unknown"})["hits"] == []


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"year": 2024}, {"tides"}),
        ({"year": "2024"}, {"moon"}),
        ({"year": 2024.0}, set()),
        ({"draft": False}, {"moon"}),
        ({"draft": 0}, set()),
        ({"weight": 0.5}, {"reef"}),
        ({"year": 2024, "draft": True}, {"tides"}),
        ({"year": 2024, "draft": False}, set()),
        ({"lang": "x' OR '1'='1"}, set()),
    ],
)
def test_filters_by_metadata_compare_value_and_type(
    stack: Stack, metadata: dict[str, Any], expected: set[str]
) -> None:
    for mode in ("dense", "hybrid"):
        answer = stack.query("tide", COLLECTION, mode=mode, filters={"metadata": metadata})
        assert found(answer) == expected


def test_a_page_range_leaves_out_what_lies_outside_it(stack: Stack) -> None:
    second = stack.query("instruments", COLLECTION, filters={"page": {"from": 2, "to": 2}})
    assert [hit["page"] for hit in second["hits"]] == [2]
    assert SENTENCE in texts(second)[0]
    first = stack.query("instruments", COLLECTION, filters={"page": {"to": 1}})
    assert [hit["page"] for hit in first["hits"]] == [1]
    assert stack.query("instruments", COLLECTION, filters={"page": {"from": 3}})["hits"] == []


def test_a_collection_without_documents_answers_with_no_hits(stack: Stack) -> None:
    assert stack.query("tide", "never-used")["hits"] == []
