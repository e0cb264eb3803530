"""A newcomer's first minutes: a fresh checkout, `make demo`, and the README's commands in order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
RUN_BY_CI = {"make test", "make check"}
LONG = {
    "make service-check",
    "make chaos",
    "make fuzz",
    "make corpus-check DOCS=folder",
    "make bench",
}


def commands() -> list[str]:
    """The lines of the README's ``sh`` blocks; ``console`` blocks need an account or Docker."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What git would give a newcomer."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    yield folder
    if (folder / ".venv/bin/ragline").exists():
        subprocess.run([folder / ".venv/bin/ragline", "down"], cwd=folder, check=False)


def bash(script: str, folder: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "RAGLINE_API", "VIRTUAL_ENV", "MAKE", "PYTHON"))
    }
    environment["PATH"] = f"{folder / '.venv/bin'}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_make_demo_answers_three_questions_from_a_fresh_checkout(checkout: Path) -> None:
    said = bash(f'make demo DOCS="--port {free_port()}"', checkout)
    assert "operations.pdf · page 2" in said
    assert "limits.docx · Limits of Ragline › Uploading" in said
    assert "faq.html" in said


def test_every_command_of_the_readme_works_in_its_order(checkout: Path) -> None:
    script = [
        line
        for line in commands()
        if line not in RUN_BY_CI | LONG and line != "make demo"  # that is the test above
    ]
    # The demo's cloud goes on: `up` keeps its port.
    said = bash("\n".join([*script, "ragline down"]), checkout)
    assert '"openapi"' in said
    assert "Stopped the local cloud" not in bash("ragline down", checkout)
