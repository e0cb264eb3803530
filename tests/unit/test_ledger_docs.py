"""The page about the ledger, the handbook and the code say the same."""

from __future__ import annotations

import ast
import csv
import importlib
import io
import re
import runpy
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main

from ragline.cli.app import app
from ragline.domain import errors
from ragline.domain.documents import SEARCHABLE, TERMINAL, Status
from ragline.usecases import dead_letters
from ragline.usecases.doctor import Kind
from ragline.usecases.reconcile import Verdict
from tests.unit.test_lifecycle import RULES, STATES, outcome
from tests.unit.test_template import QUEUES

ROOT = Path(__file__).parents[2]
CODE = ROOT / "layers/core/python/ragline"
PAGE = (ROOT / "docs/ledger.md").read_text()
# Not imported: a compiled module would lie among the chapters, to be pushed with them.
CHAPTERS: dict[str, Callable[[], bytes]] = runpy.run_path(str(ROOT / "docs/build_handbook.py"))[
    "CHAPTERS"
]

UNITS = {"seconds": 1, "minutes": 60, "hour": 3_600, "hours": 3_600, "days": 86_400}
NOTHING = "unknown"
"""What the page calls a document that the ledger has never heard of."""


def section(heading: str, page: str = PAGE) -> str:
    """What stands below a heading, whatever its level, up to the next of its level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*)", page, re.MULTILINE | re.DOTALL)
    assert found, heading
    return re.split(rf"^#{{1,{len(found[1])}}} ", found[2], flags=re.MULTILINE)[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, its header left out."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def named(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def entries(heading: str) -> dict[str, str]:
    """The subsections of a section that are headed by a name: name → text."""
    found = re.split(r"^#### `(\w+)`\n", section(heading), flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def codes() -> set[str]:
    """Every code that can stand in a reason or a failure.

    Requests' errors are left out: they are answers to callers and never recorded.
    """
    kinds: list[type[errors.RaglineError]] = [errors.PermanentError, errors.TransientError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    found = {kind.code for kind in kinds}
    # What is neither is noted as the cause of a dead letter all the same.
    found |= {errors.RaglineError.code, errors.SetupError.code}
    for path in (CODE / "usecases").glob("*.py"):
        found |= set(written(path))
    return found


def written(path: Path) -> Iterator[str]:
    """The codes that a module gives to ``Reason`` as a literal or as a constant of its own."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            continue
        first = node.args[0]
        if node.func.id != "Reason":
            continue
        if isinstance(first, ast.Constant):
            yield str(first.value)
        if isinstance(first, ast.Name) and first.id.isupper():
            yield getattr(importlib.import_module(f"ragline.usecases.{path.stem}"), first.id)


class Move(NamedTuple):
    """One change of status or generation that a rule makes."""

    before: str
    rule: str
    after: str
    next_generation: bool


def moves() -> set[Move]:
    """All that the rules make of the states that the walk over them has."""
    seen = set()
    for name in RULES:
        for state, old in STATES.items():
            _, new = outcome(name, state)
            if new is None or new is old:
                continue
            before = old.document.status.value if old else NOTHING
            after = new.document.status.value
            another = new.document.generation != (old.document.generation if old else 0)
            if another or before != after:
                seen.add(Move(before, name.partition(",")[0], after, another))
    return seen


def test_every_status_is_in_its_table() -> None:
    told = {named(row[0])[0]: row for row in rows("Statuses")}
    assert list(told) == list(Status)
    assert {status for status, row in told.items() if row[3] == "yes"} == TERMINAL


def test_the_handbook_has_every_status_and_tells_which_are_final_and_found() -> None:
    text = (ROOT / "docs/handbook/statuses.csv").read_text()
    table = list(csv.DictReader(io.StringIO(text)))
    assert [row["status"] for row in table] == list(Status)
    assert {row["status"] for row in table if row["final"] == "yes"} == TERMINAL
    assert {row["status"] for row in table if row["found by queries"] == "yes"} == SEARCHABLE


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_built_chapters_are_those_of_the_builder(chapter: str) -> None:
    kept = (ROOT / "docs/handbook" / chapter).read_bytes()
    assert unpacked(kept) == unpacked(CHAPTERS[chapter]())


