"""From a dropped file to a found passage, on the fakes: what must hold whatever the queues do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ragline.domain.documents import Status
from ragline.domain.errors import EmbeddingFailed, MalformedMessage, ServiceUnavailable
from ragline.domain.messages import PageRange
from ragline.embedding.hashing import HashEmbedder
from ragline.usecases.documents import delete
from ragline.usecases.splitting import Outcome
from tests.samples import SAMPLES
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline

KEY = f"uploads/{HANDBOOK}/doc/doc.md"
TEXT = "# Brakes\n\n" + "\n\n".join(
    f"Paragraph {n} tells of brake pads, discs and the fluid that drives them." for n in range(40)
)


def test_a_dropped_file_is_found_with_its_heading_and_span() -> None:
    pipeline = Pipeline()
    pipeline.drop("# Engine\n\n## Oil\n\nChange the oil every ten thousand miles.")
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    (hit,) = pipeline.search("change oil")
    assert hit.passage.chunk.headings == ("Engine", "Oil")
    assert "ten thousand miles" in hit.passage.chunk.text
    assert set(hit.ranks) == {"dense", "bm25"}


def test_counts_are_exact_when_everything_is_delivered_once() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.run()
    progress = pipeline.document().progress
    assert progress.chunks_total > 32
    assert progress.indexed == progress.chunks_total == pipeline.index.count(HANDBOOK)
    assert progress.embedded == progress.failed == 0
    assert progress.percent == 100


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_redelivery_duplication_and_reordering_change_nothing(random: object) -> None:
    pick = random.random  # type: ignore[attr-defined]
    shuffle = random.shuffle  # type: ignore[attr-defined]
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    while pipeline.queues.parts or pipeline.queues.ops:
        if pick() < 0.3:
            pipeline.split(KEY, "1")  # the S3 event again
        parts = pipeline.waiting_parts()
        again = [part for part in parts if pick() < 0.5]
        parts += again
        shuffle(parts)
        cut = int(pick() * (len(parts) + 1))
        pipeline.embed(parts[:cut])
        pipeline.embed(parts[cut:])
        ops = pipeline.waiting_ops()
        ops += [op for op in ops if pick() < 0.5]
        pipeline.apply(ops)
        if pick() < 0.5:
            pipeline.apply(ops)
    document = pipeline.document()
    assert document.status is Status.INDEXED
    assert document.generation == 1
    assert document.progress.indexed == document.progress.chunks_total
    assert pipeline.index.count(HANDBOOK) == document.progress.chunks_total


def test_a_redelivered_event_of_a_finished_document_does_nothing() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.run()
    assert pipeline.split(KEY, "1") is Outcome.DONE_BEFORE
    assert not pipeline.queues.parts


def test_a_crash_between_storing_and_announcing_is_mended_by_the_redelivered_event() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.queues.parts.clear()  # the splitter died before its messages were sent
    assert pipeline.split(KEY, "1") is Outcome.SPLIT
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


def test_a_replacement_answers_only_once_it_is_complete() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    pipeline.drop("The gate opens at ten.", sequencer="2")
    assert [hit.passage.generation for hit in pipeline.search("gate opens")] == [1]
    pipeline.run()
    (hit,) = pipeline.search("gate opens")
    assert hit.passage.chunk.text == "The gate opens at ten."
    assert pipeline.index.count(HANDBOOK) == 1  # the old rows went too
    kept = list(pipeline.objects.list("chunks/"))
    assert all("/doc/2/" in key for key in kept)


def test_an_event_older_than_the_one_seen_is_ignored() -> None:
    pipeline = Pipeline()
    pipeline.drop("new", sequencer="A0")
    assert pipeline.split(KEY, "9F") is Outcome.STALE
    assert pipeline.document().generation == 1


def test_late_work_of_a_replaced_generation_is_dropped() -> None:
    pipeline = Pipeline()
    pipeline.drop("old words")
    late_parts = pipeline.waiting_parts()
    pipeline.drop("first words", sequencer="2")
    pipeline.run()
    assert pipeline.embed(late_parts) == set()
    assert not pipeline.queues.ops
    assert pipeline.index.count(HANDBOOK) == 1


def test_a_deleted_document_is_gone_from_answers_before_its_rows_are() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    delete(
        "default",
        "doc",
        ledger=pipeline.ledger,
        objects=pipeline.objects,
        queues=pipeline.queues,
    )
    assert pipeline.index.count(HANDBOOK) == 1
    assert not pipeline.search("gate")
    pipeline.run()
    assert pipeline.index.count(HANDBOOK) == 0
    assert not list(pipeline.objects.list(""))


def test_removing_the_object_deletes_the_document_even_while_it_is_worked_on() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    parts = pipeline.waiting_parts()
    pipeline.embed(parts[:1])
    late_ops = pipeline.waiting_ops()
    assert pipeline.removed(KEY, "2")
    pipeline.run()
    pipeline.apply(late_ops)
    pipeline.embed(parts)
    pipeline.run()
    assert pipeline.document().status is Status.DELETED
    assert pipeline.index.count(HANDBOOK) == 0
    assert not pipeline.search("brake")


def test_the_removal_of_an_upload_that_was_replaced_under_another_name_is_ignored() -> None:
    pipeline = Pipeline()
    pipeline.drop("kept")
    other = f"uploads/{HANDBOOK}/doc/old.md"
    assert pipeline.removed(other, "9") is None
    assert pipeline.document().status is Status.PROCESSING


def test_an_event_for_an_object_that_is_already_gone_leaves_nothing_behind() -> None:
    pipeline = Pipeline()
    assert pipeline.split(KEY, "1") is Outcome.GONE
    assert pipeline.ledger.get("default", "doc") is None


@pytest.mark.parametrize("size", [0, LIMITS.file_bytes + 1])
def test_a_late_event_of_a_file_that_is_never_read_leaves_nothing_behind_either(size: int) -> None:
    """The event tells the size; that the object is gone, only the bucket does."""
    pipeline = Pipeline()
    assert pipeline.split(KEY, "1", size=size) is Outcome.GONE
    assert pipeline.ledger.get("default", "doc") is None


def test_an_object_outside_the_uploads_layout_is_refused_with_advice() -> None:
    with pytest.raises(MalformedMessage, match="move it there"):
        Pipeline().split("uploads/loose.md", "1")


def test_an_empty_file_fails_with_its_reason() -> None:
    pipeline = Pipeline()
    assert pipeline.drop(b"") is Outcome.FAILED
    document = pipeline.document()
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert document.reason.code == "empty_file"
    (failure,) = pipeline.ledger.failures("default", "doc")
    assert failure.reason.code == "empty_file"


def test_a_file_over_the_size_limit_fails_and_names_the_limit() -> None:
    pipeline = Pipeline(limits=replace(LIMITS, file_bytes=10))
    pipeline.drop("more than ten bytes")
    reason = pipeline.document().reason
    assert reason is not None
    assert reason.code == "too_large"
    assert "max_file_bytes is 10" in reason.message


def test_a_document_without_text_is_empty_and_never_indexed() -> None:
    pipeline = Pipeline()
    pipeline.drop("   \n\n  ")
    document = pipeline.document()
    assert document.status is Status.EMPTY
    assert document.advice


def test_a_big_pdf_is_split_in_page_ranges_and_its_total_stays_exact() -> None:
    pipeline = Pipeline(limits=replace(LIMITS, pages_per_range=1))
    name = next(name for name in SAMPLES if name.endswith(".pdf"))
    assert pipeline.drop(SAMPLES[name](), filename=name) is Outcome.RANGES_SENT
    ranges = [one for one in pipeline.queues.pages if isinstance(one, PageRange)]
    assert len(ranges) >= 2
    assert pipeline.document().status is Status.SPLITTING
    for message in [*reversed(ranges), *ranges]:  # out of order, and each delivered twice
        pipeline.split_range(message)
    pipeline.queues.pages.clear()
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.INDEXED
    assert document.progress.pages_done == document.progress.pages_total == len(ranges)
    assert document.progress.indexed == pipeline.index.count(HANDBOOK)


class PickyEmbedder(HashEmbedder):
    """Refuses any batch that holds a certain paragraph."""

    def embed(self, texts: object) -> NDArray[np.float32]:
        batch = list(texts)  # type: ignore[call-overload]
        if any("Paragraph 7 " in text for text in batch):
            raise EmbeddingFailed("the model cannot read this.")
        return super().embed(batch)


def test_a_chunk_that_cannot_be_embedded_is_set_apart_and_its_neighbours_are_found() -> None:
    pipeline = Pipeline(embedder=PickyEmbedder())
    pipeline.drop(TEXT)
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.PARTIAL
    assert document.progress.failed >= 1
    assert document.progress.indexed + document.progress.failed == document.progress.chunks_total
    assert pipeline.search("brake pads")
    assert {f.reason.code for f in pipeline.ledger.failures("default", "doc")} == {
        "embedding_failed"
    }


def test_text_with_unicode_line_separators_comes_through_whole() -> None:
    pipeline = Pipeline()
    pipeline.drop("The first line\u2028the second\x85the third\u2029the last.")
    pipeline.run()
    (hit,) = pipeline.search("second third")
    assert "\u2028the second\x85the third" in hit.passage.chunk.text


def test_stored_chunks_that_are_damaged_fail_their_document_and_no_other() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, "one")
    pipeline.drop("a few words", "two")
    pipeline.objects.put(next(iter(pipeline.objects.list(f"chunks/{HANDBOOK}/two/"))), b"not gzip")
    assert pipeline.embed(pipeline.waiting_parts()) == set()
    pipeline.run()
    assert pipeline.document("one").status is Status.INDEXED
    lost = pipeline.document("two")
    assert lost.status is Status.FAILED
    assert lost.reason is not None
    assert lost.reason.code == "stored_data_lost"


def test_stored_vectors_that_are_damaged_fail_their_chunks_and_hold_up_nobody() -> None:
    pipeline = Pipeline()
    pipeline.drop("a few words", "one")
    pipeline.drop("some other words", "two")
    pipeline.embed(pipeline.waiting_parts())
    pipeline.objects.put(next(iter(pipeline.objects.list(f"vectors/{HANDBOOK}/one/"))), b"PK")
    assert pipeline.apply(pipeline.waiting_ops()) == 2
    assert pipeline.document("one").status is Status.FAILED
    assert pipeline.document("two").status is Status.INDEXED


def test_an_error_that_nobody_foresaw_returns_its_message_and_no_other() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, "one")
    pipeline.drop("a few words", "two")
    messages = pipeline.waiting_parts()
    put = pipeline.objects.put

    def failing(key: str, *rest: object) -> None:
        if "/two/" in key:
            raise ZeroDivisionError
        put(key, *rest)  # type: ignore[arg-type]

    pipeline.objects.put = failing  # type: ignore[method-assign, assignment]
    assert pipeline.embed(messages) == {len(messages) - 1}
    pipeline.run()
    assert pipeline.document("one").status is Status.INDEXED


def test_files_of_one_folder_that_were_dropped_are_documents_of_their_own() -> None:
    pipeline = Pipeline()
    for number, name in enumerate(("a.md", "b.md"), start=1):
        key = f"uploads/{HANDBOOK}/2024/{name}"
        pipeline.objects.put(key, f"What {name} says.".encode())
        pipeline.split(key, str(number))
    pipeline.run()
    found = pipeline.ledger.list(HANDBOOK).documents
    assert {document.filename for document in found} == {"a.md", "b.md"}
    assert len(pipeline.search("what says")) == 2
    removed = f"uploads/{HANDBOOK}/2024/a.md"
    assert pipeline.removed(removed, "3")
    (left,) = pipeline.search("what says")
    assert left.passage.filename == "b.md"


def test_a_service_that_fails_returns_only_the_messages_that_it_concerns() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, "one")
    pipeline.drop(f"{TEXT} Twice.", "two")
    messages = pipeline.waiting_parts()
    ours = {i for i, message in enumerate(messages) if message.document_id == "one"}
    send = pipeline.queues.send_ops

    def failing(ops: object) -> None:
        if any(op.document_id == "one" for op in ops):  # type: ignore[attr-defined]
            raise ServiceUnavailable("SQS did not answer.")
        send(ops)  # type: ignore[arg-type]

    pipeline.queues.send_ops = failing  # type: ignore[method-assign]
    assert pipeline.embed(messages) == ours
    pipeline.queues.send_ops = send  # type: ignore[method-assign]
    pipeline.embed([messages[i] for i in sorted(ours)])
    pipeline.run()
    assert pipeline.document("one").status is pipeline.document("two").status is Status.INDEXED


def test_an_index_that_fails_stops_the_operations_behind_it() -> None:
    pipeline = Pipeline()
    pipeline.drop("other words", "two")
    pipeline.run()
    pipeline.drop("words", "one")
    pipeline.embed(pipeline.waiting_parts())
    (upsert,) = pipeline.waiting_ops()
    delete(
        "default",
        "one",
        ledger=pipeline.ledger,
        objects=pipeline.objects,
        queues=pipeline.queues,
    )
    (removal,) = pipeline.waiting_ops()
    works = pipeline.index.delete

    def down(*args: object, **kwargs: object) -> None:
        raise ServiceUnavailable("S3 did not answer.")

    pipeline.index.delete = down  # type: ignore[method-assign]
    assert pipeline.apply([upsert, removal]) == 1
    pipeline.index.delete = works  # type: ignore[method-assign]
    assert pipeline.apply([removal]) == 1
