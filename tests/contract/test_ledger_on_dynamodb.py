"""What only DynamoDB can do to a ledger: refuse, lose its answer, lag behind, keep old items."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb import items
from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.domain.documents import Progress, Status
from ragline.domain.errors import SetupError, Throttled, WriteConflict
from ragline.domain.ledger import ChunkState, Failure, RangeRecord, Work
from ragline.domain.lifecycle import WORK_LEASE
from ragline.domain.pages import PageCounts
from ragline.domain.times import later
from ragline.ports import Ledger
from tests.contract import aws
from tests.contract.ledgers import (
    BAD,
    HOME,
    WORSE,
    Clock,
    begun,
    cancelled,
    counts,
    finish,
    flaky,
    fresh_dynamo,
    ids,
    known,
    new,
    racing,
    settle,
    split,
    tamper,
)

pytestmark = [pytest.mark.disable_socket, pytest.mark.usefixtures("moto")]


@pytest.mark.parametrize(
    ("code", "error"), [("TransactionConflict", WriteConflict), ("ThrottlingError", Throttled)]
)
def test_a_busy_transaction_is_tried_again_and_given_up_in_the_end(
    code: str, error: type[Exception]
) -> None:
    ledger = flaky("transact_write_items", 3, cancelled("None", code))
    document = split(ledger, 1)
    assert finish(ledger, document, 1).status is Status.INDEXED
    hopeless = flaky("transact_write_items", 99, cancelled("None", code))
    with pytest.raises(error):
        begun(hopeless)
    with pytest.raises(error):
        hopeless.record_chunks(document, [0], ChunkState.INDEXED)
    with pytest.raises(error):
        hopeless.record_range(document, 0, 1, PageCounts())


def test_a_transaction_that_happened_though_its_answer_was_lost_counts_once() -> None:
    def lost(real: Any, request: Any) -> Any:
        real(**request)
        return cancelled("None", "TransactionConflict")(real, request)

    ledger = flaky("transact_write_items", 99, lost)
    document = split(ledger, 2)
    ledger.record_chunks(document, [0, 1], ChunkState.EMBEDDED)
    ledger.record_chunks(document, [0, 1], ChunkState.INDEXED)
    assert known(ledger, document).progress == Progress(0, 0, 1, 1, 2, indexed=2)


def test_items_left_unread_are_asked_for_again() -> None:
    def half(real: Any, request: Any) -> Any:
        ((table, asked),) = request["RequestItems"].items()
        keys = asked["Keys"]
        answer = real(RequestItems={table: {**asked, "Keys": keys[: len(keys) // 2]}})
        answer["UnprocessedKeys"] = {table: {**asked, "Keys": keys[len(keys) // 2 :]}}
        return answer

    ledger = flaky("batch_get_item", 4, half)
    wanted = [f"d{n}" for n in range(40)]
    for one in wanted:
        ledger.create(new(one))
    assert ledger.get_many("acme", wanted).keys() == set(wanted)
    hopeless = flaky("batch_get_item", 99, half)
    with pytest.raises(Throttled):
        hopeless.get_many("acme", wanted)


class Told:
    """A client that keeps the names of the calls made."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)

        def call(**request: Any) -> Any:
            self.calls.append(name)
            return real(**request)

        return call


def test_the_usual_way_of_a_chunk_takes_one_call_for_each_step() -> None:
    client = Told(aws.client("dynamodb"))
    ledger = fresh_dynamo(client)
    document = begun(ledger)
    client.calls.clear()
    whole = ledger.record_whole(document, 2, PageCounts())
    assert whole is not None
    ledger.record_chunks(whole, [0, 1], ChunkState.EMBEDDED)
    assert client.calls == ["transact_write_items"] * 2
    embedded = known(ledger, document)
    client.calls.clear()
    ledger.record_chunks(embedded, [0, 1], ChunkState.INDEXED)
    assert client.calls == ["transact_write_items"]
    assert counts(ledger, document) == (0, 0, 2)


