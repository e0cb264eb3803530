"""What every ledger promises to retries, repairs and audits, on both ledgers."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from ragline.domain import lifecycle
from ragline.domain.chunks import ORDINALS_PER_RANGE
from ragline.domain.documents import Document, Progress, Reason, Status
from ragline.domain.errors import InvalidRequest, OutOfTime
from ragline.domain.ledger import ChunkState, Failure, RangeRecord, Work
from ragline.domain.lifecycle import UPLOAD_GRACE, WORK_LEASE, Record
from ragline.domain.pages import PageCounts
from ragline.domain.times import later
from ragline.ports import Ledger
from tests.contract.ledgers import (
    AWAY,
    BAD,
    HOME,
    RIVAL,
    WORSE,
    Clock,
    audits,
    begun,
    counts,
    dropped,
    finish,
    ids,
    known,
    new,
    settle,
    split,
    tamper,
)

pytestmark = pytest.mark.disable_socket

NEVER_CAME = Reason("upload_expired", "The upload never came.", "upload")


def partial(ledger: Ledger, document_id: str = "d1") -> Document:
    """Of four chunks: 0 and 2 failed, 1 and 3 are indexed."""
    document = split(ledger, 4, new(document_id))
    ledger.record_chunks(document, [0, 2], ChunkState.FAILED, BAD)
    ledger.record_chunks(document, [1, 3], ChunkState.INDEXED)
    ended = settle(ledger, document)
    assert ended is not None
    assert ended.status is Status.PARTIAL
    return ended


def leases(ledger: Ledger, limit: int = 100) -> list[str]:
    return [one.document.document_id for one in ledger.overdue(limit)]


# Retrying


def test_a_retried_document_is_under_way_again_in_the_same_generation(ledger: Ledger) -> None:
    ended = partial(ledger)
    again = ledger.retry(ended)
    assert again == known(ledger, ended)
    assert again is not None
    assert (again.status, again.reason, again.generation) == (Status.PROCESSING, None, 1)
    assert again.progress == ended.progress
    assert again.shows(1)  # what is searchable stays so meanwhile
    assert list(again.timings) == ["uploaded", "split", "indexed", "retried"]
    assert ledger.retry(ended) is None


def test_what_failed_before_it_was_split_is_split_again(ledger: Ledger) -> None:
    started = begun(ledger)
    ledger.fail("acme", "d1", 1, WORSE, advice="Repair it.")
    again = ledger.retry(started)
    assert again is not None
    assert (again.status, again.reason, again.advice) == (Status.SPLITTING, None, "")
    ledger.plan_ranges(started, 1, 0)
    ledger.record_range(started, 0, 1, PageCounts())
    assert finish(ledger, started, 1).status is Status.INDEXED


def test_only_what_is_failed_or_partial_is_retried(ledger: Ledger) -> None:
    assert ledger.retry(ledger.create(new("d1"))) is None
    assert ledger.retry(split(ledger, 1, new("d2"))) is None
    assert ledger.retry(finish(ledger, split(ledger, 1, new("d3")), 1)) is None
    gone = partial(ledger, "d4")
    ledger.delete("acme", "d4")
    assert ledger.retry(gone) is None
    old = partial(ledger, "d5")
    replaced = begun(ledger, new("d5"), "02")
    ledger.fail("acme", "d5", 2, WORSE)
    assert ledger.retry(old) is None
    assert ledger.retry(replaced) is not None


def test_reopened_chunks_are_pending_and_the_others_are_left(ledger: Ledger) -> None:
    document = partial(ledger)
    ledger.retry(document)
    for _ in range(2):  # repeated, it changes nothing
        assert ledger.reopen(document, [0, 1, 3, 99])
        assert counts(ledger, document) == (0, 1, 2)
    work = ledger.work(document)
    assert work.failed == [2]
    assert work.unfinished == [0]
    assert work.reasons == {2: BAD}


def test_reopening_what_is_open_already_moves_nothing(ledger: Ledger) -> None:
    """Not even the heartbeat: a document that only is retried all over is not at work."""
    document = partial(ledger)
    ledger.retry(document)
    ledger.reopen(document, [0, 2])
    before = known(ledger, document)
    assert ledger.reopen(document, [0, 1, 2, 3])
    assert ledger.reopen(document, [])
    assert known(ledger, document) == before


@pytest.mark.parametrize("ordinals", [[0, 2], [1, 3], []], ids=["failed", "others", "none"])
def test_nothing_is_reopened_that_is_not_under_way(ledger: Ledger, ordinals: list[int]) -> None:
    ended = partial(ledger)
    assert not ledger.reopen(ended, ordinals)
    assert known(ledger, ended) == ended
    again = begun(ledger, sequencer="02")
    assert not ledger.reopen(ended, ordinals)
    ledger.delete("acme", "d1")
    assert not ledger.reopen(again, ordinals)
    ledger.create(new())
    assert not ledger.reopen(again, ordinals)
    assert ledger.work(ended).failed == [0, 2]


def test_a_reopened_chunk_goes_the_whole_way_and_the_status_comes_back(ledger: Ledger) -> None:
    document = partial(ledger)
    ledger.retry(document)
    assert ledger.reopen(document, [0, 2])
    assert settle(ledger, document) is None
    ledger.record_chunks(document, [0, 2], ChunkState.EMBEDDED)
    assert counts(ledger, document) == (2, 0, 2)
    assert settle(ledger, document) is None
    ledger.record_chunks(document, [0], ChunkState.INDEXED)
    ledger.record_chunks(document, [2], ChunkState.FAILED, WORSE)
    worse = settle(ledger, document)
    assert worse is not None
    assert (worse.status, worse.reason) == (Status.PARTIAL, WORSE)
    ledger.retry(document)
    assert ledger.reopen(document, [2])
    assert finish(ledger, document, 4).status is Status.INDEXED
    assert known(ledger, document).progress == Progress(0, 0, 1, 1, 4, indexed=4)
    assert known(ledger, document).reason is None


def test_many_chunks_are_reopened_however_many_one_write_can_hold(ledger: Ledger) -> None:
    document = split(ledger, 230)
    ledger.record_chunks(document, range(230), ChunkState.FAILED, BAD)
    settle(ledger, document)
    ledger.retry(document)
    assert ledger.reopen(document, range(5, 225))
    assert counts(ledger, document) == (0, 10, 0)
    assert ledger.work(document).failed == [*range(5), *range(225, 230)]


def test_a_chunk_that_failed_without_a_reason_is_a_failed_chunk(ledger: Ledger) -> None:
    document = split(ledger, 2)
    ledger.record_chunks(document, [0], ChunkState.FAILED, BAD)
    ledger.record_chunks(document, [1], ChunkState.FAILED)
    assert ledger.work(document).reasons == {0: BAD}
    settle(ledger, document)
    ledger.retry(document)
    ledger.reopen(document, [0])
    ledger.record_chunks(document, [0], ChunkState.FAILED)
    assert ledger.work(document).failed == [0, 1]
    assert ledger.work(document).reasons == {}  # the old reason was that of the old attempt


# Leases


def test_an_upload_is_awaited_for_as_long_as_it_was_given(ledger: Ledger, clock: Clock) -> None:
    ledger.create(new(upload_seconds=600))
    clock.skip(UPLOAD_GRACE + timedelta(seconds=590))
    assert not ledger.expire("acme", "d1", NEVER_CAME)
    clock.skip(timedelta(seconds=10))
    assert ledger.expire("acme", "d1", NEVER_CAME)
    assert not ledger.expire("acme", "d1", NEVER_CAME)
    ended = known(ledger, new())
    assert (ended.status, ended.reason) == (Status.FAILED, NEVER_CAME)
    assert not ledger.expire("acme", "nobody", NEVER_CAME)


def test_an_upload_that_comes_after_all_starts_its_document(ledger: Ledger, clock: Clock) -> None:
    ledger.create(new(upload_seconds=600, checksum="ab" * 32))
    clock.skip(timedelta(days=1))
    ledger.expire("acme", "d1", NEVER_CAME)
    document = split(ledger, 1)
    assert (document.status, document.reason) == (Status.SPLITTING, None)
    assert not ledger.expire("acme", "d1", NEVER_CAME)
    assert finish(ledger, document, 1).status is Status.INDEXED


def test_an_upload_that_expires_leaves_the_deleted_generation_before_it_dead(
    ledger: Ledger, clock: Clock
) -> None:
    """Its last chunks and its dead letters may still be on their way."""
    document = split(ledger, 1)
    ledger.delete("acme", "d1")
    ledger.create(new(upload_seconds=0))
    clock.skip(timedelta(days=1))
    ledger.expire("acme", "d1", NEVER_CAME)
    expired = known(ledger, document)
    ledger.plan_ranges(document, 1, 0)
    ledger.record_range(document, 0, 1, PageCounts())
    ledger.record_chunks(document, [0], ChunkState.INDEXED)
    assert settle(ledger, document) is None
    assert ledger.retry(document) is None
    assert known(ledger, document) == expired


def test_a_document_that_has_begun_does_not_expire(ledger: Ledger, clock: Clock) -> None:
    begun(ledger)
    clock.skip(timedelta(days=30))
    assert not ledger.expire("acme", "d1", NEVER_CAME)
    assert known(ledger, new()).status is Status.SPLITTING


def test_leases_that_are_over_are_found_longest_over_first(ledger: Ledger, clock: Clock) -> None:
    ledger.create(new("awaits", upload_seconds=0))  # and an hour of grace
    begun(ledger, new("splitting", RIVAL))
    split(ledger, 1, new("processing", AWAY))
    finish(ledger, split(ledger, 1, new("indexed")), 1)
    partial(ledger, "partial")
    finish(ledger, split(ledger, 1, new("gone")), 1)
    ledger.delete("acme", "gone")
    assert leases(ledger) == []
    clock.skip(WORK_LEASE)
    assert leases(ledger) == ["splitting", "processing", "gone"]
    assert leases(ledger, 2) == ["splitting", "processing"]
    clock.skip(UPLOAD_GRACE)
    assert leases(ledger) == ["splitting", "processing", "gone", "awaits"]
    assert {one.lease_until > one.document.created_at for one in ledger.overdue()} == {True}


def test_a_renewed_lease_is_not_over_and_remembers_repairs(ledger: Ledger, clock: Clock) -> None:
    document = begun(ledger)
    for repaired, repairs in ((False, 0), (True, 1), (True, 2)):
        clock.skip(WORK_LEASE)
        assert leases(ledger) == ["d1"]
        ledger.renew(document, repaired=repaired)
        assert leases(ledger) == []
        clock.skip(WORK_LEASE)
        assert [one.repairs for one in ledger.overdue()] == [repairs]
    assert known(ledger, document) == document  # its heartbeat is that of its work alone


def test_a_new_status_renews_the_lease_and_forgets_repairs(ledger: Ledger, clock: Clock) -> None:
    document = begun(ledger)
    clock.skip(WORK_LEASE)
    ledger.renew(document, repaired=True)
    ledger.plan_ranges(document, 1, 0)
    ledger.record_range(document, 0, 1, PageCounts())
    clock.skip(WORK_LEASE)
    assert [one.repairs for one in ledger.overdue()] == [0]
    finish(ledger, document, 1)
    assert leases(ledger) == []


def test_only_what_has_a_lease_of_this_generation_is_renewed(ledger: Ledger, clock: Clock) -> None:
    ended = partial(ledger)
    ledger.renew(ended, repaired=True)
    begun(ledger, sequencer="02")
    clock.skip(WORK_LEASE)
    ledger.renew(ended, repaired=True)
    assert [one.repairs for one in ledger.overdue()] == [0]


def test_counts_move_the_heartbeat_and_not_the_lease(ledger: Ledger, clock: Clock) -> None:
    document = split(ledger, 2)
    clock.skip(WORK_LEASE)
    ledger.record_chunks(document, [0], ChunkState.EMBEDDED)
    (record,) = ledger.overdue()
    now = record.document.updated_at
    assert record.lease_until < now
    assert not lifecycle.overdue(record, now)
    clock.skip(WORK_LEASE)
    (record,) = ledger.overdue()
    assert lifecycle.overdue(record, later(now, WORK_LEASE))


# What failed, of a tenant


def test_failed_and_partial_documents_of_all_collections_are_found_latest_first(
    ledger: Ledger,
) -> None:
    last = begun(ledger, new("d1"))
    begun(ledger, new("d2", AWAY))
    ledger.fail("acme", "d2", 1, WORSE)
    partial(ledger, "d3")
    ledger.fail("acme", last.document_id, 1, WORSE)
    begun(ledger, new("d4", RIVAL))
    ledger.fail("rival", "d4", 1, WORSE)
    begun(ledger, new("d5"))
    finish(ledger, split(ledger, 1, new("d6")), 1)
    page = ledger.troubled("acme")
    assert (ids(page.documents), page.cursor) == (["d1", "d3", "d2"], None)
    assert list(page.documents) == [known(ledger, one) for one in page.documents]
    assert ids(ledger.troubled("rival").documents) == ["d4"]
    assert ids(ledger.troubled("nobody").documents) == []


def test_what_is_mended_retried_replaced_or_deleted_is_in_trouble_no_more(ledger: Ledger) -> None:
    for one in ("mended", "retried", "replaced", "deleted", "left"):
        partial(ledger, one)
    ledger.record_chunks(known(ledger, new("mended")), [0, 2], ChunkState.INDEXED)
    ledger.settle("acme", "mended", 1)
    ledger.retry(known(ledger, new("retried")))
    begun(ledger, new("replaced"), "02")
    ledger.delete("acme", "deleted")
    assert ids(ledger.troubled("acme").documents) == ["left"]


def test_trouble_is_placed_by_when_it_began_whatever_moves_afterwards(ledger: Ledger) -> None:
    for one in ("d1", "d2", "d3"):
        partial(ledger, one)
    third = known(ledger, new("d3"))
    ledger.record_chunks(known(ledger, new("d1")), [0], ChunkState.INDEXED)
    ledger.identify(known(ledger, new("d2")), "ab" * 32)
    assert ids(ledger.troubled("acme").documents) == ["d3", "d2", "d1"]
    assert ids(ledger.troubled("acme", since=third.timings["indexed"]).documents) == ["d3"]


def test_pages_of_trouble_join_to_the_whole(ledger: Ledger) -> None:
    for n in range(7):
        ledger.fail("acme", begun(ledger, new(f"d{n}")).document_id, 1, WORSE)
    seen: list[str] = []
    cursor = None
    for _ in range(9):
        page = ledger.troubled("acme", limit=2, cursor=cursor)
        assert len(page.documents) <= 2
        seen += ids(page.documents)
        cursor = page.cursor
        if cursor is None:
            break
    assert (seen, cursor) == ([f"d{n}" for n in reversed(range(7))], None)


def test_trouble_is_found_from_a_time_on(ledger: Ledger) -> None:
    for n in range(4):
        ledger.fail("acme", begun(ledger, new(f"d{n}")).document_id, 1, WORSE)
    since = known(ledger, new("d2")).updated_at
    assert ids(ledger.troubled("acme", since=since).documents) == ["d3", "d2"]
    page = ledger.troubled("acme", since=since, limit=1)
    assert ids(ledger.troubled("acme", since=since, cursor=page.cursor).documents) == ["d2"]
    assert ids(ledger.troubled("acme", since="2027-01-01").documents) == []
    with pytest.raises(InvalidRequest, match="since"):
        ledger.troubled("acme", since="yesterday")


def test_a_cursor_of_another_tenant_or_listing_is_refused(ledger: Ledger) -> None:
    for n in range(3):
        ledger.fail("acme", begun(ledger, new(f"d{n}")).document_id, 1, WORSE)
    mine = ledger.troubled("acme", limit=1).cursor
    listed = ledger.list(HOME, limit=1).cursor
    assert mine is not None
    assert listed is not None
    for tenant, cursor in (("rival", mine), ("acme", listed), ("acme", mine + "A"), ("acme", "ü")):
        with pytest.raises(InvalidRequest, match="cursor"):
            ledger.troubled(tenant, cursor=cursor)


# Records


def test_the_work_of_a_generation_is_all_its_records(ledger: Ledger) -> None:
    document = begun(ledger)
    assert ledger.work(document) == Work()
    ledger.plan_ranges(document, 2, 0)
    ledger.record_range(document, 1, 2, PageCounts())
    ledger.record_range(document, 0, 3, PageCounts())
    second = ORDINALS_PER_RANGE
    ledger.record_chunks(document, [0, 1, second], ChunkState.EMBEDDED)
    ledger.record_chunks(document, [1], ChunkState.FAILED, BAD)
    ledger.record_chunks(document, [second], ChunkState.INDEXED)
    work = ledger.work(document)
    assert work.ranges == {0: RangeRecord(3), 1: RangeRecord(2)}
    assert work.chunks == {
        0: ChunkState.EMBEDDED,
        1: ChunkState.FAILED,
        second: ChunkState.INDEXED,
    }
    assert work.reasons == {1: BAD}
    assert work.unfinished == [0, 2, second + 1]
    assert Progress(ranges_total=2, **work.counts()) == known(ledger, document).progress


def test_work_is_that_of_one_generation_of_one_document(ledger: Ledger) -> None:
    old = partial(ledger)
    split(ledger, 9, new("d1", RIVAL))
    split(ledger, 8, new("d11"))
    again = begun(ledger, sequencer="02")
    ledger.plan_ranges(again, 1, 0)
    ledger.record_range(again, 0, 7, PageCounts())
    assert ledger.work(again) == Work({0: RangeRecord(7)})
    assert ledger.work(old).ranges == {0: RangeRecord(4)}


def test_forgetting_drops_the_records_of_older_generations_only(ledger: Ledger) -> None:
    old = partial(ledger)
    other = partial(ledger, "d2")
    middle = begun(ledger, sequencer="02")
    ledger.plan_ranges(middle, 1, 0)
    ledger.record_range(middle, 0, 5, PageCounts())
    again = begun(ledger, sequencer="03")
    ledger.plan_ranges(again, 1, 0)
    ledger.record_range(again, 0, 6, PageCounts())
    ledger.record_chunks(again, [0], ChunkState.INDEXED)
    before = known(ledger, again)
    for _ in range(2):
        ledger.forget("acme", "d1", 2)
        assert ledger.work(old) == Work()
        assert ledger.work(middle) == Work({0: RangeRecord(5)})
        assert ledger.work(again) == Work({0: RangeRecord(6)}, {0: ChunkState.INDEXED})
    assert ledger.work(other).ranges == {0: RangeRecord(4)}
    assert known(ledger, again) == before


def test_forgetting_ends_in_time_and_goes_on_where_it_ended(ledger: Ledger) -> None:
    document = split(ledger, 3)
    ledger.record_chunks(document, range(3), ChunkState.INDEXED)
    ledger.delete("acme", "d1")
    with pytest.raises(OutOfTime):
        ledger.forget("acme", "d1", 2, deadline=time.monotonic() - 1)
    assert [one.removal_pending for one in ledger.audit()] == [True]
    ledger.forget("acme", "d1", 2, deadline=time.monotonic() + 60)
    assert ledger.work(document) == Work()
    assert [one.removal_pending for one in ledger.audit()] == [False]
    ledger.forget("acme", "d1", 2, deadline=time.monotonic() - 1)  # there is nothing left to do


def test_one_range_is_read_without_the_others(ledger: Ledger) -> None:
    document = begun(ledger)
    ledger.plan_ranges(document, 3, 30)
    for number, chunks in enumerate((2, 3)):
        ledger.record_range(document, number, chunks, PageCounts(text=10))
    ledger.lose_range(document, 2, 10, WORSE)
    second = ORDINALS_PER_RANGE
    ledger.record_chunks(document, [0, second, second + 2], ChunkState.FAILED, BAD)
    ledger.record_chunks(document, [second], ChunkState.INDEXED)
    work = ledger.work(document, 1)
    assert work.ranges == {1: RangeRecord(3, PageCounts(text=10))}
    assert work.chunks == {second: ChunkState.INDEXED, second + 2: ChunkState.FAILED}
    assert work.unfinished == [second + 1]
    assert ledger.work(document, 7) == Work()
    assert ledger.failed(document) == {0: BAD, second + 2: BAD}
    assert ledger.states(document, [0, 1, second]) == {
        0: ChunkState.FAILED,
        second: ChunkState.INDEXED,
    }
    assert ledger.ranges(document)[2] == RangeRecord(0, PageCounts(failed=10), WORSE, lost=True)
    assert ledger.work(document).counts() == {
        "ranges_done": 3,
        "ranges_failed": 1,
        "chunks_total": 5,
        "pages_done": 30,
        "pages_text": 20,
        "pages_ocr": 0,
        "pages_image": 0,
        "pages_blank": 0,
        "pages_failed": 10,
        "embedded": 0,
        "failed": 2,
        "indexed": 1,
    }


def lost(ledger: Ledger) -> Document:
    """Two ranges of five pages: the first is cut and indexed, the second is lost."""
    document = begun(ledger)
    ledger.plan_ranges(document, 2, 10)
    ledger.record_range(document, 0, 1, PageCounts(text=5))
    ledger.record_chunks(document, [0], ChunkState.INDEXED)
    assert settle(ledger, document) is None
    ledger.lose_range(document, 1, 5, WORSE)
    return document


def test_a_document_that_lost_a_range_is_partial_with_its_reason(ledger: Ledger) -> None:
    document = lost(ledger)
    assert known(ledger, document).status is Status.PROCESSING
    ended = settle(ledger, document)
    assert ended is not None
    assert (ended.status, ended.reason) == (Status.PARTIAL, WORSE)
    assert ended.live_generation == 1
    assert ended.progress.page_counts == PageCounts(text=5, failed=5)
    assert ended.progress.ranges_failed == 1


def test_losing_a_range_again_and_again_counts_it_once(ledger: Ledger) -> None:
    document = lost(ledger)
    before = known(ledger, document).progress
    ledger.lose_range(document, 1, 5, BAD)
    ledger.lose_range(document, 0, 5, BAD)  # which was cut
    assert known(ledger, document).progress == before
    assert ledger.ranges(document)[1].reason == WORSE


def test_a_lost_range_is_opened_once_and_only_while_its_document_is_under_way(
    ledger: Ledger,
) -> None:
    document = lost(ledger)
    settle(ledger, document)
    assert not ledger.reopen_ranges(document, [1])
    assert ledger.retry(known(ledger, document), split=True) is not None
    assert known(ledger, document).status is Status.SPLITTING
    for _ in range(2):
        assert ledger.reopen_ranges(document, [0, 1, 7])
        progress = known(ledger, document).progress
        assert progress == Progress(10, 5, 2, 1, 1, indexed=1, pages_text=5)
    assert ledger.record_range(document, 1, 2, PageCounts(text=4, blank=1))
    ledger.record_chunks(document, [ORDINALS_PER_RANGE, ORDINALS_PER_RANGE + 1], ChunkState.INDEXED)
    ended = settle(ledger, document)
    assert ended is not None
    assert (ended.status, ended.reason, ended.generation) == (Status.INDEXED, None, 1)
    assert ended.progress == Progress(10, 10, 2, 2, 3, indexed=3, pages_text=9, pages_blank=1)


def test_a_range_that_is_cut_after_it_was_lost_counts_as_cut_until_the_document_ends(
    ledger: Ledger,
) -> None:
    document = lost(ledger)
    assert ledger.record_range(document, 1, 2, PageCounts(text=5))
    assert known(ledger, document).progress == Progress(10, 10, 2, 2, 3, indexed=1, pages_text=10)
    ledger.lose_range(document, 1, 5, WORSE)
    assert known(ledger, document).progress.ranges_failed == 0
    other = begun(ledger, new("d2"))
    ledger.plan_ranges(other, 1, 5)
    ledger.lose_range(other, 0, 5, WORSE)
    ended = settle(ledger, other)
    assert ended is not None
    assert (ended.status, ended.reason) == (Status.FAILED, WORSE)
    assert not ledger.record_range(other, 0, 2, PageCounts(text=5))
    assert known(ledger, other) == ended


def test_ranges_of_a_generation_that_is_over_are_neither_cut_nor_lost(ledger: Ledger) -> None:
    document = lost(ledger)
    again = begun(ledger, sequencer="02")
    assert not ledger.record_range(document, 3, 1, PageCounts())
    ledger.lose_range(document, 3, 1, WORSE)
    assert not ledger.reopen_ranges(document, [1])
    assert known(ledger, document) == again


def test_counts_of_pages_are_set_to_what_the_ranges_say(ledger: Ledger) -> None:
    document = lost(ledger)
    before = known(ledger, document)
    tamper(ledger, document, pages_text=1, pages_failed=0, ranges_failed=9, pages_done=77)
    ledger.recount(document)
    assert known(ledger, document) == before


def test_however_many_records_are_forgotten(ledger: Ledger) -> None:
    document = split(ledger, 120)
    ledger.record_chunks(document, range(120), ChunkState.INDEXED)
    ledger.forget("acme", "d1", 2)
    assert ledger.work(document) == Work()


def test_a_deleted_document_is_pending_until_all_of_it_is_forgotten(
    ledger: Ledger, clock: Clock
) -> None:
    partial(ledger)
    begun(ledger, sequencer="02")
    ledger.delete("acme", "d1")
    assert [one.removal_pending for one in ledger.audit()] == [True]
    ledger.forget("acme", "d1", 2)  # the second generation may still be there
    assert [one.removal_pending for one in ledger.audit()] == [True]
    ledger.forget("acme", "d1", 3)
    assert [(one.removal_pending, one.work) for one in ledger.audit()] == [(False, {})]
    clock.skip(timedelta(days=1))
    assert leases(ledger) == []


def test_forgetting_a_living_document_leaves_its_lease(ledger: Ledger, clock: Clock) -> None:
    begun(ledger)
    ledger.forget("acme", "d1", 2)
    clock.skip(WORK_LEASE)
    assert leases(ledger) == ["d1"]


def test_what_is_created_again_meanwhile_keeps_waiting(ledger: Ledger, clock: Clock) -> None:
    partial(ledger)
    ledger.delete("acme", "d1")
    ledger.create(new(upload_seconds=0))
    ledger.forget("acme", "d1", 2)
    clock.skip(UPLOAD_GRACE)
    assert leases(ledger) == ["d1"]


def test_an_audit_tells_of_every_document_of_every_tenant_with_all_its_records(
    ledger: Ledger,
) -> None:
    assert list(ledger.audit()) == []
    ledger.create(new("d0", metadata={"year": 2026}))
    old = partial(ledger, "d1")
    again = begun(ledger, new("d1"), "02")
    ledger.plan_ranges(again, 1, 0)
    ledger.record_range(again, 0, 6, PageCounts())
    split(ledger, 2, new("d1", RIVAL))
    gone = split(ledger, 1, new("d2", AWAY))
    ledger.delete("acme", "d2")
    ledger.claim_content(HOME, "ab", "d1")
    ledger.record_failure("acme", "d1", Failure(1, BAD))
    told = audits(ledger)
    assert told.keys() == {("acme", "d0"), ("acme", "d1"), ("rival", "d1"), ("acme", "d2")}
    for one in told.values():
        assert one.document == known(ledger, one.document)
    assert told["acme", "d0"].work == {}
    assert told["acme", "d1"].work == {1: ledger.work(old), 2: Work({0: RangeRecord(6)})}
    assert told["rival", "d1"].work == {1: Work({0: RangeRecord(2)})}
    assert told["acme", "d2"].work == {1: ledger.work(gone)}
    assert [key for key, one in told.items() if one.removal_pending] == [("acme", "d2")]


def test_an_audit_in_hand_keeps_no_one_from_writing(ledger: Ledger) -> None:
    for one in ("d1", "d2"):
        split(ledger, 1, new(one))
    for told in ledger.audit():
        finish(ledger, told.document, 1)
    assert {one.document.status for one in ledger.audit()} == {Status.INDEXED}


def test_counts_that_were_tampered_with_are_mended(ledger: Ledger) -> None:
    document = split(ledger, 4)
    ledger.record_chunks(document, [0], ChunkState.EMBEDDED)
    ledger.record_chunks(document, [1], ChunkState.FAILED, BAD)
    right = known(ledger, document)
    tamper(ledger, document, ranges_done=7, chunks_total=1, embedded=-2, indexed=9, failed=0)
    assert known(ledger, document) != right
    ledger.recount(document)
    assert known(ledger, document) == right
    assert settle(ledger, document) is None
    assert finish(ledger, document, 4).status is Status.INDEXED


def test_counts_that_are_right_stay_as_they_are(ledger: Ledger) -> None:
    document = split(ledger, 4)
    ledger.record_chunks(document, [0], ChunkState.EMBEDDED)
    right = known(ledger, document)
    ledger.recount(document)
    assert known(ledger, document) == right


def test_only_the_generation_at_hand_is_recounted(ledger: Ledger) -> None:
    old = partial(ledger)
    again = begun(ledger, sequencer="02")
    ledger.recount(old)
    assert known(ledger, again) == again
    ledger.recount(Document(HOME, "nobody", "a", Status.SPLITTING, "", ""))
    assert ledger.get("acme", "nobody") is None


def test_records_are_equal_however_they_are_kept(ledger: Ledger, clock: Clock) -> None:
    """What ``overdue`` gives is what was written, not only its document."""
    started = begun(ledger, dropped())
    ledger.delete("acme", started.document_id)
    clock.skip(WORK_LEASE)
    (record,) = ledger.overdue()
    assert record == Record(
        known(ledger, started),
        lease_until=later(known(ledger, started).updated_at, WORK_LEASE),
    )


def test_a_recount_gives_a_document_that_awaits_its_upload_no_counts_of_a_deleted_one(
    ledger: Ledger,
) -> None:
    document = split(ledger, 3)
    ledger.delete("acme", "d1")
    ledger.create(new())
    ledger.recount(document)
    assert known(ledger, document).progress == Progress()