def unpacked(data: bytes) -> dict[str, bytes]:
    """The members of a zip archive, whose compression differs between versions of zlib."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return {"": data}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_table_of_transitions_is_what_the_rules_make() -> None:
    told = [
        (before, named(rule)[0], after)
        for befores, rule, afters, _ in rows("Transitions")
        for before in named(befores)
        for after in named(afters)
    ]
    assert len(told) == len(set(told))
    assert set(told) == {(move.before, move.rule, move.after) for move in moves()}


def test_the_page_names_the_events_that_start_the_next_generation() -> None:
    [told] = re.findall(r"start the next generation: ([^.]+)\.", PAGE)
    assert set(named(told)) == {move.rule for move in moves() if move.next_generation}
    assert all(move.next_generation for move in moves() if move.rule in named(told))


def test_the_drawing_has_every_status_and_every_event() -> None:
    drawing = section("The state machine").split("```")[1]
    words = set(re.findall(r"\w+", drawing))
    assert {*Status, *(move.rule for move in moves())} <= words


def test_every_code_has_its_section_that_says_what_happened_and_what_to_do() -> None:
    told = entries("Codes")
    assert told.keys() == codes()
    for code, text in told.items():
        labels = re.findall(r"^\*\*([^*]+)\.\*\* \S", text, re.MULTILINE)
        assert labels == ["What happened", "What the user sees", "What to do"], code


def test_every_finding_has_its_section_that_says_what_repair_can_and_cannot() -> None:
    told = entries("Findings of the doctor")
    assert list(told) == list(Kind)
    for kind, text in told.items():
        labels = re.findall(r"^\*\*([^*]+)\.\*\* \S", text, re.MULTILINE)
        assert labels == ["Meaning", "`--repair`", "What it cannot do"], kind


def test_every_verdict_of_the_reconciler_is_in_its_table() -> None:
    assert [named(row[0])[0] for row in rows("The reconciler")] == list(Verdict)


def test_every_dead_letter_queue_is_in_its_table_with_the_place_of_its_letters() -> None:
    told = {named(row[0])[0]: named(row[2])[0] for row in rows("Dead-letter queues")}
    assert told.keys() == {name for name in QUEUES if name.startswith("Dead")}
    elsewhere = {"analyses"}  # the leaf stack's own
    kept = dead_letters.STAGES.keys() - elsewhere
    assert sorted(told.values()) == sorted(f"dead-letters/{one}/" for one in kept)


def constant(place: str) -> object:
    module, name = place.rsplit(".", 1)
    return getattr(importlib.import_module(f"ragline.{module}"), name)


# Here and not in the test: Powertools opens a socket when it is imported first.
NUMBERS = {place: constant(place) for row in rows("Numbers") for place in named(row[2])}


@pytest.mark.parametrize("row", rows("Numbers"), ids=lambda row: str(row[0]))
def test_every_number_is_that_of_the_code(row: list[str]) -> None:
    value = NUMBERS[named(row[2])[0]]
    number, _, unit = row[1].replace(",", "").partition(" ")
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    assert int(number) * UNITS.get(unit, 1) == seconds


def test_every_command_that_is_named_exists_with_its_options() -> None:
    group = typer.main.get_command(app)
    known = getattr(group, "commands")  # noqa: B009 - a group's, which the type does not say
    for command in re.findall(r"`ragline ([^`]+)`", PAGE):
        name, *words = command.split()
        assert name in known, command
        found = known[name]
        if (group_of := getattr(found, "commands", None)) is not None:
            assert words[0] in group_of, command
            found = group_of[words[0]]
        options = {option for one in found.params for option in one.opts}
        assert {word for word in words if word.startswith("--")} <= options, command


def test_logs_are_asked_of_functions_that_exist() -> None:
    asked = set(re.findall(r"`ragline logs (\w+)", PAGE)) - {"FUNCTION"}
    assert asked <= {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}


def test_everything_else_that_is_named_is_there() -> None:
    for path in re.findall(r"`((?:functions|tests|docs|domain|usecases|adapters)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists() or (CODE / path).exists(), path
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", PAGE)) <= targets
