from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.cli.fakes import FakeApi, outside, problem, run

CHUNKING = {
    "strategy": "parent_child",
    "max_tokens": 64,
    "overlap_tokens": 8,
    "tables": "rows",
    "section_tokens": 512,
}


def collection(behind: int = 0, status: str = "indexed", ended: str | None = "t") -> dict[str, Any]:
    return {
        "name": "reports",
        "chunking": CHUNKING,
        "default": False,
        "counts": {
            "documents": 2,
            "by_status": {status: 2},
            "chunks": 40,
            "behind": behind,
            "complete": True,
        },
        "walk": {
            "kind": "recut",
            "started_at": "2026-01-31T12:00:00.000Z",
            "ended_at": ended,
            "seen": 2,
            "changed": 1,
            "left": 1,
        },
        "updated_at": "2026-01-31T12:00:00.000Z",
    }


def answering(*bodies: Any) -> FakeApi:
    """Each answer once, the last one from then on; a number is the status of a problem."""
    left = list(bodies)
    api = FakeApi()

    def answer(request: httpx.Request) -> httpx.Response:
        body = left.pop(0) if len(left) > 1 else left[0]
        return problem(404, "not_found", "gone.") if body == 404 else httpx.Response(200, json=body)

    api.override = answer
    return api


def test_collections_are_listed_by_name() -> None:
    result = run(outside(answering({"collections": ["letters", "reports"]})), "collections", "ls")
    assert result.stdout.splitlines() == ["letters", "reports"]


def test_a_collection_is_shown_with_what_it_holds_and_how_far_a_change_is() -> None:
    result = run(outside(answering(collection(behind=1))), "collections", "show", "reports")
    told = " ".join(result.stdout.split())
    assert "parent_child, max_tokens 64, overlap_tokens 8, tables rows, section_tokens 512" in told
    assert "2 documents (2 indexed), 40 passages" in told
    assert "1 document not yet cut like that" in told
    assert "2 seen, 1 ingested again, 1 left as they are" in told


def test_only_what_is_chosen_is_sent_and_what_follows_is_said() -> None:
    api = answering(collection(behind=2))
    words = ["--strategy", "sentence", "--max-tokens", "96", "--overlap", "0", "--tables", "text"]
    result = run(outside(api), "collections", "set", "reports", *words)
    assert result.exit_code == 0
    (request,) = api.requests
    assert (request.method, request.url.path) == ("PUT", "/live/api/v2/collections/reports")
    assert json.loads(request.content) == {
        "chunking": {
            "strategy": "sentence",
            "max_tokens": 96,
            "overlap_tokens": 0,
            "tables": "text",
        },
        "again": False,
    }
    assert "2 documents to be ingested again." in result.stderr


def test_default_and_again_are_sent_as_such() -> None:
    api = answering(collection())
    run(outside(api), "collections", "set", "reports", "--default", "--again")
    assert json.loads(api.requests[0].content) == {"chunking": None, "again": True}


@pytest.mark.parametrize("words", [[], ["--default", "--max-tokens", "64"], ["--max-tokens", "8"]])
def test_nothing_or_a_contradiction_is_refused_before_anything_is_sent(words: list[str]) -> None:
    api = answering(collection())
    assert run(outside(api), "collections", "set", "reports", *words).exit_code == 2
    assert not api.requests


def test_waiting_ends_when_the_walk_has_and_nothing_is_under_way() -> None:
    api = answering(
        collection(behind=2, ended=None),
        collection(behind=2, ended=None),
        collection(behind=2, status="splitting"),
        collection(),
    )
    result = run(outside(api), "collections", "set", "reports", "--max-tokens", "64", "--wait")
    assert result.exit_code == 0
    assert [request.method for request in api.requests] == ["PUT", "GET", "GET", "GET"]


def test_what_stayed_behind_a_walk_that_is_over_is_said_where_to_look_for() -> None:
    shown = run(outside(answering(collection(behind=1))), "collections", "show", "reports").stdout
    assert "`ragline ls --collection reports --status failed` lists" in shown
    going = answering(collection(behind=1, ended=None))
    assert "ragline ls" not in run(outside(going), "collections", "show", "reports").stdout


def test_what_stays_behind_after_waiting_is_an_error() -> None:
    api = answering(collection(behind=1))
    result = run(outside(api), "collections", "set", "reports", "--max-tokens", "64", "--wait")
    assert result.exit_code == 1


def test_waiting_is_given_up_in_time() -> None:
    api = answering(collection(ended=None))
    words = ["--max-tokens", "64", "--wait", "--timeout", "5"]
    result = run(outside(api), "collections", "set", "reports", *words)
    assert result.exit_code == 1
    assert "not done after 5 seconds" in " ".join(result.stderr.split())


def test_deleting_asks_first_and_waits_until_the_collection_is_gone() -> None:
    api = answering(collection(), collection(), collection(), 404)
    result = run(outside(api), "collections", "rm", "reports", "--yes", "--wait")
    assert result.exit_code == 0
    assert [request.method for request in api.requests] == ["GET", "DELETE", "GET", "GET"]
    assert "reports: 2 documents deleted." in result.stdout
    api = answering(collection())
    assert run(outside(api), "collections", "rm", "reports").exit_code == 1
    assert [request.method for request in api.requests] == ["GET"]


def test_a_collection_that_is_not_there_is_said_so() -> None:
    result = run(outside(answering(404)), "collections", "show", "nowhere")
    assert result.exit_code == 4


@pytest.mark.parametrize("command", ["show", "rm"])
def test_an_impossible_name_is_refused(command: str) -> None:
    api = answering(collection())
    assert run(outside(api), "collections", command, "No Name").exit_code == 2
    assert not api.requests


def test_json_is_what_the_api_gave() -> None:
    result = run(outside(answering(collection())), "collections", "show", "reports", "--json")
    assert json.loads(result.stdout) == collection()
