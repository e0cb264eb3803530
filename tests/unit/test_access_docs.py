"""docs/access.md says what the code does, and its commands are accepted as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from ragline.adapters import recent
from ragline.adapters.jwt import jwks, tokens
from ragline.api.access import OPEN, ROLES
from ragline.cli.app import app
from ragline.domain.access import Role
from ragline.local.template import load
from ragline.settings import Settings
from ragline.usecases import keys

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/access.md").read_text()
WORDS = " ".join(TEXT.split())
TEMPLATE = load(ROOT / "template.yaml")
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("ragline ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_one_that_the_command_line_takes(line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    context = command.make_context("ragline", words, resilient_parsing=False)
    assert context.params


def test_every_block_of_commands_is_looked_at() -> None:
    told = [line.split()[0] for block in BLOCKS for line in block.splitlines()]
    assert set(told) == {"ragline", "export", "sam"}
    assert len(COMMANDS) == 7


def test_the_roles_are_those_of_the_code() -> None:
    told = re.findall(r"^\| `(\w+)` \| .* \|$", TEXT, re.MULTILINE)
    assert told[: len(Role)] == [role.value for role in Role]
    assert {"health"} == OPEN
    assert ROLES["create_ticket"] is Role.READER
    assert ROLES["usage"] is ROLES["create_webhook"] is ROLES["redrive_documents"] is Role.ADMIN


def test_the_parameters_are_those_of_the_template() -> None:
    named = set(re.findall(r"\b(Jwt[A-Z]\w+)\b", TEXT))
    assert named == {name for name in TEMPLATE["Parameters"] if name.startswith("Jwt")}
    assert "OwnerKeyArn" in TEMPLATE["Outputs"]


def test_the_claims_are_those_of_the_settings() -> None:
    for field in ("jwt_tenant_claims", "jwt_role_claims"):
        for claim in Settings.model_fields[field].default.split(","):
            assert f"`{claim}`" in TEXT, claim
        assert f"`{field.upper()}`" in TEXT


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"{recent.SECONDS:g} seconds at most.**" in TEXT
    assert f"give or take {tokens.SKEW_SECONDS} seconds" in WORDS
    assert f"every {jwks.PACE_SECONDS} seconds at most" in WORDS
    assert jwks.FRESH_SECONDS == 3_600
    assert "kept for an hour" in WORDS
    assert jwks.STALE_SECONDS == 86_400
    assert "go on for a day" in WORDS
    assert f"{keys.MAX_KEYS} open keys at most" in WORDS
    assert f"{keys.KEY_BYTES * 8} bits" in WORDS
    memory = TEMPLATE["Resources"]["Authorizer"]["Properties"]["MemorySize"]
    assert f"of {memory} MB" in WORDS


def test_what_is_named_is_there() -> None:
    assert (ROOT / "layers/core/python/ragline/api/access.py").is_file()
    assert (ROOT / "tests/unit/api/test_isolation.py").is_file()
    codes = set(re.findall(r"the code `(\w+)`", WORDS))
    assert codes == {"unauthorised", "forbidden", "throttled"}