def test_what_was_most_likely_done_before_is_read_and_not_tried() -> None:
    """A transaction that is cancelled costs as much as one that is not."""
    client = Told(aws.client("dynamodb"))
    ledger = fresh_dynamo(client)
    document = split(ledger, 2)
    for state in (ChunkState.EMBEDDED, ChunkState.INDEXED):
        ledger.record_chunks(known(ledger, document), [0, 1], state)
        done = known(ledger, document)
        client.calls.clear()
        ledger.record_chunks(done, [0, 1], state)
        assert client.calls == ["batch_get_item"]


@pytest.mark.parametrize("state", [ChunkState.EMBEDDED, ChunkState.INDEXED])
def test_a_wrong_guess_of_where_chunks_are_is_made_good_by_reading(state: ChunkState) -> None:
    ledger = fresh_dynamo()
    document = split(ledger, 3)
    ledger.record_chunks(known(ledger, document), [0, 1], ChunkState.EMBEDDED)
    stale = known(ledger, document)
    ledger.record_chunks(stale, [1], ChunkState.FAILED, BAD)
    ledger.record_chunks(stale, [0], ChunkState.INDEXED)
    ledger.record_chunks(stale, [0, 2][: 1 + (state is ChunkState.INDEXED)], state)
    ledger.record_chunks(stale, [1], state)
    expected = (0, 0, 3) if state is ChunkState.INDEXED else (0, 1, 1)
    assert counts(ledger, document) == expected


def test_a_document_cut_whole_after_a_repair_starts_with_none_to_its_name() -> None:
    ledger = fresh_dynamo()
    document = begun(ledger)
    ledger.renew(document, repaired=True)
    ledger.record_whole(document, 1, PageCounts())
    item = ledger._table.get(items.document_pk("acme", "d1"), items.META)
    assert item is not None
    assert "repairs" not in item
    record = items.read_record(item)
    assert record.lease_until == later(record.document.updated_at, WORK_LEASE)


def test_a_delete_between_reading_and_writing_is_not_overwritten() -> None:
    """Whatever was read before it: the end of a generation, its failure, the next one's start."""
    acts: list[Callable[[Ledger], object]] = [
        lambda ledger: ledger.settle("acme", "d1", 1),
        lambda ledger: ledger.fail("acme", "d1", 1, WORSE),
        lambda ledger: ledger.begin(new(), "02", "p1"),
    ]
    for act in acts:
        ledger = fresh_dynamo()
        document = split(ledger, 1)
        ledger.record_chunks(document, [0], ChunkState.INDEXED)

        def deleted_meanwhile(real: Any, request: Any, ledger: Ledger = ledger) -> Any:
            found = real(**request)
            ledger.delete("acme", "d1")
            return found

        act(racing(ledger, "get_item", deleted_meanwhile))
        assert known(ledger, document).status is Status.DELETED


def test_a_recount_gives_way_to_a_chunk_that_moves_meanwhile() -> None:
    ledger = fresh_dynamo()
    document = split(ledger, 3)
    tamper(ledger, document, indexed=9)

    def moved_meanwhile(real: Any, request: Any) -> Any:
        found = real(**request)
        ledger.record_chunks(document, [0, 1], ChunkState.EMBEDDED)
        return found

    racing(ledger, "query", moved_meanwhile).recount(document)
    assert counts(ledger, document) == (2, 0, 0)


def test_a_recount_gives_way_to_moves_that_leave_the_counts_as_they_were() -> None:
    """One failed chunk is opened and another fails, the one read before, the other after."""
    ledger = fresh_dynamo()
    document = split(ledger, 2)
    ledger.record_chunks(document, [0], ChunkState.FAILED, BAD)

    def moved_meanwhile(real: Any, request: Any) -> Any:
        ledger.reopen(document, [0])
        found = real(**request)
        ledger.record_chunks(document, [1], ChunkState.FAILED, BAD)
        return found

    racing(ledger, "query", moved_meanwhile).recount(document)
    assert counts(ledger, document) == (0, 1, 0)


