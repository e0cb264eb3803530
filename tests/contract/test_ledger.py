"""What every ledger promises: on the fake, and on DynamoDB's table as the template declares it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragline.adapters.backoff import Backoff
from ragline.domain.documents import Document, Progress, Reason, Status
from ragline.domain.errors import InvalidRequest, MalformedMessage, WriteConflict
from ragline.domain.ledger import ChunkState, Failure, RangeRecord
from ragline.domain.lifecycle import MAX_FIELDS, MAX_MESSAGE
from ragline.domain.pages import PageCounts
from ragline.ports import Ledger
from tests.contract import aws
from tests.contract.ledgers import (
    AWAY,
    BAD,
    HOME,
    RIVAL,
    WORSE,
    begun,
    counts,
    dropped,
    finish,
    fresh_dynamo,
    ids,
    known,
    new,
    settle,
    split,
)

pytestmark = pytest.mark.disable_socket


# Creating


def test_a_created_document_is_read_back_as_it_was_given(ledger: Ledger) -> None:
    metadata = {"i": 1, "f": 1.0, "b": True, "s": "1", "tiny": 5e-324, "big": 2**63 - 1, "e": ""}
    made = ledger.create(
        new(content_type="text/plain", size=7, metadata=metadata, checksum="ab" * 32)
    )
    read = known(ledger, made)
    assert read == made
    assert read.status is Status.AWAITING_UPLOAD
    assert (read.filename, read.size, read.content_type) == ("a.txt", 7, "text/plain")
    assert {name: (type(v), v) for name, v in read.metadata.items()} == {
        name: (type(v), v) for name, v in metadata.items()
    }


def test_creating_a_known_document_returns_it_unchanged(ledger: Ledger) -> None:
    made = ledger.create(new(size=7))
    assert ledger.create(new(size=8)) == made == known(ledger, made)


def test_the_same_id_of_another_tenant_is_another_document(ledger: Ledger) -> None:
    ledger.create(new(size=7))
    ledger.create(new(partition=RIVAL, size=8))
    ledger.delete("rival", "d1")
    assert known(ledger, new()).size == 7
    assert ledger.get_many("acme", ["d1"])["d1"].size == 7


def test_an_unknown_document_is_none(ledger: Ledger) -> None:
    assert ledger.get("acme", "nobody") is None
    assert ledger.delete("acme", "nobody") is None
    assert ledger.settle("acme", "nobody", 1) is None
    ledger.fail("acme", "nobody", 1, WORSE)
    assert ledger.get("acme", "nobody") is None


def test_many_documents_are_read_at_once_and_unknown_ones_left_out(ledger: Ledger) -> None:
    ids = [f"d{n}" for n in range(120)]
    for one in ids:
        ledger.create(new(one))
    assert ledger.get_many("acme", [*ids, *ids, "nobody"]).keys() == set(ids)
    assert ledger.get_many("acme", []) == {}


def test_metadata_fields_are_those_of_the_collection(ledger: Ledger) -> None:
    assert ledger.metadata_fields(HOME) == frozenset()
    ledger.create(new(metadata={"year": 2026}))
    begun(ledger, new("d2", metadata={"author": "Ada", "year": 1843}))
    ledger.create(new("d3", AWAY, metadata={"to": "you"}))
    ledger.delete("acme", "d2")
    assert ledger.metadata_fields(HOME) == {"year", "author"}


def test_metadata_fields_of_a_collection_are_bounded(ledger: Ledger) -> None:
    ledger.create(new(metadata={f"f{n}": n for n in range(MAX_FIELDS)}))
    ledger.create(new("d2", metadata={"f1": 0}))
    with pytest.raises(InvalidRequest, match=str(MAX_FIELDS)):
        ledger.create(new("d3", metadata={"one_more": 0}))
    assert ledger.get("acme", "d3") is None


# Generations


def test_an_upload_starts_the_first_generation(ledger: Ledger) -> None:
    ledger.create(new(size=7, metadata={"year": 2026}, checksum="ab" * 32))
    started = begun(ledger, new(size=9))
    assert started == known(ledger, started)
    assert started.status is Status.SPLITTING
    assert (started.generation, started.live_generation, started.fingerprint) == (1, 0, "p1")
    assert (started.size, started.metadata, started.checksum) == (9, {"year": 2026}, "ab" * 32)
    assert list(started.timings) == ["uploaded"]


def test_a_file_dropped_without_being_announced_is_a_document(ledger: Ledger) -> None:
    started = begun(ledger, new(metadata={"year": 2026}))
    assert started == known(ledger, started)
    assert started.generation == 1


def test_a_redelivered_upload_changes_nothing(ledger: Ledger) -> None:
    started = split(ledger, 2)
    before = known(ledger, started)
    assert ledger.begin(new(), "01", "p1") == before == known(ledger, started)


def test_a_late_upload_of_an_older_version_is_ignored(ledger: Ledger) -> None:
    started = begun(ledger, sequencer="0A1")
    assert ledger.begin(new(), "9F", "p1") is None  # shorter: older, though "9" sorts after "0"
    assert known(ledger, started) == started


def test_a_new_version_starts_over_and_the_old_generation_counts_no_more(ledger: Ledger) -> None:
    old = split(ledger, 2, new(checksum="ab" * 32))
    ledger.record_chunks(old, [0], ChunkState.FAILED, BAD)
    again = begun(ledger, sequencer="02")
    assert (again.generation, again.progress, again.reason) == (2, Progress(), None)
    assert again.checksum == ""  # it was that of other bytes
    ledger.record_chunks(old, [0, 1], ChunkState.INDEXED)
    ledger.record_range(old, 1, 5, PageCounts(text=5))
    ledger.plan_ranges(old, 9, 9)
    ledger.fail("acme", "d1", 1, WORSE)
    assert settle(ledger, old) is None
    assert known(ledger, again) == again


def test_a_replacement_is_live_only_when_it_is_searchable(ledger: Ledger) -> None:
    finish(ledger, split(ledger, 1), 1)
    again = begun(ledger, sequencer="02")
    assert known(ledger, again).shows(1)
    ledger.fail("acme", "d1", 2, WORSE, advice="Repair it.")
    failed = known(ledger, again)
    assert (failed.status, failed.reason, failed.advice) == (Status.FAILED, WORSE, "Repair it.")
    assert failed.shows(1)
    third = begun(ledger, sequencer="03")
    assert (third.reason, third.advice, third.live_generation) == (None, "", 1)
    ledger.plan_ranges(third, 1, 0)
    ledger.record_range(third, 0, 1, PageCounts())
    assert finish(ledger, third, 1).live_generation == 3


def test_other_settings_of_the_splitter_start_an_unfinished_generation_over(ledger: Ledger) -> None:
    """Two ways of cutting must not mix: what comes late from the first counts no more."""
    old = split(ledger, 2, new(checksum="ab" * 32))
    ledger.record_chunks(old, [0], ChunkState.INDEXED)
    again = ledger.begin(new(), "01", "p2")
    assert again is not None
    assert (again.generation, again.fingerprint, again.progress) == (2, "p2", Progress())
    assert (again.status, again.checksum) == (Status.SPLITTING, "ab" * 32)
    ledger.record_chunks(old, [1], ChunkState.INDEXED)
    assert settle(ledger, old) is None
    assert known(ledger, again) == again == ledger.begin(new(), "01", "p2")
    assert ledger.begin(new(), "01", "") == again  # whoever does not say means no other


def test_other_settings_of_the_splitter_leave_a_finished_generation_as_it_is(
    ledger: Ledger,
) -> None:
    live = finish(ledger, split(ledger, 1), 1)
    assert ledger.begin(new(), "01", "p2") == live == known(ledger, live)
    ledger.record_chunks(split(ledger, 1, new("d2")), [0], ChunkState.FAILED, BAD)
    ledger.settle("acme", "d2", 1)
    failed = known(ledger, new("d2"))
    assert ledger.begin(new("d2"), "01", "p2") == failed == known(ledger, failed)


def test_a_replacement_without_text_takes_the_place_of_what_was_there(ledger: Ledger) -> None:
    """What the old version said is gone from the file: no query may find it any more."""
    finish(ledger, split(ledger, 1), 1)
    again = begun(ledger, sequencer="02")
    ledger.plan_ranges(again, 1, 0)
    ledger.record_range(again, 0, 0, PageCounts(text=1))
    ended = settle(ledger, again)
    assert ended == known(ledger, again)
    assert ended is not None
    assert (ended.status, ended.live_generation, ended.shows(1)) == (Status.EMPTY, 2, False)


def test_a_replacement_that_fails_leaves_the_old_generation_live_and_says_so(
    ledger: Ledger,
) -> None:
    finish(ledger, split(ledger, 1), 1)
    begun(ledger, sequencer="02")
    ledger.fail("acme", "d1", 2, WORSE)
    unreadable = known(ledger, new())
    again = begun(ledger, sequencer="03")
    ledger.plan_ranges(again, 1, 0)
    ledger.record_range(again, 0, 1, PageCounts())
    ledger.record_chunks(again, [0], ChunkState.FAILED, BAD)
    unembeddable = settle(ledger, again)
    for failed, reason in ((unreadable, WORSE), (unembeddable, BAD)):
        assert failed is not None
        assert (failed.status, failed.reason, failed.shows(1)) == (Status.FAILED, reason, True)
        assert failed.advice == "Generation 1 is still there and answers."


def test_a_first_generation_that_fails_speaks_of_no_other(ledger: Ledger) -> None:
    started = begun(ledger)
    ledger.fail("acme", "d1", 1, WORSE)
    assert known(ledger, started).advice == ""


def test_what_bytes_a_generation_is_of_is_kept_with_that_generation(ledger: Ledger) -> None:
    old = begun(ledger, sequencer="01")
    ledger.identify(old, "ab" * 32)
    identified = known(ledger, old)
    assert identified.checksum == "ab" * 32
    ledger.identify(old, "ab" * 32)
    assert known(ledger, old) == identified  # not even its time: nothing changed
    again = begun(ledger, sequencer="02")
    ledger.identify(old, "cd" * 32)
    assert known(ledger, again) == again
    ledger.identify(again, "ef" * 32)
    ledger.delete("acme", "d1")
    ledger.identify(again, "cd" * 32)
    assert known(ledger, again).checksum == "ef" * 32


def test_a_live_document_cannot_be_taken_over_from_another_collection(ledger: Ledger) -> None:
    started = begun(ledger)
    with pytest.raises(MalformedMessage, match="papers"):
        ledger.begin(new(partition=AWAY), "02", "p1")
    assert known(ledger, started) == started


# Deleting


def test_deleting_returns_the_document_as_it_was_once(ledger: Ledger) -> None:
    live = finish(ledger, split(ledger, 1), 1)
    assert ledger.delete("acme", "d1") == live
    assert ledger.delete("acme", "d1") is None
    gone = known(ledger, live)
    assert (gone.status, gone.generation) == (Status.DELETED, 1)
    assert not gone.shows(1)
    assert not gone.wants(1)


def test_nothing_moves_a_deleted_document(ledger: Ledger) -> None:
    started = split(ledger, 2)
    ledger.delete("acme", "d1")
    gone = known(ledger, started)
    ledger.record_chunks(started, [0, 1], ChunkState.INDEXED)
    ledger.record_range(started, 1, 1, PageCounts(text=1))
    ledger.fail("acme", "d1", 1, WORSE)
    assert settle(ledger, started) is None
    assert known(ledger, started) == gone


@pytest.mark.parametrize("late", ["01", "02", "03"])
def test_a_late_upload_never_revives_a_document_deleted_on_request(
    ledger: Ledger, late: str
) -> None:
    begun(ledger, sequencer="02")
    ledger.delete("acme", "d1")
    assert ledger.begin(new(), late, "p1") is None
    ledger.delete("acme", "d1", "04")  # the bucket's own word of the removal
    assert ledger.begin(new(), late, "p1") is None
    assert known(ledger, new()).status is Status.DELETED


def test_a_late_upload_never_revives_a_document_deleted_before_its_upload_was_seen(
    ledger: Ledger,
) -> None:
    ledger.create(new())
    ledger.delete("acme", "d1")
    assert ledger.begin(new(), "01", "p1") is None


def test_an_upload_after_the_removal_revives_with_the_next_generation(ledger: Ledger) -> None:
    split(ledger, 1, new(metadata={"year": 2026}))
    assert ledger.delete("acme", "d1", "02") is not None
    revived = begun(ledger, sequencer="03")
    assert (revived.generation, revived.progress, revived.metadata) == (2, Progress(), {})
    assert known(ledger, revived) == revived


def test_a_dropped_file_deleted_on_request_can_be_dropped_again(ledger: Ledger) -> None:
    started = begun(ledger, dropped(), "01")
    assert ledger.delete("acme", started.document_id) is not None
    assert ledger.delete("acme", started.document_id, "02") is None
    assert ledger.begin(dropped(), "01", "p1") is None  # the deleted upload, redelivered
    again = begun(ledger, dropped(), "03")
    assert (again.generation, again.status) == (2, Status.SPLITTING)
    assert known(ledger, again) == again


def test_a_dropped_file_waits_to_be_dropped_again_until_the_bucket_has_told_of_its_removal(
    ledger: Ledger,
) -> None:
    """Nobody can say yet whether the newer event is of before the deletion or after it."""
    started = begun(ledger, dropped(), "01")
    ledger.delete("acme", started.document_id)
    gone = known(ledger, started)
    with pytest.raises(WriteConflict, match="still being deleted"):
        ledger.begin(dropped(), "03", "p1")
    assert ledger.begin(dropped(), "01", "p1") is None
    assert known(ledger, started) == gone
    ledger.delete("acme", started.document_id, "02")
    assert begun(ledger, dropped(), "03").generation == 2


def test_an_upload_of_before_the_removal_does_not_revive_a_dropped_file(ledger: Ledger) -> None:
    started = begun(ledger, dropped(), "01")
    ledger.delete("acme", started.document_id)
    ledger.delete("acme", started.document_id, "03")
    assert ledger.begin(dropped(), "02", "p1") is None
    assert known(ledger, started).status is Status.DELETED


def test_a_registered_document_stays_deleted_until_it_is_registered_again(ledger: Ledger) -> None:
    """Its presigned URL may outlive the deletion."""
    ledger.create(new())
    begun(ledger, sequencer="01")
    ledger.delete("acme", "d1")
    for removal, upload in (("02", "03"), ("04", "05")):
        assert ledger.delete("acme", "d1", removal) is None
        assert ledger.begin(new(), upload, "p1") is None
        assert known(ledger, new()).status is Status.DELETED
    ledger.create(new())
    assert begun(ledger, sequencer="06").generation == 2


def test_a_removal_older_than_the_last_upload_is_ignored(ledger: Ledger) -> None:
    started = begun(ledger, sequencer="03")
    assert ledger.delete("acme", "d1", "02") is None
    assert known(ledger, started) == started


def test_a_deleted_id_used_again_goes_on_counting_generations(ledger: Ledger) -> None:
    old = split(ledger, 1)
    ledger.delete("acme", "d1")
    made = ledger.create(new(size=8))
    assert (made.status, made.size, made.generation) == (Status.AWAITING_UPLOAD, 8, 1)
    assert not made.wants(1)
    ledger.record_chunks(old, [0], ChunkState.INDEXED)
    assert settle(ledger, old) is None
    assert ledger.begin(new(), "01", "p1") is None  # the deleted upload, redelivered
    assert known(ledger, made) == made
    assert begun(ledger, sequencer="03").generation == 2


def test_the_late_word_of_a_removal_does_not_delete_what_was_created_again(
    ledger: Ledger,
) -> None:
    begun(ledger, sequencer="01")
    ledger.delete("acme", "d1")
    ledger.create(new())
    assert ledger.delete("acme", "d1", "02") is None
    assert known(ledger, new()).status is Status.AWAITING_UPLOAD
    assert begun(ledger, sequencer="03").generation == 2
    assert ledger.delete("acme", "d1", "04") is not None


# Counting


def test_counts_follow_the_chunks(ledger: Ledger) -> None:
    document = begun(ledger)
    ledger.plan_ranges(document, 2, 150)
    ledger.record_range(document, 1, 100, PageCounts(text=50))
    assert known(ledger, document).status is Status.SPLITTING
    ledger.record_range(document, 0, 150, PageCounts(text=100))
    split_now = known(ledger, document)
    assert split_now.status is Status.PROCESSING
    assert list(split_now.timings) == ["uploaded", "split"]
    ledger.record_chunks(document, range(250), ChunkState.EMBEDDED)
    ledger.record_chunks(document, range(40, 160), ChunkState.INDEXED)
    ledger.record_chunks(document, [1, 2], ChunkState.FAILED, BAD)
    progress = known(ledger, document).progress
    assert progress == Progress(
        150, 150, 2, 2, 250, embedded=128, indexed=120, failed=2, pages_text=150
    )


def test_a_redelivered_range_counts_once_and_the_first_plan_stays(ledger: Ledger) -> None:
    document = begun(ledger)
    ledger.plan_ranges(document, 2, 10)
    ledger.record_range(document, 0, 3, PageCounts(text=5))
    ledger.plan_ranges(document, 3, 11)
    ledger.record_range(document, 0, 3, PageCounts(text=5))
    assert known(ledger, document).progress == Progress(10, 5, 2, 1, 3, pages_text=5)


@pytest.mark.parametrize("chunks", [0, 3])
def test_a_document_cut_whole_is_planned_recorded_and_on_its_way(
    ledger: Ledger, chunks: int
) -> None:
    document = begun(ledger)
    whole = ledger.record_whole(document, chunks, PageCounts(text=7))
    assert whole == known(ledger, document)
    assert whole.progress == Progress(7, 7, 1, 1, chunks, pages_text=7)
    assert whole.status is (Status.PROCESSING if chunks else Status.SPLITTING)
    assert list(whole.timings) == ["uploaded", "split"][: 2 if chunks else 1]
    assert ledger.ranges(document) == {0: RangeRecord(chunks, PageCounts(text=7))}
    assert (
        ledger.record_whole(document, chunks, PageCounts(text=7))
        == whole
        == known(ledger, document)
    )


def test_a_document_cut_whole_after_all_or_in_part_counts_each_range_once(ledger: Ledger) -> None:
    planned = begun(ledger)
    ledger.plan_ranges(planned, 1, 0)
    recorded = begun(ledger, new("d2"))
    ledger.record_range(recorded, 0, 4, PageCounts())
    for document in (planned, recorded):
        whole = ledger.record_whole(document, 4, PageCounts())
        assert whole == known(ledger, document)
        assert whole.progress == Progress(0, 0, 1, 1, 4)
        assert whole.status is Status.PROCESSING


def test_a_document_read_before_it_failed_and_was_retried_is_cut_whole_with_its_history(
    ledger: Ledger,
) -> None:
    before = begun(ledger)
    ledger.fail("acme", "d1", 1, Reason("timeout", "it took too long", "split"))
    assert ledger.retry(known(ledger, before)) is not None
    whole = ledger.record_whole(before, 4, PageCounts())
    assert whole == known(ledger, before)
    assert {"failed", "retried"} <= whole.timings.keys()


def test_what_was_cut_whole_for_a_generation_that_is_over_is_not_recorded(ledger: Ledger) -> None:
    old = begun(ledger)
    again = begun(ledger, sequencer="02")
    assert ledger.record_whole(old, 4, PageCounts()) == again == known(ledger, again)
    ledger.delete("acme", "d1")
    deleted = known(ledger, again)
    assert ledger.record_whole(again, 4, PageCounts()) == deleted == known(ledger, again)
    assert not ledger.ranges(again)
    assert ledger.record_whole(replace(again, document_id="nobody"), 4, PageCounts()) is None


def test_two_deliveries_of_the_last_chunk_do_not_complete_a_document_early(
    ledger: Ledger,
) -> None:
    """The blind ``remaining - 1`` of a naive counter would end here with a chunk missing."""
    document = split(ledger, 3)
    for _ in range(3):
        ledger.record_chunks(document, [2, 2], ChunkState.INDEXED)
        assert settle(ledger, document) is None
    assert counts(ledger, document) == (0, 0, 1)


@pytest.mark.parametrize("order", list(itertools.permutations(ChunkState)))
def test_states_only_advance_in_whatever_order_they_arrive(
    ledger: Ledger, order: tuple[ChunkState, ...]
) -> None:
    document = split(ledger, 1)
    for arrived, state in enumerate(order, start=1):
        ledger.record_chunks(document, [0], state, BAD)
        furthest = max(order[:arrived])
        expected = tuple(int(furthest is one) for one in ChunkState)
        assert counts(ledger, document) == expected


Delivery = tuple[ChunkState, list[int]]
deliveries = st.lists(
    st.tuples(st.sampled_from(ChunkState), st.lists(st.integers(0, 5), min_size=1, max_size=6)),
    max_size=8,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sent=deliveries, data=st.data())
def test_any_deliveries_in_any_order_however_often_leave_counts_exact(
    make_ledger: Callable[[], Ledger], sent: list[Delivery], data: st.DataObject
) -> None:
    ledger = make_ledger()
    document = split(ledger, 6)
    redelivered = data.draw(st.permutations(sent + sent))
    furthest: dict[int, ChunkState] = {}
    ended = 0
    for state, ordinals in redelivered:
        ledger.record_chunks(document, ordinals, state, BAD)
        ended += settle(ledger, document) is not None
        for one in ordinals:
            furthest[one] = max(state, furthest.get(one, state))
    assert counts(ledger, document) == tuple(
        list(furthest.values()).count(one) for one in ChunkState
    )
    last = known(ledger, document)
    assert last.status is (last.progress.outcome() if last.progress.complete else Status.PROCESSING)
    assert bool(ended) == last.progress.complete


def test_racing_writers_leave_counts_exact_and_one_of_them_ends_the_document() -> None:
    """Eight threads deliver everything twice, in their own order, interleaved at every call."""
    with aws.in_process_aws():
        ledger = fresh_dynamo(
            aws.OneAtATime(aws.client("dynamodb")), Backoff(tries=60, first=0.001, longest=0.02)
        )
        document = split(ledger, 24)

        def deliver(worker: int) -> list[Document]:
            ended = []
            for start in itertools.chain(range(0, 24, 4), range(20, -1, -4)):
                some = [(start + worker + n) % 24 for n in range(8)]
                for state in (ChunkState.EMBEDDED, ChunkState.INDEXED):
                    ledger.record_chunks(document, some, state)
                    if done := settle(ledger, document):
                        ended.append(done)
            return ended

        with ThreadPoolExecutor(8) as pool:
            ended = [one for some in pool.map(deliver, range(8)) for one in some]
        assert counts(ledger, document) == (0, 0, 24)
        assert [one.status for one in ended] == [Status.INDEXED]


# Ending


def test_a_document_ends_once_with_the_status_its_counts_mean(ledger: Ledger) -> None:
    document = split(ledger, 2)
    ledger.record_chunks(document, [0], ChunkState.INDEXED)
    assert settle(ledger, document) is None
    ledger.record_chunks(document, [1], ChunkState.INDEXED)
    ended = settle(ledger, document)
    assert ended == known(ledger, document)
    assert ended is not None
    assert (ended.status, ended.live_generation) == (Status.INDEXED, 1)
    assert ended.shows(1)
    assert list(ended.timings) == ["uploaded", "split", "indexed"]
    assert settle(ledger, document) is None


def test_a_document_with_failed_chunks_is_partial_and_says_why(ledger: Ledger) -> None:
    document = split(ledger, 2)
    ledger.record_chunks(document, [0], ChunkState.FAILED, BAD)
    assert known(ledger, document).reason is None
    ledger.record_chunks(document, [1], ChunkState.INDEXED)
    ended = settle(ledger, document)
    assert ended is not None
    assert (ended.status, ended.reason, ended.shows(1)) == (Status.PARTIAL, BAD, True)


def test_a_document_whose_chunks_all_failed_has_failed(ledger: Ledger) -> None:
    document = split(ledger, 2)
    ledger.record_chunks(document, [0, 1], ChunkState.FAILED, BAD)
    ended = settle(ledger, document)
    assert ended is not None
    assert (ended.status, ended.reason, ended.shows(1)) == (Status.FAILED, BAD, False)


def test_failed_chunks_that_are_retried_bring_the_status_back(ledger: Ledger) -> None:
    document = split(ledger, 2)
    ledger.record_chunks(document, [0, 1], ChunkState.FAILED, BAD)
    settle(ledger, document)
    for ordinal, status, reason in ((0, Status.PARTIAL, BAD), (1, Status.INDEXED, None)):
        ledger.record_chunks(document, [ordinal], ChunkState.INDEXED)
        ended = settle(ledger, document)
        assert ended == known(ledger, document)
        assert ended is not None
        assert (ended.status, ended.reason, ended.shows(1)) == (status, reason, True)
        assert settle(ledger, document) is None


def test_a_document_without_text_is_empty_with_advice(ledger: Ledger) -> None:
    document = split(ledger, 0)
    assert known(ledger, document).status is Status.SPLITTING
    ended = ledger.settle("acme", "d1", document.generation, advice="Scan it with OCR.")
    assert ended == known(ledger, document)
    assert ended is not None
    assert (ended.status, ended.advice) == (Status.EMPTY, "Scan it with OCR.")


def test_failing_keeps_the_first_reason_and_never_undoes_an_end(ledger: Ledger) -> None:
    document = begun(ledger)
    ledger.fail("acme", "d1", 1, WORSE)
    ledger.fail("acme", "d1", 1, BAD)
    assert known(ledger, document).reason == WORSE
    live = finish(ledger, split(ledger, 1, new("d2")), 1)
    ledger.fail("acme", "d2", 1, WORSE)
    assert known(ledger, live) == live


# Content


def test_content_belongs_to_whoever_claims_it_first(ledger: Ledger) -> None:
    assert ledger.claim_content(HOME, "ab", "d1") == "d1"
    assert ledger.claim_content(HOME, "ab", "d2") == "d1"  # d1 may be about to be created
    ledger.create(new("d1", checksum="ab"))
    assert ledger.claim_content(HOME, "ab", "d1") == "d1"
    assert ledger.claim_content(HOME, "ab", "d2") == "d1"
    assert ledger.claim_content(AWAY, "ab", "d3") == "d3"
    assert ledger.claim_content(RIVAL, "ab", "d4") == "d4"


def test_bytes_that_an_older_generation_answers_with_stay_its_own_though_a_new_one_failed(
    ledger: Ledger,
) -> None:
    finish(ledger, split(ledger, 1, new(checksum="ab")), 1)
    assert ledger.claim_content(HOME, "ab", "d1", arrived=True) == "d1"
    again = begun(ledger, new(checksum="ab"), "02")  # cut anew, and its password is gone
    ledger.fail("acme", "d1", again.generation, BAD)
    assert known(ledger, again).live_generation == 1
    assert ledger.claim_content(HOME, "ab", "d2", arrived=True) == "d1"
    other = begun(ledger, new(checksum="cd"), "03")
    ledger.fail("acme", "d1", other.generation, BAD)
    assert ledger.claim_content(HOME, "cd", "d2", arrived=True) == "d2"
    assert ledger.claim_content(HOME, "ab", "d2", arrived=True) == "d1"


def test_a_claim_passes_on_when_its_owner_is_deleted_failed_or_replaced(ledger: Ledger) -> None:
    for one in ("d1", "d2", "d3", "d4"):
        ledger.create(new(one, checksum="ab"))
    assert ledger.claim_content(HOME, "ab", "d1") == "d1"
    ledger.delete("acme", "d1")
    assert ledger.claim_content(HOME, "ab", "d2") == "d2"
    begun(ledger, new("d2"))
    ledger.fail("acme", "d2", 1, WORSE)
    assert ledger.claim_content(HOME, "ab", "d3") == "d3"
    begun(ledger, new("d3"), "01")
    begun(ledger, new("d3"), "02")
    assert ledger.claim_content(HOME, "ab", "d4") == "d4"
    assert ledger.claim_content(HOME, "ab", "d3") == "d4"


def test_two_uploads_of_the_same_bytes_at_once_are_one() -> None:
    with aws.in_process_aws():
        ledger = fresh_dynamo(aws.OneAtATime(aws.client("dynamodb")))
        with ThreadPoolExecutor(6) as pool:
            owners = pool.map(lambda n: ledger.claim_content(HOME, "ab", f"d{n}"), range(6))
            assert len(set(owners)) == 1


# Listing


def test_a_listing_is_newest_first_without_deleted_or_foreign_documents(ledger: Ledger) -> None:
    for one in ("d1", "d2", "d3"):
        ledger.create(new(one))
    ledger.create(new("d4", AWAY))
    ledger.create(new("d5", RIVAL))
    ledger.delete("acme", "d2")
    page = ledger.list(HOME)
    assert (ids(page.documents), page.cursor) == (["d3", "d1"], None)
    ledger.create(new("d2"))
    assert ids(ledger.list(HOME).documents) == ["d2", "d3", "d1"]
    assert next(iter(ledger.list(HOME).documents)) == known(ledger, new("d2"))


def test_pages_join_to_the_whole_listing(ledger: Ledger) -> None:
    for n in range(7):
        ledger.create(new(f"d{n}"))
    for n in (1, 4, 6):
        begun(ledger, new(f"d{n}"))
    for status, expected in (
        (None, ["d6", "d5", "d4", "d3", "d2", "d1", "d0"]),
        (Status.SPLITTING, ["d6", "d4", "d1"]),
    ):
        seen: list[str] = []
        cursor = None
        for _ in range(9):
            page = ledger.list(HOME, status=status, limit=2, cursor=cursor)
            assert len(page.documents) <= 2
            seen += ids(page.documents)
            cursor = page.cursor
            if cursor is None:
                break
        assert (seen, cursor) == (expected, None)


def test_a_sparse_listing_is_found_however_many_documents_lie_between(ledger: Ledger) -> None:
    for n in range(230):
        ledger.create(new(f"d{n}"))
    begun(ledger, new("d0"))
    assert ids(ledger.list(HOME, status=Status.SPLITTING, limit=1).documents) == ["d0"]


def test_times_bound_a_listing_in_any_iso_form(ledger: Ledger) -> None:
    made = [ledger.create(new(f"d{n}")) for n in range(4)]
    since, until = made[1].created_at, made[3].created_at
    assert ids(ledger.list(HOME, since=since, until=until).documents) == ["d2", "d1"]
    assert ids(ledger.list(HOME, since="2026-01-01T01:00:02+01:00").documents) == [
        "d3",
        "d2",
        "d1",
    ]
    assert ids(ledger.list(HOME, until="2026-01-01").documents) == []
    assert ids(ledger.list(HOME, since=until, until=since).documents) == []
    with pytest.raises(InvalidRequest, match="since"):
        ledger.list(HOME, since="yesterday")


def test_bounds_that_change_between_pages_still_hold(ledger: Ledger) -> None:
    made = [ledger.create(new(f"d{n}")) for n in range(5)]
    cursor = ledger.list(HOME, limit=2).cursor
    page = ledger.list(HOME, since=made[1].created_at, cursor=cursor)
    assert (ids(page.documents), page.cursor) == (["d2", "d1"], None)
    page = ledger.list(HOME, until=made[2].created_at, cursor=cursor)
    assert (ids(page.documents), page.cursor) == (["d1", "d0"], None)
    page = ledger.list(HOME, since=made[4].created_at, cursor=cursor)
    assert (ids(page.documents), page.cursor) == ([], None)


def test_a_cursor_of_another_listing_or_a_changed_one_is_refused(ledger: Ledger) -> None:
    for n in range(3):
        ledger.create(new(f"d{n}"))
    cursor = ledger.list(HOME, limit=1).cursor
    assert cursor is not None
    for partition in (AWAY, RIVAL):
        with pytest.raises(InvalidRequest, match="cursor"):
            ledger.list(partition, cursor=cursor)
    changed = [
        cursor[:n] + ("A" if c != "A" else "B") + cursor[n + 1 :] for n, c in enumerate(cursor)
    ]
    for other in [*changed, cursor[:-1], cursor + "A", cursor + "=", "ü", "e30"]:
        with pytest.raises(InvalidRequest, match="cursor"):
            ledger.list(HOME, cursor=other)


# Failures


def test_the_same_failure_is_kept_once_and_counted(ledger: Ledger) -> None:
    for reason in (BAD, BAD, replace(BAD, chunk=4), replace(BAD, stage="index"), WORSE):
        ledger.record_failure("acme", "d1", Failure(1, reason))
    ledger.record_failure("acme", "d1", Failure(2, WORSE))
    failures = ledger.failures("acme", "d1")
    assert failures[0].generation == 2
    counted = {(one.generation, one.reason): one.attempts for one in failures}
    assert counted == {
        (1, BAD): 2,
        (1, replace(BAD, chunk=4)): 1,
        (1, replace(BAD, stage="index")): 1,
        (1, WORSE): 1,
        (2, WORSE): 1,
    }
    twice = next(one for one in failures if one.reason == BAD)
    assert "2026-01-01" < twice.first < twice.last
    assert ledger.failures("rival", "d1") == []


def test_a_letter_that_is_delivered_twice_counts_once(ledger: Ledger) -> None:
    for letter in ("m1", "m1", "m2", "m2", ""):
        ledger.record_failure("acme", "d1", Failure(1, BAD, letter=letter))
    ledger.record_failure("acme", "d1", Failure(1, WORSE, letter="m2"))
    told = {one.reason: (one.attempts, one.letter) for one in ledger.failures("acme", "d1")}
    assert told == {BAD: (3, ""), WORSE: (1, "m2")}


def test_a_letter_delivered_again_leaves_the_time_of_its_failure(ledger: Ledger) -> None:
    ledger.record_failure("acme", "d1", Failure(1, BAD, letter="m1"))
    told = ledger.failures("acme", "d1")
    ledger.record_failure("acme", "d1", Failure(1, BAD, letter="m1"))
    assert ledger.failures("acme", "d1") == told


def test_an_endless_message_is_cut(ledger: Ledger) -> None:
    endless = replace(BAD, message="x" * 500_000)
    document = split(ledger, 1)
    ledger.record_failure("acme", "d1", Failure(1, endless))
    ledger.record_chunks(document, [0], ChunkState.FAILED, endless)
    ended = settle(ledger, document)
    assert ended is not None
    assert ended.reason is not None
    assert len(ended.reason.message) == MAX_MESSAGE
    assert len(ledger.failures("acme", "d1")[0].reason.message) == MAX_MESSAGE


# What a caller says that it knows


def test_a_generation_begins_from_what_the_caller_read_or_from_what_is_there(
    ledger: Ledger,
) -> None:
    awaited = ledger.create(new(size=7, metadata={"a": 1}))
    first = ledger.begin(new(), "01", "p1", known=awaited)
    assert first == known(ledger, awaited)
    assert first is not None and (first.generation, first.metadata) == (1, {"a": 1})
    stale = ledger.begin(new(), "02", "p1", known=awaited)  # it moved on since it was read
    assert stale == known(ledger, awaited) and stale is not None and stale.generation == 2
    assert ledger.begin(new(), "01", "p1", known=stale) is None
    ledger.delete("acme", "d1")
    assert ledger.begin(new(), "03", "p1", known=stale) is None, "it was deleted since"
    assert known(ledger, awaited).status is Status.DELETED


def test_a_document_ends_by_what_the_caller_knows_only_if_it_is_so(ledger: Ledger) -> None:
    document = split(ledger, 2)
    before = known(ledger, document)
    all_done = replace(before, progress=replace(before.progress, indexed=2))
    ledger.record_chunks(document, [0], ChunkState.INDEXED)
    assert ledger.settle("acme", "d1", 1, known=all_done) is None
    assert known(ledger, document).status is Status.PROCESSING
    ledger.record_chunks(document, [1], ChunkState.FAILED, WORSE)
    ended = ledger.settle("acme", "d1", 1, known=all_done)  # one of them failed instead
    assert ended is not None and (ended.status, ended.reason) == (Status.PARTIAL, WORSE)
    assert ledger.settle("acme", "d1", 1, known=all_done) is None


def test_what_was_known_refuses_nothing_that_has_become_possible_since(ledger: Ledger) -> None:
    begun(ledger)
    ledger.delete("acme", "d1")
    deleted = known(ledger, new())
    assert ledger.begin(new(), "02", "p1", known=deleted) is None
    ledger.create(new())
    again = ledger.begin(new(), "02", "p1", known=deleted)
    assert again == known(ledger, new())
    assert again is not None and again.status is Status.SPLITTING
    ledger.delete("acme", "d1")
    assert ledger.begin(new(), "02", "p1", known=again) is None, "deleted since it was known"
