"""`ragline cost` and `push --estimate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.usage import MemoryUsageBook
from ragline.cli.app import app
from ragline.cli.outside import Outside
from ragline.cli.stack_ports import StackPorts
from ragline.domain.documents import Partition
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import Caps
from ragline.domain.times import utc_now
from ragline.domain.usage import STACK, month_of
from ragline.prices import prices
from tests.unit.cli.fakes import FakeApi, outside, run

MONTH = month_of(utc_now())
WHERE = ("--endpoint", "http://cloud.test")


@pytest.fixture
def book() -> MemoryUsageBook:
    book = MemoryUsageBook()
    gigabyte_hour = 1_024 * 3_600_000
    embedder = {"megabyte_milliseconds": gigabyte_hour, "chunks": 1_000, "invocations": 10}
    book.add("acme", MONTH, "embedder", embedder)
    book.add("acme", MONTH, "api", {"api_requests": 1_000_000, "milliseconds": 5})
    book.add("zeta", MONTH, "indexer", {"dynamodb_write_units": 1_000_000})
    book.add(STACK, MONTH, "maintenance", {"s3_writes": 1_000})
    return book


def asked(book: MemoryUsageBook, *words: str, ledger: MemoryLedger | None = None) -> Any:
    ports: Any = StackPorts.__new__(StackPorts)
    object.__setattr__(ports, "ledger", ledger or MemoryLedger())
    world = outside(usage_book=lambda _: book, ports=lambda _: ports, environ={})
    done = run(world, "cost", *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_every_tenant_is_told_with_the_dearest_first(book: MemoryUsageBook) -> None:
    told = asked(book, *WHERE)
    assert [one["tenant"] for one in told["tenants"]] == ["acme", "zeta", None]
    assert told["usd"] == pytest.approx(3.50 + 3_600 * 0.0000166667 + 0.625 + 0.005, rel=1e-3)


def test_one_tenant_is_told_by_function_and_service(book: MemoryUsageBook) -> None:
    told = asked(book, "--tenant", "acme", *WHERE)
    assert [one["function"] for one in told["functions"]] == ["api", "embedder"]
    costs = {one["item"]: one for one in told["costs"]}
    assert costs["gb_seconds"]["quantity"] == pytest.approx(3_600)
    assert costs["api_requests"]["usd"] == pytest.approx(3.5)
    assert told["usd_per_chunk"] == pytest.approx(3_600 * 0.0000166667 / 1_000, rel=1e-3)


def test_another_month_is_another_account(book: MemoryUsageBook) -> None:
    assert asked(book, "--month", "2020-01", *WHERE)["tenants"] == []


def test_a_document_is_told_its_share_of_the_month_in_which_it_was_indexed(
    book: MemoryUsageBook,
) -> None:
    ledger = MemoryLedger()
    new = NewDocument(Partition("acme", "handbook"), "guide", "guide.md", "uploads/acme/guide.md")
    document = ledger.begin(new, "1", "")
    assert document
    ledger.record_whole(document, 100, PageCounts())
    ledger.record_chunks(document, range(100), ChunkState.INDEXED)
    assert ledger.settle("acme", "guide", 1)
    told = asked(book, "--tenant", "acme", "--document", "guide", *WHERE, ledger=ledger)
    assert (told["month"], told["chunks"]) == (MONTH, 100)
    assert told["usd"] == pytest.approx(3_600 * 0.0000166667 / 10, rel=1e-3)  # of 1,000 chunks


def test_a_document_has_a_month_of_its_own(book: MemoryUsageBook) -> None:
    world = outside(usage_book=lambda _: book, environ={})
    done = run(world, "cost", "--document", "guide", "--month", "2026-10", *WHERE)
    assert done.exit_code == 2
    assert "leave out --month" in done.stderr


def test_a_month_that_is_none_is_refused(book: MemoryUsageBook) -> None:
    world = outside(usage_book=lambda _: book, environ={})
    done = run(world, "cost", "--month", "soon", *WHERE)
    assert done.exit_code == 2
    assert "2026-11" in done.stderr


def test_with_an_api_address_the_api_is_asked() -> None:
    told = {"costs": [{"item": "s3_reads", "quantity": 2, "usd": 0.5}], "usd": 0.5}
    api = FakeApi(
        override=lambda request: (
            httpx.Response(200, json={**told, "usd_per_chunk": None})
            if request.url.path.endswith("/usage")
            else None
        )
    )
    done = run(outside(api), "cost", "--month", "2026-10")
    assert done.exit_code == 0, done.output
    assert "$0.5" in done.stdout
    assert api.requests[0].url.params["month"] == "2026-10"


def test_an_estimate_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"x" * 843_000)
    (tmp_path / "b.md").write_text("short")
    api = FakeApi()
    done = run(outside(api), "push", str(tmp_path), "--estimate", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert not api.requests
    assert told["documents"] == 2
    assert 100 < told["chunks"] < 10_000
    assert told["usd"] > 0
    assert told["prices"]["as_of"] == prices().as_of


@pytest.mark.parametrize(("given", "cap"), [("25", 25.0), ("2.50", 2.5), ("none", None)])
def test_a_cap_on_cost_is_set_beside_the_others(given: str, cap: float | None) -> None:
    ledger = MemoryLedger()
    ledger.cap("acme", Caps(documents=5, cost=1.0))
    done = set_cost(ledger, given)
    assert done.exit_code == 0, done.output
    assert ledger.tenant("acme").caps == Caps(documents=5, cost=cap)


@pytest.mark.parametrize("given", ["-1", "1e3", "ten", "1.234", ""])
def test_a_cap_that_is_no_amount_is_refused(given: str) -> None:
    ledger = MemoryLedger()
    done = set_cost(ledger, given)
    assert done.exit_code == 2
    assert "--max-cost" in done.stderr
    assert ledger.tenant("acme").caps == Caps()


def set_cost(ledger: MemoryLedger, amount: str) -> Result:
    ports: Any = StackPorts.__new__(StackPorts)
    object.__setattr__(ports, "ledger", ledger)
    world = outside(ports=lambda _: ports, environ={})
    return run(world, "tenants", "set", "acme", f"--max-cost={amount}", *WHERE)


def run_narrow(world: Outside, *args: str) -> Result:
    """The same on a terminal of 80 columns."""
    env = {"COLUMNS": "80", "NO_COLOR": "1"}
    return CliRunner(env=env).invoke(app, list(args), obj=world)


def costing(*lines: tuple[str, float, float]) -> list[list[str]]:
    """The rows that a person is shown at 80 columns, split into words."""
    costs = [{"item": item, "quantity": much, "usd": usd} for item, much, usd in lines]
    told = {"costs": costs, "usd": sum(usd for *_, usd in lines), "usd_per_chunk": None}
    api = FakeApi(override=lambda request: httpx.Response(200, json=told))
    done = run_narrow(outside(api), "cost", "--month", "2026-10")
    assert done.exit_code == 0, done.output
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    return [row.split() for row in done.stdout.splitlines()[1:]]


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (2.953e-06, "$0.000003"),
        (4e-07, "<$0.000001"),
        (0.0, "$0.00"),
        (0.00012345, "$0.000123"),
        (0.5, "$0.50"),
        (0.99999999, "$1.00"),
        (12_345.678, "$12,345.68"),
    ],
)
def test_money_has_six_decimals_at_most_and_no_exponent(usd: float, shown: str) -> None:
    row, foot = costing(("s3_reads", 2, usd))
    assert row == ["s3", "reads", "2", shown]
    assert foot == ["Together", f"{shown}."]


@pytest.mark.parametrize(
    ("item", "much", "shown"),
    [
        ("invocations", 14.763, "15"),
        ("invocations", 1_234_567.0, "1,234,567"),
        ("invocations", 0.2, "<1"),
        ("invocations", 0.0, "0"),
        ("log_gigabytes", 0.00012345, "0.000123"),
        ("log_gigabytes", 0.0, "0"),
        ("index_gigabyte_months", 12.3456, "12.3"),
        ("index_gigabyte_months", 9.999, "10.0"),
        ("gb_seconds", 3_600.4, "3,600"),
        ("gb_seconds", 0.7384, "0.738"),
    ],
)
def test_counts_are_whole_and_gigabytes_have_three_digits(
    item: str, much: float, shown: str
) -> None:
    row, _ = costing((item, much, 1))
    assert row == [*item.split("_"), shown, "$1.00"]
