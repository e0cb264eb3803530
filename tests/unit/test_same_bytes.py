"""The same bytes twice in a collection are one document; and which bytes a generation is of."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from threading import Barrier, Thread

import pytest

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.documents import Document, Partition, Status
from ragline.domain.errors import Conflict, WriteConflict
from ragline.domain.keys import upload_key
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import PageRange
from ragline.usecases import upload
from ragline.usecases.splitting import Outcome
from ragline.usecases.upload import Registered, UploadRequest, register, store
from tests.samples import SAMPLES
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline
from tests.unit.test_pipeline import TEXT

KEY = f"uploads/{HANDBOOK}/doc/doc.md"
PAPERS = Partition("default", "papers")
PDF = next(name for name in SAMPLES if name.endswith(".pdf"))


def etag(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def loose(
    pipeline: Pipeline, path: str, text: str, sequencer: str = "1", partition: Partition = HANDBOOK
) -> Document:
    """Drop a file that no one registered."""
    key = f"uploads/{partition}/{path}"
    pipeline.objects.put(key, text.encode())
    pipeline.split(key, sequencer)
    found = [
        record.document
        for record in pipeline.ledger._records.values()
        if record.document.upload_key == key
    ]
    (document,) = found
    return document


def registered(pipeline: Pipeline, **fields: object) -> Registered:
    request = UploadRequest(HANDBOOK, "doc.md", len(TEXT))
    return register(
        replace(request, **fields),  # type: ignore[arg-type]
        ledger=pipeline.ledger,
        objects=pipeline.objects,
        limits=upload.Limits(1_000_000, 60),
    )


def standing(pipeline: Pipeline) -> dict[Status, int]:
    statuses = [record.document.status for record in pipeline.ledger._records.values()]
    return {status: statuses.count(status) for status in set(statuses)}


# The same bytes


def test_of_two_files_with_the_same_bytes_one_is_indexed_and_the_other_names_it() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, "first")
    assert pipeline.drop(TEXT, "second") is Outcome.FAILED
    pipeline.run()
    assert pipeline.document("first").status is Status.INDEXED
    second = pipeline.document("second")
    assert second.status is Status.FAILED
    assert second.reason is not None
    assert second.reason.code == "duplicate"
    assert "'first'" in second.reason.message
    assert {hit.passage.document_id for hit in pipeline.search("brake")} == {"first"}
    assert pipeline.examine().healthy


def test_two_dropped_files_with_the_same_bytes_are_no_different() -> None:
    pipeline = Pipeline()
    loose(pipeline, "2025/march.md", TEXT)
    loose(pipeline, "2026/march.md", TEXT)
    pipeline.run()
    assert standing(pipeline) == {Status.INDEXED: 1, Status.FAILED: 1}


def test_a_redelivered_event_does_not_make_a_document_its_own_duplicate() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.split(KEY, "1")
    pipeline.run()
    pipeline.drop(TEXT, sequencer="2")
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.document().generation == 2


def test_a_copy_that_was_asked_for_is_indexed_too() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, "first")
    copy = registered(pipeline, document_id="second", allow_duplicate=True).document
    pipeline.objects.put(copy.upload_key, TEXT.encode())
    assert pipeline.split(copy.upload_key, "1") is Outcome.SPLIT
    pipeline.run()
    assert standing(pipeline) == {Status.INDEXED: 2}


def test_whoever_does_not_ask_for_a_copy_gets_none_of_bytes_that_came_as_one() -> None:
    pipeline = Pipeline()
    copy = registered(pipeline, document_id="first", allow_duplicate=True).document
    pipeline.objects.put(copy.upload_key, TEXT.encode())
    pipeline.split(copy.upload_key, "1")
    pipeline.run()
    assert pipeline.drop(TEXT, "second") is Outcome.FAILED


def test_the_same_bytes_in_other_collections_and_tenants_are_other_documents() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    loose(pipeline, "a.md", TEXT, partition=PAPERS)
    loose(pipeline, "a.md", TEXT, partition=Partition("acme", "handbook"))
    pipeline.run()
    assert standing(pipeline) == {Status.INDEXED: 3}


def test_registering_bytes_that_were_dropped_before_gives_the_document_that_has_them() -> None:
    pipeline = Pipeline()
    first = loose(pipeline, "2025/march.md", TEXT)
    pipeline.run()
    checksum = hashlib.sha256(TEXT.encode()).hexdigest()
    again = registered(pipeline, checksum=checksum)
    assert again.duplicate
    assert again.upload is None
    assert again.document.document_id == first.document_id


def test_a_checksum_that_was_only_promised_gives_way_to_that_of_the_bytes() -> None:
    pipeline = Pipeline()
    document = registered(pipeline, document_id="doc", checksum="0" * 64).document
    pipeline.objects.put(document.upload_key, TEXT.encode())
    pipeline.split(document.upload_key, "1")
    assert pipeline.document().checksum == hashlib.sha256(TEXT.encode()).hexdigest()


def test_the_bytes_of_a_replacement_are_the_ones_that_count() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.", "first")
    pipeline.run()
    pipeline.drop("The gate opens at ten.", "first", sequencer="2")
    pipeline.run()
    assert pipeline.drop("The gate opens at ten.", "second") is Outcome.FAILED
    assert pipeline.drop("The gate opens at nine.", "third") is Outcome.SPLIT
    pipeline.run()
    assert pipeline.document("third").status is Status.INDEXED


def test_a_document_that_is_replaced_by_anothers_bytes_fails_and_keeps_answering() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.", "first")
    pipeline.drop("The gate opens at ten.", "second")
    pipeline.run()
    assert pipeline.drop("The gate opens at nine.", "second", sequencer="2") is Outcome.FAILED
    second = pipeline.document("second")
    assert second.reason is not None
    assert second.reason.code == "duplicate"
    assert "still there and answers" in second.advice
    assert {hit.passage.document_id for hit in pipeline.search("gate")} == {"first", "second"}
    assert pipeline.examine().healthy


def test_bytes_are_free_once_their_document_is_deleted() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, "first")
    pipeline.drop(TEXT, "second")
    pipeline.run()
    with pytest.raises(Conflict, match=r"duplicate \(1\).*Only force"):
        pipeline.retry("second")
    with pytest.raises(Conflict, match="first"):  # which still has them
        pipeline.retry("second", force=True)
    pipeline.delete("first")
    pipeline.retry("second", force=True)
    pipeline.run()
    assert pipeline.document("second").status is Status.INDEXED
    assert pipeline.document("second").generation == 1
    assert pipeline.examine().healthy


def test_bytes_are_free_once_their_document_failed() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, "first")
    for n, part in enumerate(pipeline.waiting_parts()):
        pipeline.letter("chunks", part.model_dump_json(), f"m{n}")
    assert pipeline.document("first").status is Status.FAILED
    assert pipeline.drop(TEXT, "second") is Outcome.SPLIT
    pipeline.run()
    assert pipeline.document("second").status is Status.INDEXED


def test_a_document_that_lost_its_bytes_to_another_is_not_revived_beside_it() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, "first")
    for n, part in enumerate(pipeline.waiting_parts()):
        pipeline.letter("chunks", part.model_dump_json(), f"m{n}")
    pipeline.drop(TEXT, "second")
    pipeline.run()
    try:
        pipeline.retry("first")
    except Conflict as error:
        assert "second" in str(error)
    pipeline.run()
    assert standing(pipeline) == {Status.INDEXED: 1, Status.FAILED: 1}


def test_bytes_that_are_here_win_over_those_that_were_only_promised() -> None:
    pipeline = Pipeline()
    checksum = hashlib.sha256(TEXT.encode()).hexdigest()
    registered(pipeline, document_id="promised", checksum=checksum)
    loose(pipeline, "2026/march.md", TEXT)
    pipeline.run()
    assert standing(pipeline) == {Status.INDEXED: 1, Status.AWAITING_UPLOAD: 1}


@pytest.mark.parametrize("dropped", [True, False], ids=["dropped", "stored through the API"])
def test_many_uploads_of_the_same_bytes_at_once_end_as_one(dropped: bool) -> None:
    pipeline = Pipeline()
    together = Barrier(6)
    errors: list[Exception] = []

    def bring(n: int) -> None:
        key = f"uploads/{HANDBOOK}/folder-{n}/deeper/march.md"
        try:
            if dropped:
                pipeline.objects.put(key, TEXT.encode())
                together.wait()
                pipeline.split(key, "1")
                return
            together.wait()
            stored = store(
                UploadRequest(HANDBOOK, f"march-{n}.md", 1),
                TEXT.encode(),
                ledger=pipeline.ledger,
                objects=pipeline.objects,
                limits=upload.Limits(1_000_000, 60),
            )
            pipeline.split(stored.document.upload_key, "1")
        except Exception as error:  # a thread's error is nobody's
            errors.append(error)

    threads = [Thread(target=bring, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    pipeline.run()
    assert standing(pipeline).get(Status.INDEXED) == 1
    assert set(standing(pipeline)) <= {Status.INDEXED, Status.FAILED}
    rows = pipeline.index.count(HANDBOOK)
    (winner,) = pipeline.ledger.list(HANDBOOK, status=Status.INDEXED).documents
    assert rows == winner.progress.chunks_total
    assert pipeline.examine().healthy


def test_a_claim_that_is_taken_between_two_steps_of_another_upload_stands() -> None:
    """The second one comes after the first is known by its bytes, before it claims them."""
    pipeline = Pipeline()
    claim = pipeline.ledger.claim_content

    def overtaken(
        partition: Partition, checksum: str, document_id: str, *, arrived: bool = False
    ) -> str:
        pipeline.ledger.claim_content = claim  # type: ignore[method-assign]
        pipeline.drop(TEXT, "second")
        return claim(partition, checksum, document_id, arrived=arrived)

    pipeline.ledger.claim_content = overtaken  # type: ignore[method-assign]
    assert pipeline.drop(TEXT, "first") is Outcome.FAILED
    pipeline.run()
    assert pipeline.document("second").status is Status.INDEXED
    assert standing(pipeline) == {Status.INDEXED: 1, Status.FAILED: 1}


# Which bytes a generation is of


def test_a_late_event_of_an_older_version_starts_nothing() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at ten.", sequencer="2")
    pipeline.run()
    before = pipeline.document()
    assert pipeline.split(KEY, "1", etag("The gate opens at nine.")) is Outcome.STALE
    assert pipeline.document() == before
    assert pipeline.objects.size(KEY)


def test_an_event_whose_version_is_gone_leaves_the_document_to_the_newer_event() -> None:
    pipeline = Pipeline()
    new = "The gate opens at ten."
    pipeline.objects.put(KEY, new.encode())
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY))
    assert pipeline.split(KEY, "1", etag("The gate opens at nine.")) is Outcome.GONE
    assert not pipeline.document().terminal
    assert pipeline.split(KEY, "2", etag(new)) is Outcome.SPLIT
    pipeline.run()
    (hit,) = pipeline.search("gate")
    assert hit.passage.chunk.text == new
    assert pipeline.document().checksum == hashlib.sha256(new.encode()).hexdigest()
    assert pipeline.examine().healthy


def test_a_document_whose_newer_event_never_comes_is_split_as_it_is_now() -> None:
    pipeline = Pipeline.timed()
    pipeline.objects.put(KEY, b"The gate opens at ten.")
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY))
    pipeline.split(KEY, "1", etag("The gate opens at nine."))
    pipeline.clock.move(minutes=21)
    pipeline.reconcile()
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.search("gate opens at ten")


def ranges(pipeline: Pipeline, data: bytes, sequencer: str) -> list[PageRange]:
    key = upload_key(HANDBOOK, "doc", PDF)
    pipeline.objects.put(key, data)
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", PDF, key))
    tag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert pipeline.split(key, sequencer, tag) is Outcome.RANGES_SENT
    return [message for message in pipeline.waiting_pages() if isinstance(message, PageRange)]


def test_ranges_are_never_cut_from_two_versions_of_a_file() -> None:
    pipeline = Pipeline(limits=replace(LIMITS, pages_per_range=1))
    first, second = ranges(pipeline, SAMPLES[PDF](), "1")
    pipeline.split_range(first)
    pipeline.objects.put(first.upload_key, SAMPLES[PDF]() + b"\n% another version")
    assert pipeline.split_range(second) is Outcome.GONE  # its own event is still to come
    pipeline.run()
    assert not pipeline.search("barometer")
    for message in ranges(pipeline, SAMPLES[PDF]() + b"\n% another version", "2"):
        pipeline.split_range(message)
    pipeline.run()
    document = pipeline.document()
    assert (document.status, document.generation) == (Status.INDEXED, 2)
    assert pipeline.examine().healthy


def test_other_settings_while_ranges_are_open_start_the_next_generation() -> None:
    pipeline = Pipeline(limits=replace(LIMITS, pages_per_range=1))
    first, second = ranges(pipeline, SAMPLES[PDF](), "1")
    pipeline.split_range(first)
    pipeline.limits = replace(pipeline.limits, chunk_tokens=8)  # a deploy
    assert pipeline.split_range(second) is Outcome.RESTARTED
    assert pipeline.split_range(second) is Outcome.RESTARTED  # delivered twice
    pipeline.run()
    document = pipeline.document()
    assert (document.status, document.generation) == (Status.INDEXED, 2)
    assert pipeline.index.count(HANDBOOK) == document.progress.chunks_total
    assert pipeline.examine().healthy


def test_other_settings_leave_a_document_that_has_ended_as_it_is() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.limits = replace(LIMITS, chunk_tokens=8)
    assert pipeline.split(KEY, "1") is Outcome.DONE_BEFORE
    assert pipeline.document().generation == 1


def test_a_version_without_text_takes_the_place_of_the_one_before_it() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.drop("  \n ", sequencer="2")
    assert pipeline.document().status is Status.EMPTY
    assert not pipeline.search("brake fluid")
    pipeline.run()
    assert pipeline.index.count(HANDBOOK) == 0
    assert not list(pipeline.objects.list("chunks/"))
    assert pipeline.examine().healthy


def test_a_put_by_a_url_that_outlived_the_deletion_leaves_neither_bytes_nor_document() -> None:
    pipeline = Pipeline()
    document = registered(pipeline, document_id="doc").document
    pipeline.delete()
    pipeline.run()
    pipeline.objects.put(document.upload_key, TEXT.encode())
    assert pipeline.split(document.upload_key, "1") is Outcome.STALE
    pipeline.run()
    assert pipeline.objects.size(document.upload_key) is None
    assert pipeline.document().status is Status.DELETED
    assert not pipeline.search("brake")
    assert pipeline.removed(document.upload_key, "2") is not None  # of that clearing away
    pipeline.run()
    pipeline.objects.put(document.upload_key, TEXT.encode())  # and once more
    assert pipeline.split(document.upload_key, "3") is Outcome.STALE
    assert pipeline.objects.size(document.upload_key) is None
    assert pipeline.examine().healthy


def test_a_file_that_is_dropped_again_after_its_deletion_waits_for_the_removal() -> None:
    pipeline = Pipeline()
    document = loose(pipeline, "2026/march.md", TEXT)
    pipeline.run()
    pipeline.delete(document.document_id)
    pipeline.run()
    pipeline.objects.put(document.upload_key, b"The gate opens at nine.")
    with pytest.raises(WriteConflict, match="still being deleted"):
        pipeline.split(document.upload_key, "3")
    assert pipeline.objects.size(document.upload_key)
    pipeline.removed(document.upload_key, "2")
    assert pipeline.split(document.upload_key, "3") is Outcome.SPLIT
    pipeline.run()
    now = pipeline.document(document.document_id)
    assert (now.status, now.generation) == (Status.INDEXED, 2)
    assert pipeline.search("gate")
    assert not [h for h in pipeline.search("brake") if "brake" in h.passage.chunk.text]
    assert pipeline.examine().healthy


def test_a_file_that_is_dropped_again_is_not_lost_though_its_removal_was() -> None:
    """Every attempt met the deletion that was not closed, and so did the dead letter."""
    pipeline = Pipeline.timed()
    document = loose(pipeline, "2026/march.md", TEXT)
    pipeline.run()
    pipeline.delete(document.document_id)
    pipeline.run()
    pipeline.objects.put(document.upload_key, b"The gate opens at nine.")
    with pytest.raises(WriteConflict):
        pipeline.split(document.upload_key, "3")
    for _ in range(3):
        pipeline.clock.move(hours=1)
        pipeline.reconcile()
        pipeline.repair()
        try:
            pipeline.run()
        except WriteConflict:
            continue
    assert pipeline.search("gate opens at nine")
    assert pipeline.examine().healthy


def test_a_registered_document_that_the_bucket_deleted_is_revived_by_a_newer_upload() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.objects.delete([KEY])
    pipeline.removed(KEY, "2")
    pipeline.run()
    assert pipeline.document().status is Status.DELETED
    pipeline.objects.put(KEY, b"The gate opens at nine.")
    assert pipeline.split(KEY, "3") is Outcome.SPLIT
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


def test_a_file_that_was_put_and_removed_at_once_stays_away_in_whichever_order_it_is_told() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.objects.delete([KEY])
    pipeline.removed(KEY, "3")
    pipeline.objects.put(KEY, TEXT.encode())
    assert pipeline.split(KEY, "2") is Outcome.STALE
    assert pipeline.document().status is Status.DELETED


def test_the_claims_of_a_ledger_are_one_collections_own() -> None:
    ledger = MemoryLedger()
    assert ledger.claim_content(HANDBOOK, "a" * 64, "one") == "one"
    assert ledger.claim_content(PAPERS, "a" * 64, "two") == "two"
    assert ledger.claim_content(HANDBOOK, "a" * 64, "two") == "one"
