"""What a crash left at a standstill is found by its lease, and set going again."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from ragline.domain.documents import Status
from ragline.domain.errors import ServiceUnavailable
from ragline.domain.keys import upload_key
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.lifecycle import TROUBLED, WORK_LEASE
from ragline.domain.messages import PageRange
from ragline.ports import Backlog
from ragline.usecases.reconcile import MAX_REPAIRS, MAX_STARVED, Verdict
from ragline.usecases.splitting import Outcome
from tests.samples import SAMPLES
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline
from tests.unit.test_pipeline import TEXT

KEY = f"uploads/{HANDBOOK}/doc/doc.md"
PDF = next(name for name in SAMPLES if name.endswith(".pdf"))


def later(pipeline: Pipeline) -> dict[Verdict, int]:
    """A run of the reconciler once a lease has passed."""
    pipeline.clock.move(seconds=WORK_LEASE.total_seconds() + 1)
    return dict(pipeline.reconcile())


def stuck(pipeline: Pipeline, document_id: str = "doc", text: str = TEXT) -> None:
    """A document whose messages went astray."""
    pipeline.drop(text, document_id)
    pipeline.waiting_parts()


def backlog(pipeline: Pipeline, found: Backlog) -> list[Backlog]:
    """Have the queues say so; one entry for every time that they are asked."""
    asked: list[Backlog] = []

    def tell() -> Backlog:
        asked.append(found)
        return found

    pipeline.queues.backlog = tell  # type: ignore[method-assign]
    return asked


def down(*_: object, **__: object) -> None:
    raise ServiceUnavailable("it did not answer.")


def test_where_nothing_is_overdue_no_queue_is_asked_and_nothing_is_done() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT, "one")
    pipeline.run()
    pipeline.drop("Some words.", "two")
    asked = backlog(pipeline, Backlog())
    pipeline.clock.move(minutes=19)
    assert not pipeline.reconcile()
    assert not asked
    assert len(pipeline.queues.parts) == 1


def test_a_document_that_ended_is_never_looked_at_again() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT, "indexed")
    pipeline.drop(b"", "failed")
    pipeline.drop("  \n ", "empty")
    pipeline.drop("Some words.", "deleted")
    pipeline.run()
    pipeline.delete("deleted")
    pipeline.run()
    pipeline.clock.move(days=30)
    assert not pipeline.reconcile()


def test_a_document_that_has_moved_since_is_left_and_its_lease_renewed() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    first, *others = pipeline.waiting_parts()
    pipeline.clock.move(minutes=15)
    pipeline.embed([first])
    pipeline.clock.move(minutes=6)
    assert dict(pipeline.reconcile()) == {Verdict.MOVING: 1}
    assert not pipeline.queues.parts
    assert not pipeline.reconcile()
    pipeline.embed(others)
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Backlog(), Verdict.REPAIRED),
        (Backlog(chunks=500), Verdict.STARVED),
        (Backlog(index_ops=1), Verdict.STARVED),
        (Backlog(pages=500), Verdict.REPAIRED),  # it is past that queue
    ],
)
def test_a_document_whose_messages_wait_behind_others_is_starved_not_stuck(
    found: Backlog, verdict: Verdict
) -> None:
    pipeline = Pipeline.timed()
    stuck(pipeline)
    backlog(pipeline, found)
    assert later(pipeline) == {verdict: 1}
    assert bool(pipeline.queues.parts) is (verdict is Verdict.REPAIRED)


def test_pages_that_wait_starve_a_document_that_is_split() -> None:
    pipeline = Pipeline.timed(limits=replace(LIMITS, pages_per_range=1))
    pipeline.drop(SAMPLES[PDF](), filename=PDF)
    pipeline.waiting_pages()
    backlog(pipeline, Backlog(pages=9))
    assert later(pipeline) == {Verdict.STARVED: 1}
    backlog(pipeline, Backlog(chunks=9, index_ops=9))
    assert later(pipeline) == {Verdict.REPAIRED: 1}


def test_pages_that_wait_starve_a_document_of_which_a_range_is_tried_again_under_way() -> None:
    pipeline = Pipeline.timed(limits=replace(LIMITS, pages_per_range=1))
    pipeline.drop(SAMPLES[PDF](), filename=PDF)
    first, second = pipeline.waiting_pages()
    pipeline.split_work(first)
    pipeline.letter("pages", second.model_dump_json())
    pipeline.retry()
    assert pipeline.document().status is Status.PROCESSING
    backlog(pipeline, Backlog(pages=9))
    assert later(pipeline) == {Verdict.STARVED: 1}


def test_starving_burns_no_repair_and_does_not_last_for_ever() -> None:
    pipeline = Pipeline.timed()
    stuck(pipeline)
    backlog(pipeline, Backlog(chunks=500))
    starved = 0
    while later(pipeline) == {Verdict.STARVED: 1}:
        starved += 1
    assert starved > MAX_REPAIRS
    assert (starved + 1) * WORK_LEASE >= MAX_STARVED
    assert pipeline.document().status is Status.PROCESSING
    pipeline.run()  # the message was lost among the many that wait
    assert pipeline.document().status is Status.INDEXED


def test_parts_that_went_astray_are_announced_anew_and_the_document_is_indexed() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    first, *lost = pipeline.waiting_parts()
    pipeline.embed([first])
    pipeline.run()
    assert later(pipeline) == {Verdict.REPAIRED: 1}
    again = pipeline.queues.parts
    assert [part.first for part in again] == [part.first for part in lost]
    assert all(part.nonce for part in again)
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_index_operations_that_went_astray_are_asked_for_anew() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.embed(pipeline.waiting_parts())
    lost = pipeline.waiting_ops()
    assert later(pipeline) == {Verdict.REPAIRED: 1}
    pipeline.embed(pipeline.waiting_parts())
    # A FIFO queue would drop a body that it saw before.
    assert not {op.model_dump_json() for op in pipeline.queues.ops} & {
        op.model_dump_json() for op in lost
    }
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_page_ranges_that_went_astray_are_announced_anew_and_only_they() -> None:
    pipeline = Pipeline.timed(limits=replace(LIMITS, pages_per_range=1))
    assert pipeline.drop(SAMPLES[PDF](), filename=PDF) is Outcome.RANGES_SENT
    first, *_ = pipeline.waiting_pages()
    assert isinstance(first, PageRange)
    pipeline.split_range(first)
    pipeline.run()
    assert later(pipeline) == {Verdict.REPAIRED: 1}
    (again,) = pipeline.waiting_pages()
    assert pipeline.split_work(again) is Outcome.RANGES_SENT
    assert [one.number for one in pipeline.queues.pages if isinstance(one, PageRange)] == [1]
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.document().generation == 1
    assert pipeline.examine().healthy


def test_a_splitter_that_died_before_it_planned_anything_is_done_over() -> None:
    pipeline = Pipeline.timed()
    pipeline.objects.put(KEY, TEXT.encode())
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY))
    put = pipeline.objects.put
    pipeline.objects.put = down  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailable):
        pipeline.split(KEY, "1")
    pipeline.objects.put = put  # type: ignore[method-assign]
    assert later(pipeline) == {Verdict.REPAIRED: 1}
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_a_generation_that_is_complete_and_was_never_ended_is_ended() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop("Some words.")
    pipeline.embed(pipeline.waiting_parts())
    settle = pipeline.ledger.settle
    pipeline.ledger.settle = down  # type: ignore[method-assign]
    pipeline.apply(pipeline.waiting_ops())
    pipeline.ledger.settle = settle  # type: ignore[method-assign]
    assert pipeline.document().progress.complete
    assert pipeline.document().status is Status.PROCESSING
    assert later(pipeline) == {Verdict.REPAIRED: 1}
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_a_document_that_stands_still_after_every_repair_is_given_up_and_a_retry_revives_it() -> (
    None
):
    pipeline = Pipeline.timed()
    stuck(pipeline)
    for _ in range(MAX_REPAIRS):
        assert later(pipeline) == {Verdict.REPAIRED: 1}
        assert pipeline.waiting_parts()  # and went astray again
    assert later(pipeline) == {Verdict.GAVE_UP: 1}
    document = pipeline.document()
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert document.reason.code == "stalled"
    assert not later(pipeline)
    pipeline.retry()
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_a_split_that_stands_still_is_given_up_and_a_retry_splits_it() -> None:
    pipeline = Pipeline.timed(limits=replace(LIMITS, pages_per_range=1))
    pipeline.drop(SAMPLES[PDF](), filename=PDF)
    pipeline.waiting_pages()
    for _ in range(MAX_REPAIRS):
        assert later(pipeline) == {Verdict.REPAIRED: 1}
        assert pipeline.waiting_pages()
    assert later(pipeline) == {Verdict.GAVE_UP: 1}
    assert pipeline.retry().split_again
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_a_partial_document_whose_retry_stands_still_is_searchable_all_the_while() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    lost, *others = pipeline.waiting_parts()
    pipeline.embed(others)
    pipeline.run()
    pipeline.letter("chunks", lost.model_dump_json())
    pipeline.retry()
    for _ in range(MAX_REPAIRS + 1):
        pipeline.waiting_parts()
        later(pipeline)
    assert pipeline.document().status in TROUBLED
    assert pipeline.search("brake fluid")
    assert pipeline.examine().healthy
    pipeline.retry()
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_only_repairs_that_were_in_vain_count_towards_giving_up() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop("\n\n".join(f"Paragraph {n} tells of brake pads and discs." for n in range(99)))
    parts = pipeline.waiting_parts()
    assert len(parts) > MAX_REPAIRS + 1
    for _ in range(MAX_REPAIRS + 1):
        assert later(pipeline) == {Verdict.REPAIRED: 1}
        first, *_ = pipeline.waiting_parts()  # one comes through, the others go astray again
        pipeline.embed([first])
        pipeline.apply(pipeline.waiting_ops())
    assert pipeline.document().status is Status.PROCESSING


def test_a_retry_has_all_the_repairs_before_it() -> None:
    pipeline = Pipeline.timed()
    stuck(pipeline)
    for _ in range(MAX_REPAIRS + 1):
        later(pipeline)
        pipeline.waiting_parts()
    pipeline.retry()
    pipeline.waiting_parts()
    assert later(pipeline) == {Verdict.REPAIRED: 1}


def test_an_upload_that_never_comes_expires_an_hour_after_its_url() -> None:
    pipeline = Pipeline.timed()
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY, upload_seconds=3600))
    pipeline.clock.move(minutes=119)
    assert not pipeline.reconcile()
    pipeline.clock.move(minutes=2)
    assert dict(pipeline.reconcile()) == {Verdict.EXPIRED: 1}
    document = pipeline.document()
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert document.reason.code == "upload_expired"
    assert pipeline.examine().healthy
    pipeline.drop(TEXT)  # it comes after all
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.document().reason is None


def test_an_upload_whose_event_was_lost_is_taken_in() -> None:
    pipeline = Pipeline.timed()
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY, upload_seconds=60))
    pipeline.objects.put(KEY, TEXT.encode())
    pipeline.clock.move(hours=2)
    assert dict(pipeline.reconcile()) == {Verdict.REPAIRED: 1}
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_the_event_of_an_upload_that_was_taken_in_without_it_may_come_late() -> None:
    pipeline = Pipeline.timed()
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY, upload_seconds=60))
    pipeline.objects.put(KEY, TEXT.encode())
    pipeline.clock.move(hours=2)
    pipeline.reconcile()
    pipeline.run()
    assert pipeline.split(KEY, "1") in {Outcome.SPLIT, Outcome.STALE, Outcome.DONE_BEFORE}
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_a_deleted_document_whose_removal_was_lost_is_cleared_away() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.delete()
    assert pipeline.waiting_ops()
    assert later(pipeline) == {Verdict.REPAIRED: 1}
    pipeline.run()
    assert pipeline.index.count(HANDBOOK) == 0
    assert not list(pipeline.objects.list(""))
    assert not later(pipeline)
    assert pipeline.examine().healthy


def test_a_removal_that_waits_behind_others_is_not_ordered_twice() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.delete()
    assert later(pipeline) == {Verdict.STARVED: 1}
    assert len(pipeline.queues.ops) == 1


def deleted_half_way(pipeline: Pipeline) -> None:
    """A deletion that died before it reached the bucket."""
    with pytest.MonkeyPatch.context() as crash:
        crash.setattr(pipeline.objects, "delete", down)
        with pytest.raises(ServiceUnavailable):
            pipeline.delete()


def test_a_deletion_that_left_the_bytes_takes_them_when_its_removal_is_ordered_again() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.run()
    deleted_half_way(pipeline)
    pipeline.waiting_ops()
    assert later(pipeline) == {Verdict.REPAIRED: 1}
    pipeline.run()
    assert not list(pipeline.objects.list(""))


def test_a_deletion_that_left_the_bytes_takes_them_though_its_removal_was_worked_on() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.run()
    deleted_half_way(pipeline)
    pipeline.run()
    later(pipeline)
    pipeline.run()
    assert not list(pipeline.objects.list(""))


def test_a_document_that_the_bucket_deleted_keeps_what_was_put_there_since() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.removed(KEY, "2")
    pipeline.waiting_ops()
    pipeline.objects.put(KEY, b"Newer words.")  # whose event is still to come
    assert later(pipeline) == {Verdict.REPAIRED: 1}
    pipeline.run()
    assert pipeline.split(KEY, "3") is Outcome.SPLIT
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_what_was_dropped_since_a_deletion_is_not_taken_for_what_the_deletion_left() -> None:
    """Its event waits for that of the removal; other bytes than the deleted ones are new ones."""
    pipeline = Pipeline.timed()
    key = f"uploads/{HANDBOOK}/2026/march.md"
    pipeline.objects.put(key, TEXT.encode())
    pipeline.split(key, "1")
    pipeline.run()
    (document,) = pipeline.ledger.list(HANDBOOK).documents
    pipeline.delete(document.document_id)
    pipeline.waiting_ops()
    pipeline.objects.put(key, b"The gate opens at nine.")
    later(pipeline)
    pipeline.run()
    assert pipeline.objects.get(key) == b"The gate opens at nine."


def test_a_document_whose_bytes_went_before_it_was_split_is_deleted() -> None:
    """The word of it was lost, or came before anything was known of the document."""
    pipeline = Pipeline.timed(limits=replace(LIMITS, pages_per_range=1))
    key = upload_key(HANDBOOK, "doc", PDF)
    pipeline.drop(SAMPLES[PDF](), filename=PDF)
    pipeline.waiting_pages()
    pipeline.objects.delete([key])
    assert later(pipeline) == {Verdict.REMOVED: 1}
    assert pipeline.document().status is Status.DELETED
    pipeline.run()
    assert not later(pipeline)
    assert pipeline.examine().healthy


def test_a_document_whose_new_bytes_went_before_they_were_split_leaves_nothing_of_the_old() -> None:
    pipeline = Pipeline.timed(limits=replace(LIMITS, pages_per_range=1))
    key = upload_key(HANDBOOK, "doc", PDF)
    pipeline.drop(SAMPLES[PDF](), filename=PDF)
    pipeline.run()
    pipeline.split(key, "2")
    pipeline.waiting_pages()
    pipeline.objects.delete([key])
    assert later(pipeline) == {Verdict.REMOVED: 1}
    pipeline.run()
    assert pipeline.document().status is Status.DELETED
    assert pipeline.index.count(HANDBOOK) == 0
    assert not list(pipeline.objects.list(""))
    assert pipeline.examine().healthy


def test_a_document_whose_bytes_went_after_it_was_split_needs_them_no_more() -> None:
    pipeline = Pipeline.timed()
    stuck(pipeline)
    pipeline.objects.delete([KEY])
    assert later(pipeline) == {Verdict.REPAIRED: 1}
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


def test_chunks_that_were_lost_meanwhile_are_failed_not_waited_for() -> None:
    pipeline = Pipeline.timed()
    stuck(pipeline)
    pipeline.objects.delete(list(pipeline.objects.list("chunks/")))
    later(pipeline)
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert document.reason.code == "stored_data_lost"


def test_after_the_deadline_the_rest_waits_for_the_next_run() -> None:
    pipeline = Pipeline.timed()
    for n in range(3):
        stuck(pipeline, f"doc-{n}", f"{TEXT} Number {n}.")
    pipeline.clock.move(minutes=21)
    assert not pipeline.reconcile(deadline=time.monotonic() - 1)
    assert not pipeline.queues.parts
    assert dict(pipeline.reconcile()) == {Verdict.REPAIRED: 3}


def test_more_documents_than_one_reading_of_the_ledger_gives_are_all_looked_at_once() -> None:
    pipeline = Pipeline.timed()
    for n in range(120):
        stuck(pipeline, f"doc-{n}", f"What number {n} says.")
    pipeline.clock.move(minutes=21)
    asked = backlog(pipeline, Backlog())
    assert dict(pipeline.reconcile()) == {Verdict.REPAIRED: 120}
    assert len(asked) == 1
    assert len(pipeline.queues.parts) == 120


def test_a_document_that_moved_on_while_it_was_looked_at_stays_as_it_moved() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop("Some words.")
    parts = pipeline.waiting_parts()

    def meanwhile() -> Backlog:
        pipeline.embed(parts)
        pipeline.run()
        return Backlog()

    pipeline.queues.backlog = meanwhile  # type: ignore[method-assign]
    later(pipeline)
    assert pipeline.document().status is Status.INDEXED
    pipeline.queues.backlog = Backlog  # type: ignore[method-assign]
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy
    assert not later(pipeline)


def test_one_document_that_cannot_be_repaired_does_not_keep_the_others_from_it() -> None:
    """The reconciler comes again and again: whatever is first in line must not block it."""
    pipeline = Pipeline.timed()
    stuck(pipeline, "one", "Some words.")
    pipeline.clock.move(seconds=1)
    stuck(pipeline, "two", "Other words.")
    ranges = pipeline.ledger.ranges

    def failing(document: Any) -> Any:
        if document.document_id == "one":
            raise ServiceUnavailable("its records cannot be read.")
        return ranges(document)

    pipeline.ledger.ranges = failing  # type: ignore[method-assign]
    try:
        later(pipeline)
    except ServiceUnavailable:
        later(pipeline)
    assert [part.document_id for part in pipeline.queues.parts] == ["two"]


def test_a_chunk_that_is_failed_stays_so_when_the_rest_is_set_going() -> None:
    pipeline = Pipeline.timed()
    stuck(pipeline)
    document = pipeline.document()
    pipeline.ledger.record_chunks(document, [0], ChunkState.FAILED)
    later(pipeline)
    assert pipeline.ledger.work(document).failed == [0]
