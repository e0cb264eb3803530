"""docs/uploads.md says what the code does; tests/e2e/test_uploads.py runs what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer.main

from ragline.api.boundary import MAX_FILE_BYTES
from ragline.api.schemas.uploads import PartsBody
from ragline.cli.app import app
from ragline.domain.errors import QuotaExceeded
from ragline.domain.lifecycle import UPLOAD_GRACE
from ragline.domain.passwords import MAX_PASSWORD
from ragline.domain.tenants import HELD
from ragline.settings import Settings
from ragline.usecases.multipart import PART_BYTES, UPLOAD_SECONDS
from ragline.usecases.upload import MULTIPART_OVER, Way

TEXT = (Path(__file__).parents[2] / "docs/uploads.md").read_text()
WORDS = " ".join(TEXT.split())


def test_the_numbers_are_those_of_the_code() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert f"files above {MULTIPART_OVER / 1e6:g} MB" in WORDS
    assert f"up to {MAX_FILE_BYTES / 1e6:g} MB, in one request" in WORDS
    assert f"A part has {PART_BYTES // 2**20} MiB" in WORDS
    assert f"`MAX_FILE_BYTES`, {defaults['max_file_bytes'] // 2**20} MiB" in WORDS
    assert f"deleted after {UPLOAD_SECONDS // 86_400} days" in WORDS
    assert UPLOAD_GRACE.total_seconds() == defaults["upload_expires_seconds"] == 3_600
    (limit,) = [
        one.max_length
        for one in PartsBody.model_fields["parts"].metadata
        if hasattr(one, "max_length")
    ]
    assert f"at most {limit} parts" in WORDS


def test_every_way_and_every_cap_is_named() -> None:
    for way in Way:
        assert f"`{way}`" in TEXT, way
    for name in HELD:
        assert f"--max-{name}" in TEXT
        assert f"`{name}`:" in TEXT
    assert f"`{QuotaExceeded.code}` (409)" in TEXT


def test_every_command_line_names_a_command_and_options_of_it() -> None:
    lines = [line.split()[1:] for line in TEXT.splitlines() if line.startswith("ragline ")]
    assert {words[0] for words in lines} >= {"push", "retry"}
    for words in lines:
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        options = {name for one in command.params for name in one.opts}
        assert {word for word in words if word.startswith("-")} <= options


def test_a_password_is_bounded_as_it_says() -> None:
    assert f"at most {MAX_PASSWORD} characters" in WORDS
