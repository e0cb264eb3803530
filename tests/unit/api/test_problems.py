"""Every error is problem+json, tells the caller what to do, and nothing of our insides."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from ragline.api import problems
from ragline.api.app import create_app
from ragline.api.boundary import MAX_JSON_BYTES
from ragline.domain import errors
from ragline.settings import Settings
from tests.unit.api.world import World

SECRET = "https://bucket/uploads/a.md?X-Amz-Signature=abc"


class Lines(logging.Handler):
    """Keeps what is logged, whole."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logger = logging.getLogger(problems._log().name)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def all_errors(kind: type[errors.RaglineError]) -> Iterator[type[errors.RaglineError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from all_errors(below)


def is_problem(answer: Any, status: int, code: str) -> bool:
    body = answer.json()
    return bool(
        answer.status_code == body["status"] == status
        and answer.headers["content-type"] == "application/problem+json"
        and body["code"] == code
        and body["type"] == f"urn:ragline:problem:{code}"
        and body["title"]
        and body["detail"]
        and body["trace_id"] == answer.headers["x-trace-id"]
    )


@pytest.mark.parametrize("kind", list(all_errors(errors.RaglineError)), ids=lambda kind: kind.code)
def test_every_error_of_the_tree_has_a_status_and_answers_as_a_problem(
    kind: type[errors.RaglineError], world: World, api: TestClient
) -> None:
    world.broken["ledger"] = kind("what went wrong")
    answer = api.get("/api/v2/documents/guide")
    assert is_problem(answer, problems.status_of(kind), kind.code)
    told = "what went wrong" in answer.json()["detail"]
    assert told == (answer.status_code < 500)


def test_the_kinds_of_errors_keep_to_their_class_of_status() -> None:
    for kind in all_errors(errors.RequestError):
        assert 400 <= problems.status_of(kind) < 500
    for kind in all_errors(errors.PermanentError):
        assert 400 <= problems.status_of(kind) < 500
    for kind in all_errors(errors.TransientError):
        assert problems.status_of(kind) == 503


def test_a_busy_service_is_a_503_that_says_when_to_come_again(
    world: World, api: TestClient
) -> None:
    world.broken["ledger"] = errors.Throttled("slow down")
    answer = api.get("/api/v2/documents/guide")
    assert int(answer.headers["retry-after"]) > 0


def test_an_unexpected_error_is_told_without_any_of_its_details(
    world: World, api: TestClient, lines: Lines
) -> None:
    world.broken["ledger"] = ZeroDivisionError(SECRET)

    answer = api.get("/api/v2/documents/guide")

    assert is_problem(answer, 500, "internal_error")
    assert "ZeroDivision" not in answer.text
    assert "Traceback" not in answer.text
    assert SECRET not in answer.text


def test_an_unexpected_error_is_logged_with_its_place_and_without_its_message(
    world: World, api: TestClient, lines: Lines
) -> None:
    world.broken["ledger"] = ZeroDivisionError(SECRET)

    answer = api.get("/api/v2/documents/guide")

    [record] = lines.records
    logged = vars(record)
    assert logged["error_type"] == "ZeroDivisionError"
    assert any("world.py" in place for place in logged["error_at"])
    assert logged["trace_id"] == answer.json()["trace_id"]
    assert logged["path"] == "/api/v2/documents/guide"
    assert SECRET not in str(logged)
    assert record.exc_info is None


def test_the_caller_s_mistakes_are_not_logged_as_ours(
    world: World, api: TestClient, lines: Lines
) -> None:
    api.get("/api/v2/documents/unknown")
    api.get("/nowhere")
    assert lines.records == []


def test_an_unknown_route_and_a_wrong_method_are_problems(api: TestClient) -> None:
    assert is_problem(api.get("/nowhere"), 404, "no_such_route")
    assert is_problem(api.get("/api/v2/documents/"), 404, "no_such_route")
    wrong = api.put("/api/v2/query")
    assert is_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


def test_a_body_over_the_limit_is_refused_whether_or_not_its_length_is_declared(
    api: TestClient,
) -> None:
    big = b" " * (MAX_JSON_BYTES + 1)
    for content in (big, iter([big[:1_000], big[1_000:]])):
        answer = api.post("/api/v2/query", content=content)
        assert is_problem(answer, 413, "too_large")
        assert f"{MAX_JSON_BYTES:,} bytes" in answer.json()["detail"]


def test_several_wrong_fields_are_told_at_once(api: TestClient) -> None:
    answer = api.post("/api/v2/query", json={"query": "a", "top_k": 0, "mode": "x", "y": 1})
    assert is_problem(answer, 400, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == ["top_k", "mode", "y"]
    assert "(and 2 more)" in answer.json()["detail"]


def test_a_wrong_value_is_not_repeated_in_the_answer(api: TestClient) -> None:
    answer = api.post("/api/v2/query", json={"query": ["a secret text"]})
    assert answer.status_code == 400
    assert "secret" not in answer.text


def test_no_origin_may_call_from_a_browser_unless_the_settings_name_it(world: World) -> None:
    with TestClient(create_app(world)) as client:
        assert "access-control-allow-origin" not in ask_from(client, "https://a.example").headers
    world.config = Settings(cors_origins="https://a.example, https://b.example")
    with TestClient(create_app(world)) as client:
        for origin in ("https://a.example", "https://b.example"):
            allowed = ask_from(client, origin).headers["access-control-allow-origin"]
            assert allowed == origin
        assert "access-control-allow-origin" not in ask_from(client, "https://c.example").headers


def ask_from(client: TestClient, origin: str) -> Any:
    return client.get("/health", headers={"origin": origin})
