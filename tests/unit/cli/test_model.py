from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragline.cli.outside import Outside, ThisMachine
from ragline.embedding.model import REVISION
from tests.unit.cli.fakes import FakeLocal, outside, run
from tests.unit.embedding.checkpoints import write_checkpoint


def world(local: FakeLocal) -> Outside:
    return outside(local=local, environ={})


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_another_model_is_prepared_from_where_it_is_said_to_be(precision: str) -> None:
    local = FakeLocal()
    options = ("--from", "intfloat/multilingual-e5-small", "--precision", precision)
    result = run(world(local), "model", *options, "--query-prefix", "query: ", "--json")
    assert local.calls == [("adopt", options[1], precision, "query: ", None)]
    assert json.loads(result.stdout) == {"precision": precision, "path": "/cache/other"}


def test_a_reranker_is_prepared_apart() -> None:
    local = FakeLocal()
    result = run(world(local), "model", "--reranker", "models/judge", "--json")
    assert local.calls == [("reranker", "models/judge", "int8")]
    assert json.loads(result.stdout)["path"] == "/cache/reranker"


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "a", "--reranker", "b"),
        ("--query-prefix", "query: "),
        ("--passage-prefix", "", "--reranker", "b"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...]) -> None:
    local = FakeLocal()
    assert run(world(local), "model", *options).exit_code == 2
    assert not local.calls


def test_a_checkpoint_on_disk_becomes_a_model_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGLINE_CACHE", str(tmp_path / "cache"))
    write_checkpoint(tmp_path / "tiny")
    write_checkpoint(tmp_path / "judge", labels=1)
    here = Outside(local=ThisMachine(), environ={})
    result = run(here, "model", "--from", str(tmp_path / "tiny"), "--json")
    assert json.loads((Path(json.loads(result.stdout)["path"]) / "model.json").read_text())
    result = run(here, "model", "--reranker", str(tmp_path / "judge"), "--json")
    assert json.loads(result.stdout)["path"].startswith(
        str(tmp_path / f"cache/models/judge-{REVISION}-int8")
    )


def test_a_checkpoint_of_another_architecture_is_one_line_and_the_exit_code_of_setting_up(
    tmp_path: Path,
) -> None:
    write_checkpoint(tmp_path / "roberta", config={"model_type": "roberta"})
    here = Outside(local=ThisMachine(), environ={})
    result = run(here, "model", "--from", str(tmp_path / "roberta"))
    assert result.exit_code == 3
    assert "type 'roberta'; only 'bert' is supported" in result.stderr
    assert "Traceback" not in result.stderr
