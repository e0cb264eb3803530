from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragline.cli.demo import QUESTIONS, handbook
from ragline.cli.outside import Outside
from tests.unit.cli.aws_clients import cloudformation, no_stack, session
from tests.unit.cli.fakes import FakeApi, FakeCloud, FakeLocal, hit, outside, run

CHAPTERS = ["architecture.md", "faq.html"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").touch()
    book = tmp_path / "docs" / "handbook"
    book.mkdir(parents=True)
    for name in CHAPTERS:
        (book / name).write_text(name)
    return tmp_path


def world(
    project: Path, api: FakeApi, local: FakeLocal, cloudformations: list[Any] | None = None
) -> Outside:
    """The fake API answers where the local stack's API would be."""
    left = cloudformations or [cloudformation() for _ in range(2)]

    def at_the_local_stack(request: Any) -> Any:
        request.url = request.url.copy_with(
            path=request.url.path.replace("/restapis/abc/live/_user_request_", "/live")
        )
        return api(request)

    return outside(
        at_the_local_stack,
        directory=project,
        # A demo is local, whatever the environment names.
        environ={"AWS_ENDPOINT_URL": "http://elsewhere.test", "RAGLINE_API_URL": "http://no.test"},
        local=local,
        session=lambda *_: session(cloudformation=left.pop(0)),
    )


def test_it_sets_up_pushes_the_handbook_and_asks_three_questions(project: Path) -> None:
    api, local = FakeApi(hits=[hit()]), FakeLocal()
    result = run(world(project, api, local), "demo")
    assert result.exit_code == 0, result.output
    assert [call[0] for call in local.calls] == ["model", "start", "deploy"]
    pushed = [body["filename"] for body in api.bodies if "filename" in body]
    assert sorted(pushed) == CHAPTERS
    asked = [body["query"] for body in api.bodies if "query" in body]
    assert asked == [question.text for question in QUESTIONS]
    assert result.stdout.count("operations.pdf · page 2 · Operating › Dead letters") == 3
    assert "ragline search 'your question' --collection demo" in result.stdout
    assert local.cloud is not None  # left running


def test_it_takes_documents_of_your_own(project: Path) -> None:
    mine = project / "mine.md"
    mine.write_text("mine")
    api = FakeApi(hits=[hit()])
    result = run(world(project, api, FakeLocal()), "demo", str(mine), "--json")
    answer = json.loads(result.stdout)
    assert [Path(each["file"]).name for each in answer["documents"]] == [*CHAPTERS, "mine.md"]
    assert [each["question"] for each in answer["answers"]] == [each.text for each in QUESTIONS]
    assert {body["collection"] for body in api.bodies} == {"demo"}


def test_a_stack_that_runs_is_used_as_it_is(project: Path) -> None:
    local = FakeLocal(FakeCloud())
    result = run(world(project, FakeApi(hits=[hit()]), local), "demo")
    assert result.exit_code == 0, result.output
    assert local.calls == []


def test_a_cloud_that_runs_without_the_stack_gets_it(project: Path) -> None:
    local = FakeLocal(FakeCloud(port=5000))
    stacks = [no_stack(), cloudformation()]
    result = run(world(project, FakeApi(hits=[hit()]), local, stacks), "demo")
    assert result.exit_code == 0, result.output
    assert [call[0] for call in local.calls] == ["model", "start", "deploy"]


@pytest.mark.parametrize(
    "api", [FakeApi(hits=[]), FakeApi(path=("failed",), hits=[hit()])], ids=["no hits", "failed"]
)
def test_it_fails_when_a_document_fails_or_a_question_finds_nothing(
    project: Path, api: FakeApi
) -> None:
    assert run(world(project, api, FakeLocal()), "demo").exit_code == 1


def test_outside_a_checkout_it_says_so_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").touch()
    local = FakeLocal()
    result = run(world(tmp_path, FakeApi(), local), "demo")
    assert result.exit_code == 3
    assert "handbook" in result.stderr
    assert local.calls == []


def test_the_repository_ships_a_handbook_in_several_formats() -> None:
    project = Path(__file__).parents[3]
    assert {path.suffix for path in handbook(project)} >= {".md", ".pdf", ".docx", ".html", ".csv"}
