from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ragline.cli.outside import Outside
from ragline.domain.errors import SetupError
from ragline.embedding.model import Card
from tests.unit.cli.fakes import FakeApi, FakeCloud, FakeLocal, outside, run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").touch()
    return tmp_path


def world(project: Path, local: FakeLocal) -> Outside:
    return outside(local=local, directory=project, environ={})


def test_up_prepares_the_model_starts_the_cloud_and_deploys(project: Path) -> None:
    local = FakeLocal()
    (project / "deep").mkdir()
    result = run(world(project / "deep", local), "up", "--json")
    assert result.exit_code == 0
    assert local.calls == [
        ("model", "int8"),
        ("start", project, 4566, False),
        (
            "deploy",
            "http://127.0.0.1:4566",
            project / "template.yaml",
            "ragline-dev",
            {
                "ModelDir": "/cache/model",
                "EmbedderConcurrency": str(max(2, os.cpu_count() or 2)),
                "WebhookAllow": "127.0.0.0/8",
            },
        ),
    ]
    assert json.loads(result.stdout) == {
        "endpoint_url": "http://127.0.0.1:4566",
        "api_url": "http://127.0.0.1:4566/restapis/abc/live/_user_request_",
        "stack": "ragline-dev",
        "outputs": {"ApiId": "abc", "ApiStage": "live", "ApiKeyId": "k1"},
    }


def test_up_hands_on_the_templates_parameters_and_refuses_others(project: Path) -> None:
    (project / "template.yaml").write_text(
        "{Parameters: {VisionModel: {Type: String}}, Resources: {}}"
    )
    local = FakeLocal()
    there = world(project, local)
    result = run(there, "up", "--parameter", "VisionModel=looker=2")
    assert result.exit_code == 0, result.output
    assert "'VisionModel': 'looker=2'" in str(local.calls)
    local.calls.clear()
    unknown = run(there, "up", "--parameter", "VisoinModel=looker")
    assert unknown.exit_code == 3 and "VisionModel" in unknown.stderr
    assert run(there, "up", "--parameter", "VisionModel").exit_code == 2
    assert local.calls == []


def test_up_deploys_the_model_in_a_folder(project: Path) -> None:
    local, folder = FakeLocal(), project / "another"
    folder.mkdir()
    refused = run(world(project, local), "up", "--model", str(folder))
    assert refused.exit_code == 3
    assert "does not hold an embedding model" in refused.stderr
    assert local.calls == []
    card = Card("mine", "int8", 8, 64, "mine-1-int8", "", "")
    (folder / "model.json").write_text(card.to_json())
    assert run(world(project, local), "up", "--model", str(folder)).exit_code == 0
    assert local.calls[-1][4]["ModelDir"] == str(folder.resolve())
    assert not any(call[0] == "model" for call in local.calls)


def test_up_takes_a_port_a_stack_and_keep(project: Path) -> None:
    local = FakeLocal()
    result = run(world(project, local), "up", "--port", "5000", "--keep", "--stack", "mine")
    assert ("start", project, 5000, True) in local.calls
    assert local.calls[-1][3] == "mine"
    assert "http://127.0.0.1:5000" in result.stdout
    assert "ragline push FILES --stack mine" in result.stdout


def test_up_again_leaves_the_running_cloud_its_port_and_what_it_keeps(project: Path) -> None:
    local = FakeLocal(FakeCloud(5000, keep=True))
    run(world(project, local), "up")
    assert ("start", project, 5000, True) in local.calls


def test_up_without_a_template_says_so_before_doing_anything(tmp_path: Path) -> None:
    local = FakeLocal()
    result = run(world(tmp_path, local), "up")
    assert result.exit_code == 3
    assert "no template.yaml" in result.stderr
    assert local.calls == []