def test_racing_retries_open_each_chunk_once() -> None:
    ledger = fresh_dynamo(
        aws.OneAtATime(aws.client("dynamodb")), Backoff(tries=60, first=0.001, longest=0.02)
    )
    document = split(ledger, 12)
    ledger.record_chunks(document, range(12), ChunkState.FAILED, BAD)
    settle(ledger, document)

    def again(worker: int) -> bool:
        won = ledger.retry(document) is not None
        some = [(worker + n) % 12 for n in range(8)]
        if ledger.reopen(document, some):
            ledger.record_chunks(document, some[:4], ChunkState.EMBEDDED)
        return won

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(again, range(6))) == 1
    work = ledger.work(document)
    progress = known(ledger, document).progress
    assert {name: getattr(progress, name) for name in work.counts()} == work.counts()
    assert ledger.reopen(document, range(12))
    assert ledger.work(document).failed == []


def test_workers_that_cut_lose_and_open_the_same_ranges_at_once_keep_the_counts_exact() -> None:
    client = aws.OneAtATime(aws.client("dynamodb"))
    ledger = fresh_dynamo(client)
    document = begun(ledger)
    ledger.plan_ranges(document, 4, 20)

    def work(worker: int) -> None:
        for number in range(4):
            if (worker + number) % 3 == 0:
                ledger.record_range(document, number, 3, PageCounts(text=4, blank=1))
            elif (worker + number) % 3 == 1:
                ledger.lose_range(document, number, 5, WORSE)
            else:
                ledger.reopen_ranges(document, [number])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    counted = ledger.work(document).counts()
    progress = known(ledger, document).progress
    assert {name: getattr(progress, name) for name in counted} == counted
    assert progress.ranges_failed == 0  # each was cut by someone, and stays so
    assert progress == Progress(20, 20, 4, 4, 12, pages_text=16, pages_blank=4)


def test_pages_of_a_range_from_before_their_kinds_were_counted_are_no_miscount() -> None:
    ledger = fresh_dynamo()
    document = begun(ledger)
    ledger.record_whole(document, 1, PageCounts(text=7))
    table = ledger._table
    pk = items.document_pk("acme", "d1")
    for sk, name in ((items.META, "pages_text"), (items.range_sk(1, 0), "text")):
        table._client.update_item(
            TableName=table.name,
            Key=items.key(pk, sk),
            UpdateExpression="REMOVE #name",
            ExpressionAttributeNames={"#name": name},
        )
    counted = ledger.work(document).counts()
    progress = known(ledger, document).progress
    assert {name: getattr(progress, name) for name in counted} == counted
    assert progress.pages_done == 7
    ledger.recount(document)
    assert known(ledger, document).progress == progress


def test_counts_that_are_nought_take_no_room_in_the_item() -> None:
    """Each write of META is paid by its size, in steps of a kilobyte."""
    ledger = fresh_dynamo()
    document = begun(ledger)
    ledger.plan_ranges(document, 2, 10)
    ledger.record_range(document, 0, 1, PageCounts(text=5))
    meta = ledger._table.get(items.document_pk("acme", "d1"), items.META)
    assert meta is not None
    assert {name for name in meta if name.startswith(("pages_", "ranges_"))} == {
        "pages_total",
        "pages_done",
        "pages_text",
        "ranges_total",
        "ranges_done",
    }


