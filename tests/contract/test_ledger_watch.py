"""The ledger's watch is told of every change once; a trace outlives attempts, not versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.pages import PageCounts
from ragline.ports import Ledger
from tests.contract.aws import client, in_process_aws, make_table

HOME = Partition("acme", "reports")
KEY = "uploads/acme/reports/d1/a.md"


@dataclass
class Told:
    """``ports.LedgerWatch``."""

    statuses: list[str] = field(default_factory=list)
    chunks: list[tuple[str, int]] = field(default_factory=list)

    def moved(self, document: Document) -> None:
        self.statuses.append(document.status.value)

    def counted(self, state: ChunkState, chunks: int) -> None:
        self.chunks.append((state.name.lower(), chunks))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def ledger(told: Told) -> Iterator[DynamoLedger]:
    with in_process_aws():
        dynamodb = client("dynamodb")
        yield DynamoLedger(make_table(dynamodb), client=dynamodb, watch=told)


def new(trace_id: str = "", document_id: str = "d1") -> NewDocument:
    return NewDocument(HOME, document_id, "a.md", KEY, trace_id=trace_id)


def begun(ledger: Ledger, sequencer: str, trace_id: str = "") -> Document:
    document = ledger.begin(new(trace_id), sequencer, "parser-1")
    assert document is not None
    return document


def test_each_status_is_told_once_however_often_it_is_written(
    ledger: DynamoLedger, told: Told
) -> None:
    for _ in range(2):
        ledger.create(new())
        document = begun(ledger, "01")
        ledger.record_whole(document, 3, PageCounts(text=1))
        ledger.record_chunks(document, [0, 1, 2], ChunkState.EMBEDDED)
        ledger.record_chunks(document, [0, 1, 2], ChunkState.INDEXED)
        ledger.settle("acme", "d1", 1)
    for _ in range(2):
        ledger.delete("acme", "d1")
    statuses = ["awaiting_upload", "splitting", "processing", "indexed", "deleted"]
    assert told.statuses == statuses
    assert told.chunks == [("embedded", 3), ("indexed", 3)]


def test_ranges_tell_of_processing_when_the_last_is_cut(ledger: DynamoLedger, told: Told) -> None:
    document = begun(ledger, "01")
    ledger.plan_ranges(document, 2, 20)
    ledger.record_range(document, 0, 3, PageCounts(text=10))
    assert told.statuses == ["splitting"]
    ledger.record_range(document, 1, 3, PageCounts(text=10))
    assert told.statuses == ["splitting", "processing"]


def test_a_failure_is_told_with_its_reason(ledger: DynamoLedger, told: Told) -> None:
    document = begun(ledger, "01")
    ledger.fail("acme", "d1", document.generation, Reason("corrupt", "it ends early.", "split"))
    ledger.fail("acme", "d1", document.generation, Reason("corrupt", "it ends early.", "split"))
    assert told.statuses == ["splitting", "failed"]


@pytest.fixture(params=["memory", "dynamodb"])
def either(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "memory":
        return MemoryLedger()
    found: DynamoLedger = request.getfixturevalue("ledger")
    return found


def test_the_trace_of_the_registration_goes_on_in_the_upload(either: Ledger) -> None:
    either.create(new("registered"))
    assert begun(either, "01", "of-the-event").trace_id == "registered"
    kept = either.get("acme", "d1")
    assert kept is not None
    assert kept.trace_id == "registered"


def test_new_bytes_begin_a_new_trace_and_a_redelivery_does_not(either: Ledger) -> None:
    assert begun(either, "01", "first").trace_id == "first"
    assert begun(either, "01", "again").trace_id == "first"
    assert begun(either, "02", "second").trace_id == "second"


def test_a_retry_goes_on_in_the_same_trace(either: Ledger) -> None:
    document = begun(either, "01", "first")
    either.fail("acme", "d1", 1, Reason("throttled", "too much at once.", "split"))
    failed = either.get("acme", "d1")
    assert failed is not None
    again = either.retry(failed)
    assert again is not None
    assert (again.status, again.trace_id) == (Status.SPLITTING, document.trace_id)
