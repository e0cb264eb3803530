"""What every ledger promises of tenants: exact holdings, and caps that hold however many ask."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.domain.documents import Document, Partition
from ragline.domain.errors import QuotaExceeded
from ragline.domain.ledger import Multipart
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import Caps, Holdings, Tenant
from ragline.ports import Ledger
from tests.contract import aws
from tests.contract.ledgers import (
    BAD,
    HOME,
    RIVAL,
    begun,
    cancelled,
    dropped,
    finish,
    flaky,
    fresh_dynamo,
    known,
    new,
    split,
    tamper,
)

pytestmark = pytest.mark.disable_socket

UPLOAD = Multipart("upload-1", 20, 8, "ab" * 32)


def holds(ledger: Ledger, tenant: str = "acme") -> tuple[int, int, int]:
    held = ledger.tenant(tenant).holds
    return held.documents, held.bytes, held.chunks


def test_a_tenant_that_nobody_heard_of_holds_nothing_and_has_no_caps(ledger: Ledger) -> None:
    assert ledger.tenant("acme") == Tenant("acme")
    assert list(ledger.tenants()) == []


def test_a_document_is_held_from_its_registration_to_its_deletion(ledger: Ledger) -> None:
    ledger.create(new(size=9))
    assert holds(ledger) == (1, 9, 0)
    ledger.create(new(size=9))
    assert holds(ledger) == (1, 9, 0)
    document = split(ledger, 3, new(size=9))
    assert holds(ledger) == (1, 9, 3)
    finish(ledger, document, 3)
    assert holds(ledger) == (1, 9, 3)
    ledger.delete("acme", "d1")
    assert holds(ledger) == (0, 0, 0)
    ledger.delete("acme", "d1")
    assert holds(ledger) == (0, 0, 0)


def test_a_document_cut_whole_is_counted_once_however_often_it_is_told(ledger: Ledger) -> None:
    document = begun(ledger, new(size=9))
    for _ in range(3):
        ledger.record_whole(document, 4, PageCounts(text=1))
    assert holds(ledger) == (1, 9, 4)


def test_a_range_is_counted_once_however_often_it_is_told(ledger: Ledger) -> None:
    document = begun(ledger, new(size=9))
    ledger.plan_ranges(document, 2, 0)
    for number in (0, 1, 0, 1):
        ledger.record_range(document, number, 2 + number, PageCounts())
    assert holds(ledger) == (1, 9, 5)


def test_a_replaced_document_holds_the_chunks_of_both_versions_until_the_new_one_is_live(
    ledger: Ledger,
) -> None:
    finish(ledger, split(ledger, 3, new(size=9)), 3)
    again = begun(ledger, new(size=20), sequencer="02")
    assert holds(ledger) == (1, 20, 3)
    ledger.record_whole(again, 5, PageCounts())
    assert holds(ledger) == (1, 20, 8)
    finish(ledger, again, 5)
    assert holds(ledger) == (1, 20, 5)


def test_a_version_that_failed_leaves_the_live_one_held(ledger: Ledger) -> None:
    finish(ledger, split(ledger, 3, new(size=9)), 3)
    for sequencer in ("02", "03"):
        again = begun(ledger, new(size=9), sequencer)
        ledger.fail("acme", "d1", again.generation, BAD)
        assert holds(ledger) == (1, 9, 3)


def test_a_file_that_was_dropped_is_held_as_well(ledger: Ledger) -> None:
    begun(ledger, dropped())
    assert holds(ledger) == (1, 0, 0)


def test_an_upload_that_never_came_leaves_a_document_without_bytes(
    ledger: Ledger, clock: Any
) -> None:
    ledger.create(new(size=9, upload_seconds=60))
    clock.skip(timedelta(hours=3))
    assert ledger.expire("acme", "d1", BAD)
    assert holds(ledger) == (1, 0, 0)
    begun(ledger, new(size=9))
    assert holds(ledger) == (1, 9, 0)


def test_one_tenants_documents_are_not_anothers(ledger: Ledger) -> None:
    ledger.create(new(size=9))
    ledger.create(new(partition=RIVAL, size=5))
    ledger.cap("third", Caps(documents=1))
    assert (holds(ledger), holds(ledger, "rival")) == ((1, 9, 0), (1, 5, 0))
    assert list(ledger.tenants()) == ["acme", "rival", "third"]


def test_caps_are_set_changed_and_taken_away(ledger: Ledger) -> None:
    for caps in (Caps(1, 2, 3), Caps(bytes=5), Caps(), Caps(documents=0)):
        ledger.cap("acme", caps)
        assert ledger.tenant("acme").caps == caps
    ledger.create(new(size=9))
    assert holds(ledger) == (1, 9, 0)


@pytest.mark.parametrize(
    ("caps", "told"),
    [
        (Caps(documents=2), "max_documents, 2"),
        (Caps(bytes=29), "max_bytes, 29"),
        (Caps(documents=0), "max_documents, 0"),
    ],
)
def test_what_would_pass_a_cap_is_refused_by_its_name_and_leaves_nothing(
    ledger: Ledger, caps: Caps, told: str
) -> None:
    for one in ("d1", "d2"):
        ledger.create(new(one, size=10))
    ledger.cap("acme", caps)
    with pytest.raises(QuotaExceeded, match=told):
        ledger.create(new("d3", size=10), caps)
    assert ledger.get("acme", "d3") is None
    assert holds(ledger) == (2, 20, 0)
    assert ledger.create(new("d2", size=10), caps).document_id == "d2"
    ledger.delete("acme", "d1")
    ledger.delete("acme", "d2")
    if caps.documents != 0:
        assert ledger.create(new("d3", size=10), caps).document_id == "d3"


def test_the_first_document_of_a_tenant_is_held_to_its_caps_too(ledger: Ledger) -> None:
    ledger.cap("acme", Caps(bytes=9))
    with pytest.raises(QuotaExceeded):
        ledger.create(new(size=10), Caps(bytes=9))
    assert ledger.create(new(size=9), Caps(bytes=9)).size == 9


def test_of_many_that_ask_at_once_no_more_get_in_than_there_is_room_for(ledger: Ledger) -> None:
    caps = Caps(documents=3)
    ledger.cap("acme", caps)
    if isinstance(ledger, DynamoLedger):
        ledger._table._client = aws.OneAtATime(ledger._table._client)  # type: ignore[assignment]

    def ask(number: int) -> bool:
        try:
            ledger.create(new(f"d{number}", size=1), caps)
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(12))) == 3
    assert holds(ledger) == (3, 3, 0)


def test_an_open_upload_is_kept_until_an_object_has_come(ledger: Ledger, clock: Any) -> None:
    document = ledger.create(new(size=20))
    assert ledger.upload("acme", "d1") is None
    assert ledger.open_upload(document, UPLOAD, 172_800)
    assert ledger.upload("acme", "d1") == UPLOAD
    assert ledger.upload("acme", "d2") is None
    ledger.open_upload(document, None)
    assert ledger.upload("acme", "d1") is None
    ledger.open_upload(document, UPLOAD, 172_800)
    begun(ledger, new(size=20))
    assert ledger.upload("acme", "d1") is None


def test_an_open_upload_may_take_as_long_as_it_was_given(ledger: Ledger, clock: Any) -> None:
    document = ledger.create(new(size=20, upload_seconds=60))
    ledger.open_upload(document, UPLOAD, 172_800)
    clock.skip(timedelta(hours=47))
    assert not ledger.expire("acme", "d1", BAD)
    clock.skip(timedelta(hours=3))
    assert ledger.expire("acme", "d1", BAD)
    assert ledger.upload("acme", "d1") is None


def test_a_deleted_document_takes_no_upload(ledger: Ledger) -> None:
    document = ledger.create(new(size=20))
    ledger.delete("acme", "d1")
    assert not ledger.open_upload(document, UPLOAD, 60)


def test_who_claimed_some_bytes_is_told_without_claiming_them(ledger: Ledger) -> None:
    assert ledger.content_owner(HOME, "ab") == ""
    ledger.claim_content(HOME, "ab", "d1")
    assert ledger.content_owner(HOME, "ab") == "d1"
    assert ledger.content_owner(Partition("rival", "papers"), "ab") == ""


# On DynamoDB


@pytest.fixture
def dynamo(moto: None) -> DynamoLedger:
    return fresh_dynamo()


def lose_totals(ledger: DynamoLedger) -> None:
    """As a table of version 0.1 is: documents, and nobody counted them."""
    client: Any = ledger._table._client
    key = {"PK": {"S": "TENANT#acme"}, "SK": {"S": "TOTALS"}}
    client.delete_item(TableName=ledger._table.name, Key=key)


def test_a_recount_adds_up_the_documents_of_that_tenant_alone(dynamo: DynamoLedger) -> None:
    finish(dynamo, split(dynamo, 3, new(size=9)), 3)
    dynamo.create(new("d2", size=5))
    dynamo.create(new("d1", RIVAL, size=7))
    dynamo.create(new("gone", size=100))
    dynamo.delete("acme", "gone")
    lose_totals(dynamo)
    assert holds(dynamo) == (0, 0, 0)
    assert dynamo.recount_tenant("acme")
    assert holds(dynamo) == (2, 14, 3)
    assert holds(dynamo, "rival") == (1, 7, 0)
    dynamo.delete("acme", "d2")
    assert holds(dynamo) == (1, 9, 3)


def test_a_recount_gives_way_to_documents_that_move_meanwhile(dynamo: DynamoLedger) -> None:
    dynamo.create(new(size=9))
    table = dynamo._table
    real = table.scan_all

    def scanned(**request: Any) -> Any:
        yield from real(**request)
        dynamo.create(new("d2", size=5))

    table.scan_all = scanned  # type: ignore[method-assign]
    assert not dynamo.recount_tenant("acme")
    assert holds(dynamo) == (2, 14, 0)


def meanwhile(ledger: DynamoLedger, act: Callable[[], object]) -> list[bool]:
    """Do something between the next reading of a document and its writing; empty when done."""
    real, left = ledger._table.get, [True]

    def get(pk: str, sk: str) -> Any:
        found = real(pk, sk)
        if sk == "META" and left:
            left.clear()
            act()
        return found

    ledger._table.get = get  # type: ignore[method-assign]
    return left


def test_a_deletion_takes_away_what_is_counted_then_not_what_was_read(
    dynamo: DynamoLedger,
) -> None:
    """Between the reading and the writing of a deletion a range may be counted."""
    document = begun(dynamo, new(size=9))
    dynamo.plan_ranges(document, 2, 0)
    dynamo.record_range(document, 0, 3, PageCounts())
    left = meanwhile(dynamo, lambda: dynamo.record_range(document, 1, 4, PageCounts()))
    dynamo.delete("acme", "d1")
    assert not left
    assert holds(dynamo) == (0, 0, 0)


def test_a_new_version_takes_over_what_was_counted_of_the_old_one_a_moment_ago(
    dynamo: DynamoLedger,
) -> None:
    document = begun(dynamo, new(size=9))
    dynamo.plan_ranges(document, 2, 0)
    left = meanwhile(dynamo, lambda: dynamo.record_range(document, 0, 4, PageCounts()))
    begun(dynamo, new(size=9), sequencer="02")
    assert not left
    assert holds(dynamo) == (1, 9, 0)


def test_a_document_that_was_deleted_and_registered_anew_meanwhile_is_held_as_it_is_then(
    dynamo: DynamoLedger,
) -> None:
    def anew(size: int) -> None:
        dynamo.delete("acme", "d1")
        dynamo.create(new(size=size))

    anew(9)
    anew(9)
    left = meanwhile(dynamo, lambda: anew(20))
    dynamo.begin(new(size=9), "05", "p1")
    assert not left
    assert holds(dynamo) == (1, known(dynamo, new()).size, 0)


def test_counts_set_by_hand_are_found_by_a_recount_of_document_and_tenant(
    dynamo: DynamoLedger,
) -> None:
    document: Document = split(dynamo, 3, new(size=9))
    tamper(dynamo, document, chunks_total=8)
    dynamo.recount(known(dynamo, document))
    dynamo.recount_tenant("acme")
    assert holds(dynamo) == (1, 9, 3)


def test_a_busy_tenant_keeps_its_documents_waiting_but_loses_none(moto: None) -> None:
    """Transactions at one item conflict: each is tried again."""
    conflict = cancelled("None", "TransactionConflict")
    ledger = flaky("transact_write_items", 3, conflict)
    ledger.create(new(size=9))
    assert holds(ledger) == (1, 9, 0)
    document = begun(ledger, new(size=9))
    ledger = DynamoLedger(
        ledger._table.name,
        client=aws.client("dynamodb"),
        backoff=Backoff(sleep=lambda _: None),
    )
    assert ledger.record_whole(document, 4, PageCounts(text=1))
    assert ledger.tenant("acme").holds == Holdings(1, 9, 4)