def test_what_keeps_the_cloud_from_starting_is_one_line(project: Path) -> None:
    class Taken(FakeLocal):
        def start(self, *args: object, **options: object) -> FakeCloud:
            raise SetupError("port 4566 is taken; use --port.")

    result = run(world(project, Taken()), "up")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == "error: port 4566 is taken; use --port."


def test_a_bug_is_one_line_too(project: Path) -> None:
    class Broken(FakeLocal):
        def start(self, *args: object, **options: object) -> FakeCloud:
            raise KeyError("oops")

    result = run(world(project, Broken()), "up", "--json")
    assert result.exit_code == 1
    assert "This is a bug" in result.stderr
    assert json.loads(result.stdout)["error"]["code"] == "internal_error"


def _under(encoding: str, *arguments: str, code: str = "") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    command = [sys.executable, "-c", code or "from ragline.cli.app import main; main()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False)


def test_help_can_be_read_where_the_terminal_lacks_characters() -> None:
    result = _under("latin-1", "--help")
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"Exit codes" in result.stdout


def test_json_loses_no_character_where_stdout_is_not_utf_8() -> None:
    code = "from ragline.cli.screen import Screen; Screen(True).give(['東京 😀 é'])"
    result = _under("latin-1", code=code)
    assert json.loads(result.stdout) == ["東京 😀 é"]


def test_an_interrupt_ends_quietly_with_exit_code_130(project: Path) -> None:
    class Interrupted(FakeLocal):
        def start(self, *args: object, **options: object) -> FakeCloud:
            raise KeyboardInterrupt

    assert run(world(project, Interrupted()), "up").exit_code == 130


@pytest.mark.parametrize("runs", [True, False])
def test_down_stops_the_cloud_of_this_project_and_says_if_there_was_none(
    project: Path, runs: bool
) -> None:
    local = FakeLocal(FakeCloud() if runs else None)
    result = run(world(project, local), "down", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"stopped": runs}
    assert local.calls == [("stop", project)]


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_model_prepares_it_and_says_where_it_is(project: Path, precision: str) -> None:
    local = FakeLocal()
    result = run(world(project, local), "model", "--precision", precision, "--json")
    assert local.calls == [("model", precision)]
    assert json.loads(result.stdout) == {"precision": precision, "path": "/cache/model"}


def test_model_refuses_a_precision_that_there_is_not(project: Path) -> None:
    assert run(world(project, FakeLocal()), "model", "--precision", "int4").exit_code == 2


def test_info_says_where_it_talks_to_and_what_answers() -> None:
    answer = json.loads(run(outside(FakeApi()), "info", "--json").stdout)
    assert answer["api_url"] == "http://api.test/live"
    assert answer["api"]["version"] == "0.1.0"
    shown = run(outside(FakeApi()), "info").stdout
    assert "state unchecked" in shown
    assert "rows" not in shown  # it is not known
    assert "components.model" in shown
    assert "precision int8" in shown


def test_info_without_a_stack_exits_with_3(tmp_path: Path) -> None:
    result = run(outside(environ={}, directory=tmp_path), "info")
    assert result.exit_code == 3
    assert "ragline up" in result.stderr


def test_the_help_of_every_command_explains_the_exit_codes() -> None:
    for command in "up down push status ls rm search logs demo model info".split():  # noqa: SIM905
        result = run(outside(), command, "--help")
        assert result.exit_code == 0
        assert "--json" in result.stdout
        assert "Exit codes: 0 ok" in result.stdout


def test_the_version_is_printed() -> None:
    import ragline

    assert run(outside(), "--version").stdout == f"ragline {ragline.__version__}\n"


def test_env_prints_what_other_clients_need_to_call_the_api(project: Path) -> None:
    environ = {"RAGLINE_API_URL": "https://api.example/live", "RAGLINE_API_KEY": "it's"}
    result = run(outside(directory=project, environ=environ), "env")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "export RAGLINE_API_URL=https://api.example/live",
        "export RAGLINE_API_KEY='it'\"'\"'s'",
    ]
