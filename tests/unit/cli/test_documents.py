from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from ragline.domain.documents import Status
from tests.unit.cli.fakes import FakeApi, outside, problem, run


def test_status_shows_counts_and_reason() -> None:
    api = FakeApi()
    api.add(
        "d1",
        status="failed",
        progress={"percent": "50%", "pages_total": 4, "pages_done": 2, "chunks_total": 7},
        reason={"code": "corrupt", "message": "damaged.", "page": 3, "chunk": None},
    )
    result = run(outside(api), "status", "d1")
    assert result.exit_code == 1
    for shown in ("failed", "50%", "2 of 4", "7:", "damaged. (corrupt, page 3)"):
        assert shown in result.stdout


def test_status_tells_where_the_text_of_pages_came_from_and_how_many_have_none() -> None:
    api = FakeApi()
    pages = {"text": 38, "ocr": 2, "image": 1, "blank": 3, "failed": 0}
    progress = {"pages_total": 44, "pages_done": 44, "pages": pages, "coverage": 0.9756}
    api.add("d1", status="indexed", progress=progress)
    shown = run(outside(api), "status", "d1").stdout
    assert "44 of 44: 38 text, 2 by OCR, 1 without text, 3 blank (coverage 97%)" in shown


def test_status_of_a_document_that_is_wholly_known_needs_no_coverage() -> None:
    api = FakeApi()
    progress = {"pages_total": 2, "pages_done": 2, "pages": {"text": 2}, "coverage": 1.0}
    api.add("d1", status="indexed", progress=progress)
    shown = run(outside(api), "status", "d1").stdout
    assert "2 of 2: 2 text" in shown
    assert "coverage" not in shown


FAILURES: dict[str, Any] = {
    "failures": [
        {
            "generation": 2,
            "reason": {
                "code": "throttled",
                "message": "the model was busy.",
                "stage": "embed",
                "page": 3,
                "chunk": 7,
            },
            "attempts": 5,
            "first": "2026-01-01T10:00:00.000Z",
            "last": "2026-01-01T10:31:00.000Z",
        }
    ],
    "failed_chunks": [
        {"first": 7, "count": 3, "code": "throttled"},
        {"first": 12, "count": 1, "code": "embedding_failed"},
    ],
    "failed_chunks_cut": True,
}


def test_status_of_a_partial_document_tells_what_failed_how_often_and_when() -> None:
    api = FakeApi(failures={"d1": FAILURES})
    api.add("d1", status="partial")
    result = run(outside(api), "status", "d1")
    assert result.exit_code == 1
    assert "failed chunks: 7–9 (throttled), 12 (embedding_failed), …" in result.stdout
    assert "page 3, chunk 7: the model was busy." in result.stdout
    shown = result.stdout.splitlines()[-1].strip()
    times = "2026-01-01 10:00 to 2026-01-01 10:31 (UTC)"
    assert shown == f"throttled in embed, version 2, 5 attempts, {times}"


@pytest.mark.parametrize("width", [60, 80])
def test_what_failed_can_be_read_in_a_narrow_terminal(width: int) -> None:
    reason = {"code": "unsupported_type", "stage": "split", "message": "song.mp3: a recording."}
    failures = {"failures": [{**FAILURES["failures"][0], "reason": reason}]}
    api = FakeApi(failures={"d1": failures})
    api.add("d1", status="failed")
    lines = run(outside(api), "status", "d1", width=width).stdout.splitlines()
    assert "song.mp3: a recording." in [line.strip() for line in lines]


def test_status_of_a_healthy_document_asks_for_no_failures() -> None:
    api = FakeApi(failures={"d1": FAILURES})
    api.add("d1")
    assert "throttled" not in run(outside(api), "status", "d1").stdout
    assert len(api.requests) == 1


def test_status_shows_no_more_failures_than_fit_a_screen_and_says_so() -> None:
    many = FAILURES["failures"] * 25
    api = FakeApi(failures={"d1": {**FAILURES, "failures": many}})
    api.add("d1", status="failed")
    assert "5 more failures" in run(outside(api), "status", "d1").stdout
    told = json.loads(run(outside(api), "status", "d1", "--json").stdout)
    assert len(told["failures"]) == 25
    assert told["failed_chunks"] == FAILURES["failed_chunks"]
    assert told["status"] == "failed"


