"""docs/archives.md says what the code does; its commands run here, on the whole pipeline."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ragline.domain.children import MAX_BYTES, MAX_CHILDREN, MAX_DEPTH, MAX_FILES
from ragline.parsing.limits import (
    MAX_BYTES_INSIDE,
    MAX_FILE_INSIDE,
    MAX_FILES_INSIDE,
    MAX_PACKING_RATIO,
)
from tests.unit.cli.fakes import outside, run
from tests.unit.cli.test_children import Cloud, archive, cloud

__all__ = ["cloud"]

TEXT = (Path(__file__).parents[2] / "docs/archives.md").read_text()
WORDS = " ".join(TEXT.split())
(COMMANDS,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


def test_the_numbers_are_those_of_the_code() -> None:
    assert MAX_CHILDREN == MAX_FILES_INSIDE
    assert f"| files in one archive or mail | {MAX_CHILDREN:,} |" in TEXT
    assert MAX_BYTES == MAX_BYTES_INSIDE
    ratio = f"{MAX_BYTES // 2**30} GiB, and {MAX_PACKING_RATIO} times the size of the archive"
    assert ratio in TEXT
    assert f"has two around it | {MAX_DEPTH} |" in TEXT
    assert f"all levels together | {MAX_FILES:,} |" in TEXT
    assert f"bigger than {MAX_FILE_INSIDE // 2**20} MiB" in WORDS


def test_each_command_does_what_is_said(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path, {"2026/cranes.txt": "A worn brake.", "gates.txt": "The gate opens at nine."})
    monkeypatch.chdir(tmp_path)
    world = outside(cloud, directory=tmp_path)
    told, found = [], "ID"
    for line in COMMANDS.strip().splitlines():
        program, *words = shlex.split(line)
        assert program == "ragline"
        result = run(world, *(found if word == "ID" else word for word in words))
        assert result.exit_code == 0, result.output
        told.append(result.stdout)
        if words[0] == "push":
            (found,) = re.findall(r"01[0-9A-Z]{24}", result.stdout)
    pushed, listed, hits, status, removed = told
    assert "papers.zip/2026/cranes.txt" in pushed
    assert "2026/cranes.txt (in papers.zip)" in listed
    assert "2026/cranes.txt (in papers.zip)" in hits
    assert "2: 2 indexed" in status
    assert found in removed
    assert not cloud.bucket.answers("worn brake gate")
