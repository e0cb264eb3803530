from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from ragline.cli.app import app
from ragline.cli.outside import Outside
from ragline.cli.target import sockets_url
from ragline.cli.watch import Watched, told
from tests.unit.cli.fakes import FakeApi, outside, problem, run

SECRET = "whsec_of_a_test"
HOOK: dict[str, Any] = {
    "webhook_id": "wh_1",
    "url": "https://example.com/hooks",
    "collections": ["reports"],
    "statuses": ["failed", "indexed"],
    "created_at": "2026-01-31T12:00:00.000Z",
    "disabled": None,
}


def answering(status: int, body: Any) -> FakeApi:
    api = FakeApi()
    api.override = lambda request: httpx.Response(status, json=body)
    return api


def test_a_webhook_is_registered_as_asked_and_its_secret_is_printed_alone() -> None:
    api = answering(201, {**HOOK, "secret": SECRET})
    options = ["-c", "reports", "-c", "letters", "--status", "failed"]
    result = run(outside(api), "webhooks", "add", HOOK["url"], *options)
    assert result.exit_code == 0
    assert result.stdout == f"{SECRET}\n"
    (request,) = api.requests
    assert json.loads(request.content) == {
        "url": HOOK["url"],
        "collections": ["reports", "letters"],
        "statuses": ["failed"],
    }


def test_without_filters_none_are_sent() -> None:
    api = answering(201, {**HOOK, "secret": SECRET})
    run(outside(api), "webhooks", "add", HOOK["url"], "--json")
    assert json.loads(api.requests[0].content) == {"url": HOOK["url"]}


def test_webhooks_are_listed_with_what_they_hear_and_why_one_does_not() -> None:
    gone = {**HOOK, "webhook_id": "wh_2", "collections": None, "disabled": "it answered 410"}
    result = run(outside(answering(200, {"webhooks": [HOOK, gone]})), "webhooks", "ls")
    _, first, second = result.stdout.splitlines()
    assert first.split() == ["wh_1", HOOK["url"], "reports", "failed,", "indexed"]
    assert "all" in second.split()
    assert second.rstrip().endswith("disabled: it answered 410")


def test_what_was_not_delivered_is_shown() -> None:
    letter = {"event_id": "evt_1", "event_time": "t", "why": "it answered 500", "attempts": 9}
    api = answering(200, {**HOOK, "undelivered": [letter]})
    result = run(outside(api), "webhooks", "show", "wh_1")
    assert "evt_1 it answered 500 (9 attempts)" in result.stdout


def test_rotate_redrive_and_rm_call_their_routes() -> None:
    for words, status, body, route in (
        (["rotate", "wh_1"], 200, {**HOOK, "secret": SECRET}, "POST wh_1/rotate"),
        (["redrive", "wh_1"], 202, {"events": ["evt_1"]}, "POST wh_1/redrive"),
        (["rm", "wh_1"], 204, None, "DELETE wh_1"),
    ):
        api = answering(status, body)
        assert run(outside(api), "webhooks", *words).exit_code == 0
        (request,) = api.requests
        path = request.url.path.removeprefix("/live/api/v2/webhooks/")
        assert f"{request.method} {path}" == route


def test_an_unknown_webhook_is_exit_code_four() -> None:
    api = FakeApi()
    api.override = lambda request: problem(404, "not_found", "there is no webhook 'wh_9'.")
    result = run(outside(api), "webhooks", "show", "wh_9")
    assert result.exit_code == 4
    assert "wh_9" in result.stderr


def test_watch_wants_to_know_what() -> None:
    result = run(outside(), "watch")
    assert result.exit_code == 2
    assert "--document" in result.stderr


def test_watch_says_what_is_missing_where_only_the_api_is_known() -> None:
    result = run(outside(), "watch", "-c", "reports")
    assert result.exit_code == 3
    assert "RAGLINE_SOCKETS_URL" in result.stderr


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (
            "https://cloudformation.eu-central-1.amazonaws.com",
            "wss://abc.execute-api.eu-central-1.amazonaws.com/live",
        ),
        ("http://127.0.0.1:4566", "ws://127.0.0.1:4566/_aws/execute-api/abc/live"),
    ],
)
def test_the_sockets_are_found_beside_the_stack(endpoint: str, url: str) -> None:
    assert sockets_url(endpoint, "eu-central-1", "abc") == url


def message(status: str = "processing", at: int = 1, generation: int = 1) -> dict[str, Any]:
    counts = {"percent": "50%", "chunks_total": 4, "indexed": 2, "failed": 0}
    return {
        "type": "progress", "document_id": "d1", "collection": "reports", "status": status,
        "generation": generation, "updated_at": f"2026-01-31T12:00:0{at}.000Z",
        "progress": counts, "event_id": None,
    }  # fmt: skip


def test_an_older_message_does_not_undo_a_newer_one() -> None:
    watched = Watched([{"document_id": "d1"}], {"d1"})
    assert watched.take(message("processing", at=2))
    assert not watched.take(message("splitting", at=1))
    assert not watched.take(message("processing", at=2))
    assert watched.take(message("indexed", at=3))
    assert watched.over
    assert not watched.troubled
    assert watched.take(message("failed", at=1, generation=2))
    assert watched.troubled


def test_a_collection_is_never_over() -> None:
    watched = Watched([{"collection": "reports"}])
    watched.take(message("indexed"))
    assert not watched.over


def test_a_line_tells_how_far_a_document_is() -> None:
    assert told(message()).plain.split() == [
        "2026-01-31T12:00:01.000Z", "processing", "50%", "2/4", "chunks", "d1",
    ]  # fmt: skip


def run_narrow(world: Outside, *args: str) -> Result:
    """The same on a terminal of 80 columns."""
    env = {"COLUMNS": "80", "NO_COLOR": "1"}
    return CliRunner(env=env).invoke(app, list(args), obj=world)


def test_at_80_columns_an_id_can_be_copied_and_the_url_is_folded() -> None:
    name, url = f"wh_{'0123456789abcdef' * 2}", f"https://example.com/hooks/{'a' * 60}"
    long = {**HOOK, "webhook_id": name, "url": url}
    shown = run_narrow(outside(answering(200, {"webhooks": [long]})), "webhooks", "ls").stdout
    head, first, *rest = shown.splitlines()
    assert head.split() == ["webhook", "url", "collections", "ends"]
    assert first.split()[0] == name
    folded = [row[len(name) :].split()[0] for row in (first, *rest) if row[len(name) :].strip()]
    assert "".join(folded).startswith(url)
    assert all(len(line) <= 80 for line in shown.splitlines())