def test_items_left_undeleted_are_asked_for_again() -> None:
    def half(real: Any, request: Any) -> Any:
        ((table, asked),) = request["RequestItems"].items()
        real(RequestItems={table: asked[: (len(asked) + 1) // 2]})
        return {"UnprocessedItems": {table: asked[(len(asked) + 1) // 2 :]}}

    ledger = flaky("batch_write_item", 4, half)
    document = split(ledger, 60)
    ledger.record_chunks(document, range(60), ChunkState.INDEXED)
    ledger.delete("acme", "d1")
    ledger.forget("acme", "d1", 2)
    assert ledger.work(document) == Work()

    def nothing(real: Any, request: Any) -> Any:
        return {"UnprocessedItems": request["RequestItems"]}

    hopeless = flaky("batch_write_item", 99, nothing)
    kept = split(hopeless, 2)
    hopeless.delete("acme", "d1")
    with pytest.raises(Throttled, match="unwritten"):
        hopeless.forget("acme", "d1", 2)
    assert [one.removal_pending for one in hopeless.audit()] == [True]
    assert hopeless.work(kept) == Work({0: RangeRecord(2)})


def test_records_of_many_pages_are_read_and_dropped_whole() -> None:
    """DynamoDB ends a page at one megabyte, however much there is."""

    def short(real: Any, request: Any) -> Any:
        return real(**request, Limit=3)

    ledger = flaky("query", 99, short)
    document = split(ledger, 10)
    ledger.record_chunks(document, range(10), ChunkState.INDEXED)
    work = ledger.work(document)
    assert len(work.chunks) == 10
    assert [one.work for one in ledger.audit()] == [{1: work}]
    ledger.forget("acme", "d1", 2)
    assert ledger.work(document) == Work()


def test_an_audit_finds_documents_on_every_page_of_the_table() -> None:
    def short(real: Any, request: Any) -> Any:
        return real(**request, Limit=2)

    ledger = flaky("scan", 99, short)
    for n in range(5):
        split(ledger, 2, new(f"d{n}"))
    assert {one.document.document_id for one in ledger.audit()} == {f"d{n}" for n in range(5)}


def test_what_the_index_still_calls_trouble_is_asked_of_the_table() -> None:
    """ByStatus lags behind: what a document is, the table says."""
    ledger = fresh_dynamo()
    for one in ("d1", "d2"):
        ledger.fail("acme", begun(ledger, new(one)).document_id, 1, WORSE)

    def mended_meanwhile(real: Any, request: Any) -> Any:
        found = real(**request)
        ledger.retry(known(ledger, new("d1")))
        return found

    page = racing(ledger, "query", mended_meanwhile).troubled("acme")
    assert ids(page.documents) == ["d2"]


def test_failures_are_kept_for_ninety_days() -> None:
    ledger = fresh_dynamo()
    ledger.record_failure("acme", "d1", Failure(1, BAD))
    ledger.record_failure("acme", "d1", Failure(1, BAD))
    (failure,) = ledger.failures("acme", "d1")
    item = ledger._table.get(items.document_pk("acme", "d1"), items.failure_sk(1, BAD))
    assert item is not None
    kept = datetime.fromtimestamp(int(item["ttl"]["N"]), UTC) - datetime.fromisoformat(failure.last)
    assert abs(kept - timedelta(days=90)) < timedelta(seconds=5)


def of_the_former_release(ledger: DynamoLedger, sk: str, *names: str) -> None:
    """Take from an item of document d1 the attributes that release did not know."""
    ledger._table.apply(
        {
            "TableName": ledger._table.name,
            "Key": items.key(items.document_pk("acme", "d1"), sk),
            "UpdateExpression": "REMOVE " + ", ".join(f"#{name}" for name in names),
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
        }
    )


NEW_IN_META = ("lease_until", "repairs", "allow_duplicate")


def test_documents_of_the_former_release_are_read_and_go_on() -> None:
    ledger = fresh_dynamo()
    document = split(ledger, 2, new(allow_duplicate=True))
    before = known(ledger, document)
    of_the_former_release(ledger, items.META, *NEW_IN_META)
    assert known(ledger, document) == replace(before, allow_duplicate=False)
    ledger.record_chunks(document, [0, 1], ChunkState.FAILED, BAD)
    assert settle(ledger, document) is not None
    assert ids(ledger.troubled("acme").documents) == ["d1"]
    ledger.retry(document)
    assert ledger.reopen(document, [0, 1])
    assert finish(ledger, document, 2).status is Status.INDEXED


def test_a_document_that_the_former_release_left_unfinished_is_overdue_in_its_time() -> None:
    """It kept the end of the lease in the index only."""
    clock = Clock()
    ledger = fresh_dynamo(clock=clock)
    document = begun(ledger)
    of_the_former_release(ledger, items.META, *NEW_IN_META)
    assert ledger.overdue() == []
    clock.skip(WORK_LEASE)
    assert [one.document for one in ledger.overdue()] == [document]
    ledger.renew(document, repaired=True)
    assert ledger.overdue() == []
    clock.skip(WORK_LEASE)
    assert [one.repairs for one in ledger.overdue()] == [1]


def test_an_upload_that_the_former_release_awaits_does_not_expire_before_its_time() -> None:
    clock = Clock()
    ledger = fresh_dynamo(clock=clock)
    ledger.create(new(upload_seconds=60))
    of_the_former_release(ledger, items.META, "lease_until")
    assert not ledger.expire("acme", "d1", WORSE)
    clock.skip(timedelta(hours=2))
    assert ledger.expire("acme", "d1", WORSE)


def test_failures_of_the_former_release_are_read_and_counted_on() -> None:
    ledger = fresh_dynamo()
    ledger.record_failure("acme", "d1", Failure(1, BAD))
    of_the_former_release(ledger, items.failure_sk(1, BAD), "letter", "ttl")
    assert [(one.attempts, one.letter) for one in ledger.failures("acme", "d1")] == [(1, "")]
    ledger.record_failure("acme", "d1", Failure(1, BAD, letter="m1"))
    assert [(one.attempts, one.letter) for one in ledger.failures("acme", "d1")] == [(2, "m1")]


def test_a_missing_table_is_an_error_of_setup_that_names_it() -> None:
    ledger = DynamoLedger("nowhere", client=aws.client("dynamodb"))
    for act in (
        lambda: ledger.get("acme", "d1"),
        lambda: ledger.get_many("acme", ["d1"]),
        lambda: ledger.list(HOME),
        lambda: ledger.failures("acme", "d1"),
    ):
        with pytest.raises(SetupError, match="nowhere"):
            act()


def test_only_documents_with_a_lease_are_in_the_index_by_status() -> None:
    client = aws.client("dynamodb")
    ledger = fresh_dynamo(client)

    def waiting() -> list[str]:
        found = client.scan(TableName=ledger._table.name, IndexName="ByStatus")["Items"]
        return [item["GSI2PK"]["S"] for item in found]

    ledger.create(new())
    assert waiting() == ["STATUS#awaiting_upload"]
    document = split(ledger, 1)
    assert waiting() == ["STATUS#processing"]
    finish(ledger, document, 1)
    assert waiting() == []
    ledger.delete("acme", "d1")
    assert waiting() == ["STATUS#deleted"]
    ledger.forget("acme", "d1", 2)
    assert waiting() == []
    ledger.fail("acme", begun(ledger, new("d2")).document_id, 1, WORSE)
    assert waiting() == []
    ledger.retry(known(ledger, new("d2")))
    assert waiting() == ["STATUS#splitting"]


def test_what_the_caller_knows_is_not_read_and_leaves_the_same_item(clock: Clock) -> None:
    client = Told(aws.client("dynamodb"))
    ledger = fresh_dynamo(client, clock=clock)

    def end(name: str, generation: int, knowing: bool) -> Any:
        ledger.record_whole(begun(ledger, new(name), f"{generation:02}"), 1, PageCounts())
        before = known(ledger, new(name))
        ledger.record_chunks(before, [0], ChunkState.INDEXED)
        then = replace(before, progress=replace(before.progress, indexed=1))
        client.calls.clear()
        ended = ledger.settle("acme", name, generation, known=then if knowing else None)
        assert ended is not None and ended.live_generation == generation
        assert ("get_item" in client.calls) is not knowing
        item = ledger._table.get(f"TENANT#acme#DOC#{name}", "META")
        assert item is not None
        return item

    for generation in (1, 2):  # the second holds a lease, until the first is cleared away
        told, read = end("told", generation, knowing=True), end("read", generation, knowing=False)
        assert told.keys() == read.keys()
        assert differing(told, read) <= {"PK", "document_id", "upload_key", "GSI1SK", "GSI2SK"} | {
            "created_at", "updated_at", "lease_until", "timings"
        }  # fmt: skip
        assert "repairs" not in told


def test_beginning_what_was_read_reads_nothing() -> None:
    client = Told(aws.client("dynamodb"))
    ledger = fresh_dynamo(client)
    awaited = ledger.create(new(size=7))
    client.calls.clear()
    begun_then = ledger.begin(new(), "01", "p1", known=awaited)
    assert "get_item" not in client.calls
    assert begun_then == known(ledger, awaited)


def differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {name for name in one if one[name] != other[name]}
