"""`ragline cost` and `push --estimate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.usage import MemoryUsageBook
from ragline.cli.stack_ports import StackPorts
from ragline.domain.documents import Partition
from ragline.domain.ledger import ChunkState, NewDocument
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
    ledger.record_whole(document, 100, 0)
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
