"""docs/operating.md and docs/cost.md name commands, options, targets and pages that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from ragline.cli.app import app
from ragline.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / f"docs/{name}").read_text() for name in ("operating.md", "cost.md")}


def commands(text: str) -> list[list[str]]:
    """Every `ragline …` in a code block or between backticks, by its words."""
    text = re.sub(r"\s*\n(?=--)", " ", text)
    found = re.findall(r"^ragline (.*)$", text, re.MULTILINE) + re.findall(
        r"`ragline ([^`]+)`", text
    )
    return [one.split() for one in found]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_exists_with_its_options(page: str) -> None:
    for words in commands(PAGES[page]):
        command = typer.main.get_command(app)
        while (known := getattr(command, "commands", None)) is not None:
            assert words[0] in known, words
            command, words = known[words[0]], words[1:]
        options = {option for one in command.params for option in one.opts}
        assert {word for word in words if word.startswith("--")} <= options, words


@pytest.mark.parametrize("page", PAGES)
def test_every_target_page_and_file_is_there(page: str) -> None:
    text = PAGES[page]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) <= targets
    for path in re.findall(r"\]\(([\w.]+\.md)\)", text):
        assert (ROOT / "docs" / path).exists(), path
    for path in re.findall(r"`((?:tests|layers|docs)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_settings_that_are_named_exist() -> None:
    named = re.findall(r"`([A-Z][A-Z_]+)=\w+`", PAGES["cost.md"])
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)
