"""The README's tables and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from ragline.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, its header left out."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_configuration_table_names_every_setting_with_its_default() -> None:
    told: dict[str, str] = {}
    for names, defaults, _ in rows("Configuration"):
        variables = re.findall(r"`(\w+)`", names)
        values = re.findall(r"`([^`]*)`", defaults) or [""] * len(variables)
        told |= dict(zip(variables, values, strict=True))
    actual = {name.upper(): str(field.default) for name, field in Settings.model_fields.items()}
    actual["AWS_REGION"] = ""  # Lambda always sets it
    assert told == actual


def test_every_function_is_in_the_table_of_what_is_deployed() -> None:
    told = {row[0] for row in rows("What is deployed")}
    assert told == {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)) <= targets


def test_every_file_that_is_named_is_there() -> None:
    for path in re.findall(
        r"`((?:functions|layers|tests|docs|events|local|domain)/[\w./]+)`", README
    ):
        where = (ROOT / path, ROOT / "layers/core/python/ragline" / path)
        assert any(place.exists() for place in where), path
