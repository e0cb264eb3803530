"""Everything that a request can be too much of has a limit, and an error that names it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from ragline.api.boundary import MAX_JSON_BYTES, MAX_JSON_DEPTH, check_depth
from ragline.domain.errors import InvalidRequest
from tests.unit.api.world import World

JSON = {"content-type": "application/json"}
QUERY, DOCUMENTS, REDRIVE = "/api/v2/query", "/api/v2/documents", "/api/v2/redrive"
SECONDS = 1.0
"""Of the processor; each of these takes some thousandths."""


def question(**fields: Any) -> dict[str, Any]:
    return {"question": "ferry", **fields}


def filtered(**filters: Any) -> dict[str, Any]:
    return question(filters=filters)


def file(**fields: Any) -> dict[str, Any]:
    return {"filename": "a.md", "size": 5, **fields}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (QUERY, {"question": "ferry " * 50_000}, "characters"),
        (QUERY, question(top_k=101), "100"),
        (QUERY, question(collection="x" * 64), "collection"),
        (QUERY, filtered(document_id="x" * 129), "128"),
        (QUERY, filtered(document_ids=["x" * 129]), "128"),
        (QUERY, filtered(document_ids=["x"] * 101), "100"),
        (QUERY, filtered(page={"from": 10**30}), "1000000"),
        (QUERY, filtered(page={"to": 2**63}), "1000000"),
        (QUERY, filtered(metadata={f"k{n}": n for n in range(51)}), "50"),
        (QUERY, filtered(metadata={"k": "x" * 100_000}), "characters"),
        (QUERY, filtered(metadata={"k": ["x"]}), "metadata"),
        (QUERY, question(weights={"dense": 1e308}), "1000"),
        (DOCUMENTS, file(filename="x" * 256), "filename"),
        (DOCUMENTS, file(document_id="x" * 129), "document_id"),
        (DOCUMENTS, file(checksum="a" * 100_000), "checksum"),
        (DOCUMENTS, file(content_type="text/" + "x" * 100_000), "content_type"),
        (DOCUMENTS, file(metadata={"k": "x" * 100_000}), "characters"),
        (REDRIVE, {"since": "9" * 100_000}, "since"),
        (REDRIVE, {"code": "x" * 100_000}, "code"),
        (REDRIVE, {"collection": "handbook", "limit": 10**9}, "limit"),
    ],
)
def test_a_field_that_is_too_much_is_refused_at_once_and_told(
    api: TestClient, path: str, body: dict[str, Any], told: str
) -> None:
    began = time.process_time()
    answer = api.post(path, json=body)
    assert time.process_time() - began < SECONDS
    assert answer.status_code == 400, answer.text
    assert told in answer.json()["detail"] and len(answer.text) < 2_000


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        (DOCUMENTS, {"limit": 10**9}),
        (DOCUMENTS, {"limit": "9" * 5_000}),
        (DOCUMENTS, {"cursor": "A" * 50_000}),
        (f"{DOCUMENTS}/guide/chunks", {"cursor": "A" * 50_000}),
        (f"{DOCUMENTS}/guide/chunks", {"limit": 10**9}),
        (DOCUMENTS, {f"a{n}": n for n in range(5_000)}),
    ],
)
def test_a_list_is_bounded_by_its_page_and_its_cursor(
    api: TestClient, world: World, path: str, parameters: dict[str, Any]
) -> None:
    world.indexed("The ferry leaves at noon.", document_id="guide")
    began = time.process_time()
    assert api.get(path, params=parameters).status_code == 400
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("path", [QUERY, DOCUMENTS, REDRIVE])
@pytest.mark.parametrize("piece", ["[", '{"a":', '[{"a":'])
def test_json_that_nests_too_deep_is_refused_before_it_is_read(
    api: TestClient, path: str, piece: str
) -> None:
    began = time.process_time()
    answer = api.post(path, content=piece * (MAX_JSON_BYTES // len(piece)), headers=JSON)
    assert time.process_time() - began < SECONDS
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert f"limit of {MAX_JSON_DEPTH} levels" in answer.json()["detail"]


def test_brackets_in_a_text_are_no_nesting(api: TestClient) -> None:
    assert api.post(QUERY, json={"question": '[{"' * 300}).status_code == 200
    check_depth(b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH)
    check_depth(b'{"a":[]},' * 100)
    with pytest.raises(InvalidRequest):
        check_depth(b"[" * (MAX_JSON_DEPTH + 1))


def test_a_text_full_of_quotes_is_scanned_once() -> None:
    """The brackets before it are what makes a body worth a scan."""
    half = MAX_JSON_BYTES // 2
    for text in (b'"' * MAX_JSON_BYTES, b'"\\' * half, b'\\"' * half, b'"' + b'\\"' * half + b"\\"):
        began = time.process_time()
        check_depth(b"[]" * (MAX_JSON_DEPTH + 1) + text)
        assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    "content",
    [
        b'{"question":"ferry","top_k":' + b"9" * 100_000 + b"}",
        b'{"question":"ferry","top_k":1e400}',
        b'{"question":"ferry","weights":{"dense":NaN}}',
        b'{"question":"\\ud800"}',
        b'{"question":"\xff"}',
        b"\x00" * 1_000,
    ],
)
def test_json_that_is_no_request_is_a_400(api: TestClient, content: bytes) -> None:
    answer = api.post(QUERY, content=content, headers=JSON)
    assert answer.status_code == 400, answer.text