def test_status_as_json_is_the_api_s_answer() -> None:
    api = FakeApi()
    api.add("d1", something_new={"x": 1})
    result = run(outside(api), "status", "d1", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == api.documents["d1"]


def test_status_of_an_unknown_document_exits_with_4() -> None:
    result = run(outside(), "status", "nope")
    assert result.exit_code == 4
    assert result.stdout == ""
    assert result.stderr.startswith("error: there is no document nope")


def test_with_json_an_error_is_an_object_too() -> None:
    result = run(outside(), "status", "nope", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["error"]["code"] == "not_found"


def test_an_id_that_no_document_can_have_is_never_sent() -> None:
    api = FakeApi()
    assert run(outside(api), "status", "../info").exit_code == 2
    assert api.requests == []


def test_ls_follows_the_cursor_up_to_the_limit() -> None:
    api = FakeApi(page=2)
    for number in range(5):
        api.add(f"d{number}")
    everything = json.loads(run(outside(api), "ls", "--json").stdout)
    assert [each["document_id"] for each in everything["documents"]] == [f"d{n}" for n in range(5)]
    assert everything["more"] is False
    some = json.loads(run(outside(api), "ls", "--json", "--limit", "3").stdout)
    assert len(some["documents"]) == 3
    assert some["more"] is True


def test_ls_filters_by_collection_and_status() -> None:
    api = FakeApi()
    api.add("d1", collection="papers", status="failed")
    api.add("d2", collection="papers")
    api.add("d3", status="failed")
    result = run(outside(api), "ls", "-c", "papers", "--status", "failed")
    assert "d1" in result.stdout
    assert "d2" not in result.stdout
    assert "d3" not in result.stdout


def test_ls_of_an_empty_collection_says_so_and_is_no_failure() -> None:
    result = run(outside(), "ls")
    assert result.exit_code == 0
    assert "no documents in default" in result.stdout


def test_ls_knows_every_status_and_no_other() -> None:
    for status in Status:
        assert run(outside(), "ls", "--status", status.value).exit_code == 0
    assert run(outside(), "ls", "--status", "lost").exit_code == 2


def test_rm_deletes_each_document_once() -> None:
    api = FakeApi()
    api.add("d1")
    api.add("d2")
    result = run(outside(api), "rm", "d1", "d2", "d1", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"deleted": ["d1", "d2"], "failed": []}
    assert api.documents == {}


def test_rm_goes_on_after_a_document_that_is_not_there() -> None:
    api = FakeApi()
    api.add("d2")
    result = run(outside(api), "rm", "nope", "d2")
    assert result.exit_code == 4
    assert "deleted d2" in result.stdout
    assert "there is no document nope" in result.stderr


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "invalid_request", 2),
        (400, "unknown_field", 2),
        (404, "not_found", 4),
        (409, "conflict", 2),
        (500, "internal_error", 1),
        (503, "service_unavailable", 1),
        (500, "a_code_of_a_later_version", 1),
        (404, "a_code_of_a_later_version", 4),
        (404, "no_such_route", 3),
        (500, "setup_error", 3),
    ],
)
def test_an_error_of_the_api_becomes_an_exit_code(status: int, code: str, exit_code: int) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        return problem(status, code, "what went wrong.")

    result = run(outside(refuse), "status", "d1")
    assert result.exit_code == exit_code
    assert result.stderr.startswith("error: what went wrong.")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (httpx.Response(403, json={"message": "Forbidden"}), "RAGLINE_API_KEY"),
        (httpx.Response(404, text="<h1>nginx</h1>"), "no Ragline API"),
        (httpx.Response(200, text="<h1>hello</h1>"), "does not answer as a Ragline API"),
        (httpx.Response(200, json={"hello": 1}), "does not answer as a Ragline API"),
    ],
)
def test_something_that_is_no_ragline_api_exits_with_3(response: httpx.Response, says: str) -> None:
    result = run(outside(lambda request: response), "status", "d1")
    assert result.exit_code == 3
    assert says in result.stderr


def test_what_a_document_is_called_cannot_move_the_cursor() -> None:
    api = FakeApi()
    api.add("d1", filename="a\x1b[2J\x1b]0;title\x07.md")
    result = run(outside(api), "ls")
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


def test_trouble_of_the_api_names_the_trace_to_look_for() -> None:
    body = {"code": "internal_error", "detail": "It is logged.", "trace_id": "1-abc"}
    result = run(outside(lambda request: httpx.Response(500, json=body)), "status", "d1")
    assert "trace_id 1-abc" in result.stderr
    assert "ragline logs api" in result.stderr


def test_a_listing_says_in_which_clock_its_times_are(tmp_path: Path) -> None:
    api = FakeApi()
    path = tmp_path / "a.md"
    path.write_text("x")
    run(outside(api), "push", str(path))
    header, row = run(outside(api), "ls").stdout.splitlines()
    assert header.rstrip().endswith("created (UTC)")
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d$", row.rstrip())
