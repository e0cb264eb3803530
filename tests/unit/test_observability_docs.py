"""The pages on observability name commands, settings and codes that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from ragline.cli.app import app
from ragline.local import template
from tests.unit.test_ledger_docs import codes

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / "docs" / name).read_text() for name in ("observability.md", "runbook.md")}
ALL = "\n".join(PAGES.values())
LEAF = template.load(ROOT / "infra/observability.yaml")


def commands() -> list[str]:
    return sorted({" ".join(one.split()) for one in re.findall(r"`ragline\s([^`]+)`", ALL)})


@pytest.mark.parametrize("command", commands())
def test_every_command_that_is_named_exists_with_its_options(command: str) -> None:
    known = getattr(typer.main.get_command(app), "commands")  # noqa: B009
    name, *words = command.split()
    assert name in known
    options = {option for one in known[name].params for option in one.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_logs_are_asked_of_functions_that_exist() -> None:
    asked = set(re.findall(r"ragline\slogs\s(\w+)", ALL)) - {"FUNCTION"}
    assert asked <= {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}


def test_widgets_and_saved_queries_are_called_as_the_template_calls_them() -> None:
    body = LEAF["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    titles = set(re.findall(r'"title": "([^"]+)"', body))
    for name in re.findall(r"dashboard's\s+`([^`]+)`", ALL):
        assert " ".join(name.split()) in titles
    queries = {
        one["Properties"]["Name"]["Fn::Sub"].partition("/")[2]
        for one in LEAF["Resources"].values()
        if one["Type"] == "AWS::Logs::QueryDefinition"
    }
    (listed,) = re.findall(
        r"under the stack's name:\n((?:`[^`]+`[,.]?\s)+)", PAGES["observability.md"]
    )
    assert set(re.findall(r"`([^`]+)`", listed)) == queries
    for name in re.findall(r"saved\s+query\s+`([^`<]+)`", ALL):
        assert " ".join(name.split()) in queries


def test_parameters_and_outputs_that_are_named_are_those_of_the_leaf() -> None:
    named = set(re.findall(r"`(\w+(?:Email|Dollars|Milliseconds|LagSeconds))`", ALL))
    assert named <= set(LEAF["Parameters"])
    assert "AlertsTopic" in LEAF["Outputs"]


def test_codes_that_the_runbook_names_are_codes() -> None:
    text = PAGES["runbook.md"].split("## `DocumentsFailing`")[1].split("\n## ")[0]
    named = set(re.findall(r"`([a-z]+_[a-z_]+|stalled|encrypted)`", text))
    assert named <= codes()


def test_paths_that_are_named_are_there() -> None:
    for path in re.findall(r"`?((?:docs|tests|infra)/[\w./]+\.(?:md|py|yaml))`?", ALL):
        assert (ROOT / path).exists(), path
