from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from ragline.cli.analyse import numbers
from tests.unit.cli.fakes import FakeApi, not_found, outside, problem, run

DONE: dict[str, Any] = {
    "status": "done",
    "progress": "2 of 2 pages",
    "model": "nova",
    "pages_failed": 1,
    "cost": 0.0123,
    "answers": [
        {"page": 1, "answer": "A chart\x1b[31m of rain.", "truncated": True},
        {"page": 2, "reason": {"code": "model_refused", "message": "it will not."}},
    ],
}


class Seeing(FakeApi):
    """An API whose analyses go through these states, one a look."""

    def __init__(self, *states: dict[str, Any]) -> None:
        super().__init__(override=self._see)
        self.states = list(states)
        self.asked: list[Any] = []

    def _see(self, request: httpx.Request) -> httpx.Response | None:
        path = request.url.path.removeprefix("/live/api/v2/documents/")
        document_id, _, rest = path.partition("/")
        if not rest.startswith("analyses"):
            return None
        if document_id not in self.documents:
            return not_found(document_id)
        known = {"analysis_id": "01A", "document_id": document_id, "status": "queued"}
        if request.method == "POST":
            self.asked.append((document_id, json.loads(request.content)))
            return httpx.Response(202, json=known)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return httpx.Response(200, json={**known, **state})


def test_the_answers_are_shown_by_page_with_what_they_cost() -> None:
    api = Seeing({"status": "rendering"}, {"status": "analysing", "progress": "1 of 2 pages"}, DONE)
    api.add("d1")
    result = run(outside(api), "analyse", "d1", "What is on it?", "--pages", "1-2")
    assert result.exit_code == 0, result.output
    assert api.asked == [("d1", {"prompt": "What is on it?", "pages": [1, 2]})]
    for shown in ("A chart[31m of rain. …", "it will not. (model_refused)", "$0.0123", "done"):
        assert shown in result.stdout
    assert "analysing, 1 of 2 pages" in result.stderr


def test_a_file_is_pushed_first(tmp_path: Path) -> None:
    api = Seeing(DONE)
    file = tmp_path / "scan.pdf"
    file.write_bytes(b"%PDF-1.7")
    result = run(outside(api), "analyse", str(file), "?", "--max-cost", "0.5", "--json")
    assert result.exit_code == 0, result.output
    assert api.asked == [("doc1", {"prompt": "?", "max_cost": 0.5})]
    assert json.loads(result.stdout)["answers"][0]["page"] == 1


def test_one_that_failed_says_why_and_what_to_do() -> None:
    reason = {"code": "encrypted", "message": "a password is needed."}
    api = Seeing({"status": "failed", "reason": reason, "advice": "Upload a copy without."})
    api.add("d1")
    result = run(outside(api), "analyse", "d1", "?")
    assert result.exit_code == 1
    assert "a password is needed. (encrypted)" in result.stdout
    assert "Upload a copy without." in result.stdout


def test_without_waiting_its_id_is_told() -> None:
    api = Seeing(DONE)
    api.add("d1")
    result = run(outside(api), "analyse", "d1", "?", "--no-wait", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "analysis_id": "01A",
        "document_id": "d1",
        "status": "queued",
    }


def test_one_that_does_not_end_in_time_is_a_failure_that_tells_how_far_it_is() -> None:
    api = Seeing({"status": "analysing", "progress": "1 of 2 pages"})
    api.add("d1")
    result = run(outside(api), "analyse", "d1", "?", "--timeout", "3")
    assert result.exit_code == 1 and "1 of 2 pages" in result.stdout


def test_a_document_that_is_not_there_and_a_stack_without_a_model_are_told_apart() -> None:
    api = Seeing(DONE)
    assert run(outside(api), "analyse", "d1", "?").exit_code == 4
    refused = FakeApi(override=lambda request: problem(409, "conflict", "no vision model."))
    result = run(outside(refused), "analyse", "d1", "?")
    assert result.exit_code == 2 and "no vision model" in result.stderr


@pytest.mark.parametrize(
    ("text", "pages"), [("7", [7]), ("1-3,7", [1, 2, 3, 7]), (" 2 , 1-2", [1, 2])]
)
def test_pages_are_numbers_and_runs(text: str, pages: list[int]) -> None:
    assert numbers(text) == pages


@pytest.mark.parametrize("text", ["0", "3-1", "a", "1,,2", "1-", "-3", "1-999999", "٣"])
def test_what_are_no_pages_is_said(text: str) -> None:
    api = Seeing(DONE)
    api.add("d1")
    result = run(outside(api), "analyse", "d1", "?", "--pages", text)
    assert result.exit_code == 2 and "1-3,7" in result.stderr
    assert api.asked == []
