"""Retrying and redriving: what failed is tried again, nothing else, and the status follows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest

from ragline.domain.chunks import CHUNKS_PER_PART
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.errors import Conflict, InvalidRequest, NotFound, ServiceUnavailable
from ragline.domain.keys import upload_key
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import PageRange, PartReady, Uploaded
from ragline.embedding.hashing import HashEmbedder
from ragline.usecases.causes import note_cause
from ragline.usecases.redrive import Selection
from ragline.usecases.settle import settle
from ragline.usecases.splitting import Outcome
from tests.samples import SAMPLES
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline
from tests.unit.test_pipeline import TEXT, PickyEmbedder

KEY = f"uploads/{HANDBOOK}/doc/doc.md"
PDF = next(name for name in SAMPLES if name.endswith(".pdf"))


def partial(pipeline: Pipeline, document_id: str = "doc", text: str = TEXT) -> PartReady:
    """A document of which everything is indexed but one part, on which every embedder gave up."""
    pipeline.drop(text, document_id)
    lost, *others = pipeline.waiting_parts()
    pipeline.embed(others)
    pipeline.run()
    pipeline.letter("chunks", lost.model_dump_json(), f"letter of {document_id}")
    assert pipeline.document(document_id).status is Status.PARTIAL
    return lost


def failed(pipeline: Pipeline, document_id: str = "doc", text: str = "A few words.") -> None:
    """A document all of whose chunks failed, transiently."""
    pipeline.drop(text, document_id)
    for number, part in enumerate(pipeline.waiting_parts()):
        pipeline.letter("chunks", part.model_dump_json(), f"letter {number} of {document_id}")
    assert pipeline.document(document_id).status is Status.FAILED


def given_up(pipeline: Pipeline, document_id: str = "doc", text: str = TEXT) -> None:
    """A document that the splitter never managed."""
    key = upload_key(HANDBOOK, document_id, "doc.md")
    pipeline.ledger.create(NewDocument(HANDBOOK, document_id, "doc.md", key))
    pipeline.objects.put(key, text.encode())
    pipeline.letter("pages", Uploaded(key=key, sequencer="1").model_dump_json())
    assert pipeline.document(document_id).status is Status.FAILED


def everything(pipeline: Pipeline) -> object:
    """All that a ledger, a bucket and the queues remember, to be compared."""
    ledger = {name: value for name, value in vars(pipeline.ledger).items() if name[1:] in KEPT}
    return copy.deepcopy((ledger, vars(pipeline.objects), vars(pipeline.queues)))


KEPT = {"records", "chunks", "reasons", "ranges", "failures", "claims", "fields"}


def whole(pipeline: Pipeline, document_id: str = "doc") -> bool:
    """Indexed, without a gap, and nothing else in the index or the bucket."""
    document = pipeline.document(document_id)
    progress = document.progress
    assert progress.indexed == progress.chunks_total > 0
    assert document.reason is None
    assert pipeline.examine().findings == []
    return document.status is Status.INDEXED


def down(*_: object, **__: object) -> None:
    raise ServiceUnavailable("it did not answer.")


def test_only_the_parts_with_failed_chunks_are_tried_again_and_the_status_follows() -> None:
    pipeline = Pipeline()
    lost = partial(pipeline)
    retried = pipeline.retry()
    assert (retried.chunks, retried.split_again) == (lost.count, False)
    assert retried.document.status is pipeline.document().status is Status.PROCESSING
    assert [(part.first, part.count) for part in pipeline.queues.parts] == [(0, lost.count)]
    assert not pipeline.queues.pages
    assert pipeline.document().progress.failed == 0
    pipeline.run()
    assert pipeline.document().generation == 1
    assert whole(pipeline)


def test_a_retried_message_is_not_taken_for_the_one_that_died() -> None:
    pipeline = Pipeline()
    lost = partial(pipeline)
    pipeline.retry()
    (part,) = pipeline.waiting_parts()
    assert part.nonce
    assert part.model_dump_json() != lost.model_dump_json()
    pipeline.embed([part])
    (op,) = pipeline.waiting_ops()
    assert op.nonce == part.nonce


def test_a_partial_document_is_searchable_while_it_is_retried() -> None:
    pipeline = Pipeline()
    partial(pipeline)
    pipeline.retry()
    assert pipeline.document().status is Status.PROCESSING
    assert pipeline.search("brake fluid")
    pipeline.embed(pipeline.waiting_parts())
    assert pipeline.search("brake fluid")
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


def test_what_fails_again_is_partial_again_with_its_reason() -> None:
    pipeline = Pipeline()
    partial(pipeline)
    pipeline.retry()
    (part,) = pipeline.waiting_parts()
    pipeline.letter("chunks", part.model_dump_json(), "another letter")
    document = pipeline.document()
    assert document.status is Status.PARTIAL
    assert document.reason is not None
    assert document.reason.code == "retries_exhausted"
    assert document.progress.failed == part.count
    assert pipeline.retry().chunks == part.count


def test_a_document_all_of_whose_chunks_failed_is_indexed_by_a_retry() -> None:
    pipeline = Pipeline()
    failed(pipeline)
    assert pipeline.retry().chunks == 1
    pipeline.run()
    assert whole(pipeline)


def test_a_batch_that_the_indexer_gave_up_on_is_embedded_and_indexed_by_a_retry() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.embed(pipeline.waiting_parts())
    for number, op in enumerate(pipeline.waiting_ops()):
        pipeline.letter("index_ops", op.model_dump_json(), f"letter {number}")
    assert pipeline.document().status is Status.FAILED
    pipeline.retry()
    pipeline.run()
    assert whole(pipeline)


def test_what_failed_for_good_is_only_tried_again_by_force() -> None:
    pipeline = Pipeline(embedder=PickyEmbedder())
    pipeline.drop(TEXT)
    pipeline.run()
    before = everything(pipeline)
    with pytest.raises(Conflict, match=r"embedding_failed \(\d\).*Only force"):
        pipeline.retry()
    assert everything(pipeline) == before
    pipeline.embedder = HashEmbedder()  # another model, say
    failures = pipeline.document().progress.failed
    assert pipeline.retry(force=True).chunks == failures
    pipeline.run()
    assert whole(pipeline)


def test_of_both_kinds_of_failure_only_the_transient_one_is_tried_again() -> None:
    pipeline = Pipeline(embedder=PickyEmbedder())
    pipeline.drop(TEXT)
    *others, lost = pipeline.waiting_parts()
    pipeline.embed(others)
    pipeline.run()
    bad = pipeline.document().progress.failed
    assert bad
    pipeline.letter("chunks", lost.model_dump_json())
    assert pipeline.document().progress.failed == bad + lost.count
    assert pipeline.retry().chunks == lost.count
    assert [part.first for part in pipeline.queues.parts] == [lost.first]
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.PARTIAL
    assert document.progress.failed == bad


def test_the_reason_of_a_retried_document_is_that_of_what_is_still_failed() -> None:
    pipeline = Pipeline(embedder=PickyEmbedder())
    pipeline.drop(TEXT)
    *others, lost = pipeline.waiting_parts()
    pipeline.embed(others)
    pipeline.run()
    pipeline.letter("chunks", lost.model_dump_json())
    pipeline.retry()
    pipeline.run()
    document = pipeline.document()
    left = {reason.code for reason in pipeline.ledger.work(document).reasons.values()}
    assert left == {"embedding_failed"}
    assert document.reason is not None
    assert document.reason.code == "embedding_failed"


def test_a_code_narrows_what_is_tried_again() -> None:
    pipeline = Pipeline(embedder=PickyEmbedder())
    pipeline.drop(TEXT)
    *others, lost = pipeline.waiting_parts()
    pipeline.embed(others)
    pipeline.run()
    bad = pipeline.document().progress.failed
    pipeline.letter("chunks", lost.model_dump_json())
    with pytest.raises(Conflict, match=r"nothing failed with 'throttled'.*retries_exhausted"):
        pipeline.retry(code="throttled", force=True)
    with pytest.raises(Conflict, match="Only force"):
        pipeline.retry(code="embedding_failed")
    assert pipeline.retry(code="embedding_failed", force=True, dry_run=True).chunks == bad
    assert pipeline.retry(code="retries_exhausted").chunks == lost.count


def in_ranges() -> tuple[Pipeline, list[PageRange]]:
    """A document of two page ranges, which wait."""
    pipeline = Pipeline(limits=replace(LIMITS, pages_per_range=1))
    assert pipeline.drop(SAMPLES[PDF](), filename=PDF) is Outcome.RANGES_SENT
    ranges = [message for message in pipeline.waiting_pages() if isinstance(message, PageRange)]
    assert len(ranges) == 2
    return pipeline, ranges


def test_a_failed_page_range_is_cut_alone() -> None:
    pipeline, (first, second) = in_ranges()
    pipeline.split_range(first)
    pipeline.run()
    pipeline.letter("pages", second.model_dump_json())
    document = pipeline.document()
    assert document.status is Status.PARTIAL
    assert document.reason is not None
    assert (document.reason.code, document.reason.page) == ("retries_exhausted", 2)
    assert pipeline.retry().split_again
    assert pipeline.document().status is Status.SPLITTING
    cut = pipeline.ledger.work(document).ranges
    (again,) = pipeline.waiting_pages()
    assert pipeline.split_work(again) is Outcome.RANGES_SENT
    assert [one.number for one in pipeline.queues.pages if isinstance(one, PageRange)] == [1]
    assert pipeline.ledger.work(document).ranges == cut
    pipeline.run()
    assert pipeline.document().generation == 1
    assert whole(pipeline)


def test_ranges_that_are_sent_by_a_retry_are_of_the_version_that_is_there() -> None:
    """So a worker fetches the file once for all of its ranges, and never cuts two versions."""
    pipeline, ranges = in_ranges()
    for one in ranges:
        pipeline.letter("pages", one.model_dump_json())
    pipeline.retry()
    (again,) = pipeline.waiting_pages()
    assert pipeline.split_work(again) is Outcome.RANGES_SENT
    key = pipeline.document().upload_key
    sent = [one.etag for one in pipeline.queues.pages if isinstance(one, PageRange)]
    assert sent == [pipeline.objects.etag(key)] * 2
    pipeline.objects.put(key, b"Another version, whose event is on its way.")
    assert [pipeline.split_work(one) for one in pipeline.waiting_pages()] == [Outcome.GONE] * 2


def test_a_document_that_failed_before_all_its_pages_were_cut_has_the_rest_of_them_cut() -> None:
    """Its messages were consumed meanwhile: a document that has ended wants no more ranges."""
    pipeline, (first, second) = in_ranges()
    pipeline.split_range(first)
    (part,) = pipeline.waiting_parts()
    newer = part.model_dump_json().replace('"schema_version":2', '"schema_version":99')
    pipeline.letter("chunks", newer)
    assert pipeline.document().status is Status.FAILED
    assert pipeline.split_range(second) is Outcome.STALE
    pipeline.retry()
    pipeline.run()
    assert whole(pipeline)


def test_a_document_that_the_splitter_gave_up_on_is_split_again() -> None:
    pipeline = Pipeline()
    given_up(pipeline)
    retried = pipeline.retry()
    assert (retried.chunks, retried.split_again) == (0, True)
    assert pipeline.document().status is Status.SPLITTING
    pipeline.run()
    assert whole(pipeline)


def test_a_file_that_cannot_be_read_is_only_split_again_by_force() -> None:
    pipeline = Pipeline()
    pipeline.drop(b"%PDF-1.7 but not really", filename="doc.pdf")
    reason = pipeline.document().reason
    assert reason is not None
    with pytest.raises(Conflict, match=f"{reason.code}.*Only force"):
        pipeline.retry()
    assert pipeline.retry(force=True).split_again
    pipeline.run()
    document = pipeline.document()
    assert (document.status, document.reason) == (Status.FAILED, reason)
    assert pipeline.examine().healthy


def test_lost_chunks_are_cut_anew_from_the_upload_as_the_next_generation() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    lost, *_ = pipeline.objects.list("chunks/")
    pipeline.objects.delete([lost])
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.PARTIAL
    with pytest.raises(Conflict, match=r"stored_data_lost \(16\)"):
        pipeline.retry()
    assert pipeline.retry(force=True).split_again
    assert pipeline.search("brake fluid")
    pipeline.run()
    assert pipeline.document().generation == 2
    assert whole(pipeline)


def test_asking_twice_for_lost_chunks_makes_one_new_generation() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.objects.delete([next(iter(pipeline.objects.list("chunks/")))])
    pipeline.run()
    pipeline.retry(force=True)
    pipeline.retry(force=True)
    pipeline.run()
    assert pipeline.document().generation == 2
    assert whole(pipeline)


def expired(pipeline: Pipeline, document_id: str = "doc") -> None:
    """A document whose upload never came, or whose event did not."""
    key = upload_key(HANDBOOK, document_id, "doc.md")
    pipeline.ledger.create(NewDocument(HANDBOOK, document_id, "doc.md", key, upload_seconds=60))
    pipeline.clock.move(hours=2)
    pipeline.reconcile()
    assert pipeline.document(document_id).status is Status.FAILED


def test_an_upload_that_never_came_cannot_be_retried_without_its_bytes() -> None:
    pipeline = Pipeline.timed()
    expired(pipeline)
    with pytest.raises(Conflict, match="its bytes are not in the bucket"):
        pipeline.retry()
    assert pipeline.document().status is Status.FAILED
    pipeline.objects.put(KEY, TEXT.encode())  # and its event was lost
    assert pipeline.retry().split_again
    pipeline.run()
    assert whole(pipeline)


def test_an_upload_that_never_came_for_an_id_in_use_again_is_no_different() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.delete()
    pipeline.run()
    expired(pipeline)
    with pytest.raises(Conflict, match="its bytes are not in the bucket"):
        pipeline.retry()
    pipeline.objects.put(KEY, TEXT.encode())
    assert pipeline.retry().split_again
    pipeline.run()
    assert whole(pipeline)


def test_what_must_be_split_again_needs_its_bytes() -> None:
    pipeline = Pipeline()
    given_up(pipeline)
    pipeline.objects.delete([KEY])
    before = everything(pipeline)
    with pytest.raises(Conflict, match="upload it again"):
        pipeline.retry()
    assert everything(pipeline) == before


def test_chunks_are_retried_without_the_bytes_that_they_were_cut_from() -> None:
    pipeline = Pipeline()
    partial(pipeline)
    pipeline.objects.delete([KEY])
    pipeline.retry()
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


def test_there_is_nothing_to_retry_of_a_document_that_is_well_or_under_way_or_deleted() -> None:
    pipeline = Pipeline()
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY))
    with pytest.raises(Conflict, match="still awaiting_upload"):
        pipeline.retry()
    pipeline.drop(TEXT)
    with pytest.raises(Conflict, match="still processing"):
        pipeline.retry(force=True)
    pipeline.run()
    with pytest.raises(Conflict, match="is indexed: nothing to retry"):
        pipeline.retry(force=True)
    pipeline.delete()
    with pytest.raises(Conflict, match="is deleted: nothing to retry"):
        pipeline.retry(force=True)


def test_an_unknown_document_and_another_tenants_are_not_found_alike() -> None:
    pipeline = Pipeline()
    partial(pipeline)
    before = everything(pipeline)
    with pytest.raises(NotFound) as theirs:
        pipeline.retry(tenant="acme")
    with pytest.raises(NotFound) as unknown:
        pipeline.retry("no-such")
    assert str(theirs.value).replace("'doc'", "'no-such'") == str(unknown.value)
    assert everything(pipeline) == before


def lost_chunks(pipeline: Pipeline) -> None:
    pipeline.drop(TEXT)
    pipeline.objects.delete([next(iter(pipeline.objects.list("chunks/")))])
    pipeline.run()


@pytest.mark.parametrize("make", [partial, failed, given_up, lost_chunks])
def test_a_dry_run_tells_what_a_retry_would_do_and_changes_nothing_at_all(
    make: Callable[[Pipeline], object],
) -> None:
    pipeline = Pipeline()
    make(pipeline)
    before = everything(pipeline)
    told = pipeline.retry(dry_run=True, force=True)
    assert everything(pipeline) == before
    done = pipeline.retry(force=True)
    assert (told.chunks, told.split_again) == (done.chunks, done.split_again)
    assert everything(pipeline) != before


STEPS = [("ledger", "reopen"), ("ledger", "ranges"), ("queues", "send_parts")]


@pytest.mark.parametrize(("port", "step"), STEPS)
def test_a_crash_within_a_retry_is_mended_by_the_reconciler(
    monkeypatch: pytest.MonkeyPatch, port: str, step: str
) -> None:
    pipeline = Pipeline.timed()
    partial(pipeline)
    with monkeypatch.context() as crash:
        crash.setattr(getattr(pipeline, port), step, down, raising=True)
        with pytest.raises(ServiceUnavailable):
            pipeline.retry()
    assert pipeline.document().status is Status.PROCESSING
    assert pipeline.search("brake fluid")
    pipeline.clock.move(minutes=21)
    assert pipeline.reconcile().total() == 1
    pipeline.run()
    if pipeline.document().status is Status.PARTIAL:  # nothing was lost: it is asked for again
        pipeline.retry()
        pipeline.run()
    assert whole(pipeline)


@pytest.mark.parametrize("make", [given_up, lost_chunks])
def test_a_crash_before_a_document_is_split_again_leaves_it_where_it_can_be_mended(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Pipeline], object]
) -> None:
    pipeline = Pipeline.timed()
    make(pipeline)
    with monkeypatch.context() as crash:
        crash.setattr(pipeline.queues, "send_pages", down)
        with pytest.raises(ServiceUnavailable):
            pipeline.retry(force=True)
    pipeline.clock.move(minutes=21)
    if not pipeline.reconcile():
        pipeline.retry(force=True)  # it still stands where it stood
    pipeline.run()
    assert whole(pipeline)


def test_a_retry_goes_on_where_another_was_cut_short() -> None:
    """The document is under way by then, and nothing of it is announced."""
    pipeline = Pipeline()
    partial(pipeline)
    before = pipeline.document().reason
    reopen = pipeline.ledger.reopen

    def down(*args: Any) -> bool:
        raise ServiceUnavailable("DynamoDB did not answer.")

    pipeline.ledger.reopen = down  # type: ignore[method-assign, assignment]
    with pytest.raises(ServiceUnavailable):
        pipeline.retry()
    pipeline.ledger.reopen = reopen  # type: ignore[method-assign]
    assert pipeline.document().status is Status.PROCESSING
    settle(pipeline.document(), ledger=pipeline.ledger, queues=pipeline.queues)
    assert (pipeline.document().status, pipeline.document().reason) == (Status.PARTIAL, before)
    pipeline.retry()
    pipeline.run()
    assert whole(pipeline)


def test_a_retry_of_what_is_under_way_takes_up_what_has_failed_so_far() -> None:
    pipeline = Pipeline()
    partial(pipeline)
    document = pipeline.document()
    assert pipeline.ledger.retry(document)  # and there it was cut short
    assert pipeline.retry().chunks > 0
    pipeline.run()
    assert whole(pipeline)
    with pytest.raises(Conflict, match="indexed: nothing to retry"):
        pipeline.retry()


def test_a_document_that_was_failed_and_holds_no_text_after_all_ends_as_empty() -> None:
    """The letter of an attempt that had done its work came before it was told."""
    pipeline = Pipeline()
    settled = pipeline.ledger.settle
    pipeline.ledger.settle = lambda *_, **__: None  # type: ignore[method-assign]
    pipeline.drop(" ")
    pipeline.ledger.settle = settled  # type: ignore[method-assign]
    reason = Reason("retries_exhausted", "it died.", "split")
    pipeline.ledger.fail("default", "doc", 1, reason)
    pipeline.retry()
    pipeline.run()
    assert pipeline.document().status is Status.EMPTY
    assert pipeline.examine().healthy


def test_of_two_retries_that_read_the_same_status_one_goes_on() -> None:
    pipeline = Pipeline()
    partial(pipeline)
    retry = pipeline.ledger.retry

    def overtaken(
        document: Document, left: Reason | None = None, *, split: bool = False
    ) -> Document | None:
        pipeline.ledger.retry = retry  # type: ignore[method-assign]
        pipeline.retry()
        return retry(document, left, split=split)

    pipeline.ledger.retry = overtaken  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="moved meanwhile"):
        pipeline.retry()
    assert len(pipeline.queues.parts) == 1
    pipeline.run()
    assert whole(pipeline)


def test_many_retries_at_once_count_every_chunk_once() -> None:
    pipeline = Pipeline()
    lost = partial(pipeline)
    together = Barrier(4)
    refused: list[Conflict] = []

    def ask() -> None:
        together.wait()
        try:
            pipeline.retry()
        except Conflict as error:
            refused.append(error)

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert [part.count for part in pipeline.queues.parts] == [lost.count]
    pipeline.run()
    assert whole(pipeline)


def test_a_replacement_that_failed_is_retried_while_the_one_before_it_answers() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    pipeline.drop("The gate opens at ten.", sequencer="2")
    (part,) = pipeline.waiting_parts()
    pipeline.letter("chunks", part.model_dump_json())
    assert "still there and answers" in pipeline.document().advice
    pipeline.retry()
    assert [hit.passage.generation for hit in pipeline.search("gate")] == [1]
    pipeline.run()
    assert [hit.passage.generation for hit in pipeline.search("gate")] == [2]
    assert whole(pipeline)


def test_a_retry_of_one_document_leaves_the_others_alone() -> None:
    pipeline = Pipeline()
    partial(pipeline, "one")
    partial(pipeline, "two", f"{TEXT} Once more.")
    other = pipeline.document("two")
    pipeline.retry("one")
    pipeline.run()
    assert pipeline.document("one").status is Status.INDEXED
    assert pipeline.document("two") == other


def test_what_a_code_rules_out_is_not_said_to_want_force() -> None:
    """The document failed as a whole, of another code: no force makes that one narrower."""
    pipeline, (first, _) = in_ranges()
    pipeline.split_range(first)
    (part,) = pipeline.waiting_parts()
    note_cause(part, "m1", ServiceUnavailable("S3 is away."), "embed", ledger=pipeline.ledger)
    pipeline.letter("chunks", part.model_dump_json())
    again = Uploaded(key=first.upload_key, sequencer="1")
    pipeline.letter("pages", again.model_dump_json(), "m2")
    with pytest.raises(Conflict, match="retries_exhausted") as refused:
        pipeline.retry(code="service_unavailable", force=True)
    assert "Only force" not in str(refused.value)


# Redriving


def elsewhere(pipeline: Pipeline, partition: Partition, document_id: str) -> None:
    """A document that the splitter gave up on, in another partition."""
    key = upload_key(partition, document_id, "doc.md")
    pipeline.ledger.create(NewDocument(partition, document_id, "doc.md", key))
    pipeline.objects.put(key, f"What {document_id} says.".encode())
    body = Uploaded(key=key, sequencer="1").model_dump_json()
    assert pipeline.letter("pages", body) == document_id


def test_redriving_one_document_retries_that_one() -> None:
    pipeline = Pipeline()
    failed(pipeline, "one", "Some words.")
    failed(pipeline, "two", "Other words.")
    page = pipeline.redrive(Selection(document_id="two"))
    assert [(one.document.document_id, one.chunks) for one in page.documents] == [("two", 1)]
    assert page.cursor is None
    pipeline.run()
    assert pipeline.document("one").status is Status.FAILED
    assert pipeline.document("two").status is Status.INDEXED


def test_redriving_a_collection_leaves_the_others_of_the_tenant() -> None:
    pipeline = Pipeline()
    failed(pipeline, "one")
    elsewhere(pipeline, Partition("default", "papers"), "two")
    page = pipeline.redrive(Selection(collection="papers"))
    assert [(one.document.document_id, one.split_again) for one in page.documents] == [
        ("two", True)
    ]
    assert pipeline.document("one").status is Status.FAILED


def test_redriving_never_touches_another_tenant() -> None:
    pipeline = Pipeline()
    failed(pipeline, "one")
    elsewhere(pipeline, Partition("acme", "handbook"), "two")
    theirs = pipeline.ledger.get("acme", "two")
    page = pipeline.redrive(Selection())
    assert [one.document.document_id for one in page.documents] == ["one"]
    assert pipeline.ledger.get("acme", "two") == theirs
    assert not pipeline.redrive(Selection(collection="handbook"), tenant="nobody").documents
    with pytest.raises(NotFound):
        pipeline.redrive(Selection(document_id="two"))


def test_redriving_by_code_leaves_out_what_failed_of_something_else() -> None:
    pipeline = Pipeline()
    failed(pipeline, "one")
    pipeline.drop(b"", "two")
    page = pipeline.redrive(Selection(code="retries_exhausted"))
    [told] = page.documents
    assert (told.document.document_id, told.chunks, told.skipped) == ("one", 1, "")
    assert pipeline.document("two").status is Status.FAILED


def test_redriving_skips_what_failed_for_good_unless_forced() -> None:
    pipeline = Pipeline()
    failed(pipeline, "one")
    pipeline.drop(b"%PDF-1.7 broken", "two", filename="doc.pdf")
    plain = pipeline.redrive(Selection(), dry_run=True)
    skipped = {one.document.document_id for one in plain.documents if one.skipped}
    assert skipped == {"two"}
    forced = pipeline.redrive(Selection(), dry_run=True, force=True)
    assert len(forced.documents) == 2
    assert not any(one.skipped for one in forced.documents)


def test_redriving_since_a_time_leaves_what_failed_before_it() -> None:
    pipeline = Pipeline.timed()
    failed(pipeline, "one", "Some words.")
    pipeline.clock.move(hours=2)
    since = pipeline.clock().isoformat()
    pipeline.clock.move(hours=2)
    failed(pipeline, "two", "Other words.")
    page = pipeline.redrive(Selection(since=since))
    assert [one.document.document_id for one in page.documents] == ["two"]
    with pytest.raises(InvalidRequest, match="is not a time"):
        pipeline.redrive(Selection(since="yesterday"))


def test_pages_of_a_redrive_join_without_a_gap_though_each_moves_its_documents() -> None:
    pipeline = Pipeline()
    names = [f"doc-{n}" for n in range(7)]
    for name in names:
        failed(pipeline, name, f"What {name} says.")
    cursor, seen = None, list[str]()
    while True:
        page = pipeline.redrive(Selection(), limit=2, cursor=cursor)
        assert len(page.documents) <= 2
        seen += [one.document.document_id for one in page.documents]
        pipeline.run()
        if not page.cursor:
            break
        cursor = page.cursor
    assert sorted(seen) == names
    assert {pipeline.document(name).status for name in names} == {Status.INDEXED}


def test_a_redrive_that_is_forced_over_what_fails_again_comes_to_its_end() -> None:
    """What fails again is listed behind the cursor; it must not be gone through for ever."""
    pipeline = Pipeline.timed()
    for n in range(4):
        pipeline.drop(b"", f"doc-{n}")
    pipeline.clock.move(seconds=1)
    cursor, pages = None, 0
    while pages == 0 or cursor:
        pages += 1
        assert pages < 10
        page = pipeline.redrive(Selection(), limit=2, cursor=cursor, force=True)
        pipeline.run()
        pipeline.clock.move(seconds=1)
        cursor = page.cursor


def test_a_dry_redrive_changes_nothing_at_all() -> None:
    pipeline = Pipeline()
    failed(pipeline, "one")
    partial(pipeline, "two")
    given_up(pipeline, "three", f"{TEXT} Thrice.")
    before = everything(pipeline)
    page = pipeline.redrive(Selection(), dry_run=True)
    assert everything(pipeline) == before
    told = {one.document.document_id: (one.chunks, one.split_again) for one in page.documents}
    assert told == {"one": (1, False), "two": (CHUNKS_PER_PART, False), "three": (0, True)}


def test_a_foreign_cursor_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        Pipeline().redrive(Selection(), cursor="nonsense")


def test_a_chunk_that_failed_before_reasons_were_kept_can_be_retried() -> None:
    """The deployment before this one recorded that a chunk failed, and not why."""
    pipeline = Pipeline()
    partial(pipeline)
    pipeline.ledger._reasons.clear()
    assert pipeline.retry().chunks == CHUNKS_PER_PART
    pipeline.run()
    assert whole(pipeline)
