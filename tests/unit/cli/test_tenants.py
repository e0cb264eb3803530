from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.cli.app import app
from ragline.cli.outside import Outside
from ragline.domain.documents import Partition
from ragline.domain.ledger import NewDocument
from ragline.domain.tenants import Caps
from tests.unit.cli.fakes import FakeCloud, FakeLocal, FakeSession, outside, run


class Ports:
    """All that the command asks of a stack."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.ledger = ledger


@pytest.fixture
def ledger() -> MemoryLedger:
    ledger = MemoryLedger()
    key = "uploads/acme/papers/d1/a.md"
    ledger.create(NewDocument(Partition("acme", "papers"), "d1", "a.md", key, size=1_234))
    return ledger


@pytest.fixture
def world(ledger: MemoryLedger) -> Outside:
    session: Any = lambda *args: FakeSession({})  # noqa: E731
    ports: Any = lambda where: Ports(ledger)  # noqa: E731
    return outside(
        local=FakeLocal(FakeCloud()), session=session, ports=ports, environ={"NO_COLOR": "1"}
    )


def test_caps_are_set_and_what_is_not_named_stays(world: Outside, ledger: MemoryLedger) -> None:
    assert run(world, "tenants", "set", "acme", "--max-bytes", "5000").exit_code == 0
    result = run(world, "tenants", "set", "acme", "--max-documents", "10", "--json")
    assert json.loads(result.stdout)["caps"]["bytes"] == 5_000
    assert ledger.tenant("acme").caps == Caps(documents=10, bytes=5_000)
    run(world, "tenants", "set", "acme", "--max-bytes", "none")
    assert ledger.tenant("acme").caps == Caps(documents=10)


def test_what_a_tenant_holds_is_shown_beside_its_caps(world: Outside) -> None:
    run(world, "tenants", "set", "acme", "--max-bytes", "5000")
    shown = run(world, "tenants", "show", "acme")
    assert shown.exit_code == 0
    assert "1,234" in shown.stdout
    assert "5,000" in shown.stdout


def test_tenants_are_listed_those_with_a_cap_and_no_document_too(world: Outside) -> None:
    run(world, "tenants", "set", "later", "--max-chunks", "7")
    listed = json.loads(run(world, "tenants", "list", "--json").stdout)["tenants"]
    assert [one["tenant"] for one in listed] == ["acme", "later"]
    assert listed[0]["holds"] == {"documents": 1, "bytes": 1_234, "chunks": 0}
    assert listed[1]["caps"]["chunks"] == 7


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("acme",), "--max-documents"),
        (("acme", "--max-bytes", "5 GB"), "--max-bytes"),
        (("acme", "--max-bytes", "-1"), "--max-bytes"),
        (("acme", "--max-chunks", "9" * 30), "--max-chunks"),
        (("Acme Inc", "--max-chunks", "9"), "Acme Inc"),
    ],
)
def test_a_cap_that_is_none_is_refused_and_named(
    world: Outside, ledger: MemoryLedger, args: tuple[str, ...], told: str
) -> None:
    result = run(world, "tenants", "set", *args)
    assert result.exit_code == 2
    assert told in result.stderr
    assert ledger.tenant("acme").caps == Caps()


def test_a_tenant_that_nobody_heard_of_is_not_found(world: Outside) -> None:
    assert run(world, "tenants", "show", "nobody").exit_code == 4


def run_narrow(world: Outside, *args: str) -> Result:
    """The same on a terminal of 80 columns."""
    env = {"COLUMNS": "80", "NO_COLOR": "1"}
    return CliRunner(env=env).invoke(app, list(args), obj=world)


def test_at_80_columns_a_tenant_is_shown_with_a_row_for_each_cap(world: Outside) -> None:
    run(world, "tenants", "set", "acme", "--max-bytes", "9" * 18, "--max-cost", "12345.5")
    shown = run_narrow(world, "tenants", "show", "acme").stdout.splitlines()
    assert [row.split() for row in shown] == [
        ["acme", "held", "cap"],
        ["documents", "1", "none"],
        ["bytes", "1,234", "999,999,999,999,999,999"],
        ["chunks", "0", "none"],
        ["$", "a", "month", "12,345.50"],
    ]


def test_at_80_columns_a_list_of_tenants_cuts_no_head_and_no_value(
    world: Outside, ledger: MemoryLedger
) -> None:
    name = "a-tenant-of-a-long-name"
    new = NewDocument(Partition(name, "papers"), "d2", "b.md", "uploads/b.md", size=54_321_987_654)
    ledger.create(new)
    ledger.cap(name, Caps(10_000, 100_000_000_000, 1_000_000, 1_000.0))
    shown = run_narrow(world, "tenants", "list").stdout
    head, held, of, acme = shown.splitlines()
    assert head.split() == ["tenant", "documents", "bytes", "chunks", "$", "a", "month"]
    assert held.split() == [name, "1", "54,321,987,654", "0"]
    assert of.split() == [
        "of",
        "10,000",
        "of",
        "100,000,000,000",
        "of",
        "1,000,000",
        "of",
        "1,000.00",
    ]
    assert acme.split() == ["acme", "1", "1,234", "0"]
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_the_longest_name_and_the_largest_caps_are_folded_and_not_cut(
    world: Outside, ledger: MemoryLedger
) -> None:
    name, most = "x" * 63, 10**18 - 1
    ledger.cap(name, Caps(most, most, most, 999_999_999.0))
    shown = run_narrow(world, "tenants", "list").stdout
    assert shown.count("x") == 63
    assert shown.count("9") == 3 * 18 + 9
    assert "…" not in shown
