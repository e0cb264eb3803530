from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.unit.cli.fakes import FakeApi, outside, problem, redriven, run


def asked(api: FakeApi) -> dict[str, Any]:
    """The only request's body, without what is always in it."""
    (body,) = api.bodies
    return {name: value for name, value in body.items() if name != "limit"}


def test_what_is_tried_again_and_what_is_not_is_told_with_the_reason() -> None:
    api = FakeApi(page=10)
    api.troubled = [
        redriven("d1"),
        redriven("d2", chunks=0, split_again=True),
        redriven("d3", status="failed", chunks=0, skipped="it failed for good: corrupt (1)."),
    ]
    result = run(outside(api), "redrive", "--all")
    assert result.exit_code == 0
    rows = [line.rstrip() for line in result.stdout.splitlines()]
    assert rows[1].split() == ["d1", "d1.md", "processing", "3", "chunks"]
    assert rows[2].endswith("the whole file")
    assert rows[3].endswith("skipped: it failed for good: corrupt (1).")
    assert rows[4] == "2 tried again, 1 skipped."


def test_a_dry_run_says_would() -> None:
    api = FakeApi()
    api.troubled = [redriven("d1")]
    result = run(outside(api), "redrive", "--all", "--dry-run")
    assert "1 would be tried again, 0 skipped." in result.stdout
    assert asked(api) == {"force": False, "dry_run": True}


def test_every_option_becomes_a_condition() -> None:
    api = FakeApi()
    api.add("d1")
    options = ["--document", "d1", "-c", "papers", "--code", "throttled", "--force"]
    run(outside(api), "redrive", *options, "--since", "2026-01-01T00:00:00+01:00")
    assert asked(api) == {
        "document_id": "d1",
        "collection": "papers",
        "code": "throttled",
        "since": "2025-12-31T23:00:00.000Z",
        "force": True,
        "dry_run": False,
    }


def test_since_may_be_a_span_of_time_as_for_logs() -> None:
    api = FakeApi()
    run(outside(api), "redrive", "--since", "2h")
    ago = datetime.now(UTC) - datetime.fromisoformat(asked(api)["since"])
    assert timedelta(hours=2) <= ago < timedelta(hours=2, minutes=1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "or --all"),
        (["--force", "--dry-run"], "or --all"),
        (["--all", "--code", "throttled"], "--all goes without"),
        (["--code", ""], "--code is empty"),
        (["--since", "yesterday"], "--since 'yesterday'"),
        (["--since", ""], "--since ''"),
        (["--document", "not an id"], "document_id 'not an id'"),
        (["--document", ""], "document_id ''"),
        (["--collection", "No Such Name"], "collection 'No Such Name'"),
        (["--collection", ""], "collection ''"),
    ],
)
def test_a_redrive_of_nobody_knows_what_is_refused_before_anything_is_sent(
    options: list[str], says: str
) -> None:
    api = FakeApi()
    result = run(outside(api), "redrive", *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert api.requests == []


def test_all_pages_are_read() -> None:
    api = FakeApi(page=2)
    api.troubled = [redriven(f"d{number}") for number in range(5)]
    told = json.loads(run(outside(api), "redrive", "--all", "--json").stdout)
    assert told == {"documents": api.troubled, "tried": 5, "skipped": 0, "dry_run": False}


def test_documents_that_fail_again_at_once_are_not_tried_for_ever() -> None:
    """Each that was tried fails again, and so stands at the end of the listing once more."""
    rounds = iter(range(100))

    def endless(request: httpx.Request) -> httpx.Response:
        page = [redriven(f"d{next(rounds) % 3}")]
        return httpx.Response(202, json={"documents": page, "cursor": "more"})

    told = json.loads(run(outside(endless), "redrive", "--all", "--json").stdout)
    assert [each["document_id"] for each in told["documents"]] == ["d0", "d1", "d2"]


def test_an_empty_page_in_between_does_not_end_it() -> None:
    pages = iter([([], "1"), ([redriven("d1")], "2"), ([], None)])

    def paged(request: httpx.Request) -> httpx.Response:
        documents, cursor = next(pages)
        return httpx.Response(200, json={"documents": documents, "cursor": cursor})

    assert "1 tried again" in run(outside(paged), "redrive", "-c", "papers").stdout


def test_nothing_to_do_is_no_failure() -> None:
    result = run(outside(FakeApi()), "redrive", "--all")
    assert result.exit_code == 0
    assert "nothing failed that this selects." in result.stdout


def test_exits_with_1_when_all_that_was_selected_is_skipped() -> None:
    api = FakeApi()
    api.add("d1")
    api.troubled = [redriven("d1", skipped="document 'd1' is indexed: nothing to retry.")]
    result = run(outside(api), "redrive", "--document", "d1")
    assert result.exit_code == 1
    assert "is indexed: nothing to retry." in result.stdout


def test_an_unknown_document_exits_with_4() -> None:
    result = run(outside(FakeApi()), "redrive", "--document", "nope")
    assert result.exit_code == 4
    assert "there is no document nope" in result.stderr


def test_what_was_started_before_an_error_is_told_all_the_same() -> None:
    api = FakeApi(page=1)
    api.troubled = [redriven("d1"), redriven("d2")]

    def breaks(request: httpx.Request) -> httpx.Response | None:
        if b"cursor" in request.content:
            return problem(500, "internal_error", "it broke.")
        return None

    api.override = breaks
    result = run(outside(api), "redrive", "--all")
    assert result.exit_code == 1
    assert "1 tried again" in result.stdout
    assert result.stderr.startswith("error: stopped there: it broke.")
    told = json.loads(run(outside(api), "redrive", "--all", "--json").stdout)
    assert [each["document_id"] for each in told["documents"]] == ["d1"]
    assert told["error"]["code"] == "internal_error"
