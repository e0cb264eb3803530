"""docs/collections.md says what the code does, and its commands are commands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

from ragline.api.access import ROLES
from ragline.api.examples import COLLECTION
from ragline.domain.access import Role
from ragline.domain.chunking import (
    MAX_SECTION_TOKENS,
    MAX_TOKENS,
    MIN_TOKENS,
    Choice,
    Chunking,
    Strategy,
    Tables,
    chosen,
)
from ragline.domain.chunks import MAX_SECTION_CHUNKS
from ragline.settings import Settings
from ragline.usecases.collections import MOST_COUNTED
from ragline.usecases.sections import MOST_HITS
from ragline.usecases.walk import CHECK_AFTER_SECONDS, PAGE
from tests.unit.cli.fakes import FakeApi, outside, problem, run

TEXT = (Path(__file__).parents[2] / "docs/collections.md").read_text()
WORDS = " ".join(TEXT.split())
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]
ROUTES = {("GET", "ls"), ("GET", "show"), ("PUT", "set"), ("DELETE", "rm")}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_is_understood_and_does_what_it_says(command: str) -> None:
    api, gone = FakeApi(), False
    counts = {**COLLECTION["counts"], "behind": 0}
    found = {**COLLECTION, "counts": counts, "walk": None}

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal gone
        if gone:
            return problem(404, "not_found", "gone.")
        gone = request.method == "DELETE"
        listed = request.url.path.endswith("/collections")
        return httpx.Response(200, json={"collections": ["manuals"]} if listed else found)

    api.override = answer
    name, group, verb, *_ = words = shlex.split(command)
    assert (name, group) == ("ragline", "collections")
    result = run(outside(api), *words[1:])
    assert result.exit_code == 0, result.output
    assert (next(m for m, v in ROUTES if v == verb)) in {one.method for one in api.requests}
    for request in api.requests:
        if request.method == "PUT":
            body = json.loads(request.content)
            assert (body["chunking"] is None) is ("--default" in words)


def test_every_strategy_field_and_value_is_named() -> None:
    for strategy in Strategy:
        assert f"| `{strategy}`" in TEXT
    for tables in Tables:
        assert f"`{tables}`:" in TEXT
    for field in Chunking.__dataclass_fields__:
        assert field == "strategy" or f"| `{field}` |" in TEXT


def test_the_numbers_are_those_of_the_code() -> None:
    default = {name: field.default for name, field in Settings.model_fields.items()}
    own = Chunking(
        max_tokens=default["chunk_tokens"], overlap_tokens=default["chunk_overlap_tokens"]
    )
    family = chosen(Choice(Strategy.PARENT_CHILD), own)
    assert f"{MIN_TOKENS} to {MAX_TOKENS}, the headings" in WORDS
    assert f"{own.max_tokens}; {family.max_tokens} for `parent_child`" in WORDS
    assert f"{own.overlap_tokens}; {family.overlap_tokens} for `parent_child`" in WORDS
    assert f"`max_tokens` to {MAX_SECTION_TOKENS:,} | {family.section_tokens} |" in WORDS
    assert f"{MAX_SECTION_CHUNKS} passages at most" in WORDS
    assert f"The first {MOST_HITS} hits" in WORDS
    assert f"{PAGE} a message" in WORDS
    assert CHECK_AFTER_SECONDS == 5 and "Five seconds after its end" in WORDS
    assert f"up to {MOST_COUNTED:,} of them" in WORDS


def test_the_roles_are_those_of_the_table() -> None:
    assert {ROLES[one] for one in ("list_collections", "get_collection")} == {Role.READER}
    assert {ROLES[one] for one in ("put_collection", "delete_collection")} == {Role.ADMIN}
    assert "Reading needs the role `reader`; choosing and deleting need `admin`." in WORDS
