"""What a queue gave up on ends in the ledger: its reason, its attempts, and no more than once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ragline.domain.documents import Status
from ragline.domain.errors import MalformedMessage, OutOfTime, ServiceUnavailable
from ragline.domain.keys import upload_key
from ragline.domain.ledger import Failure, NewDocument
from ragline.domain.messages import MAX_RECEIVES, Delete, PageRange, PartReady, Uploaded, Upsert
from ragline.domain.pages import PageCounts
from ragline.usecases import dead_letters
from ragline.usecases.causes import note_cause
from tests.samples import SAMPLES
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline
from tests.unit.test_pipeline import TEXT, PickyEmbedder

KEY = f"uploads/{HANDBOOK}/doc/doc.md"
PDF = next(name for name in SAMPLES if name.endswith(".pdf"))


def waiting(pipeline: Pipeline) -> PartReady:
    """One part that is not embedded yet; the others of its document are indexed."""
    pipeline.drop(TEXT)
    first, *others = pipeline.waiting_parts()
    pipeline.embed(others)
    pipeline.run()
    return first


def in_ranges(pipeline: Pipeline) -> tuple[PageRange, PageRange]:
    pipeline.limits = replace(LIMITS, pages_per_range=1)
    pipeline.drop(SAMPLES[PDF](), filename=PDF)
    first, second = pipeline.waiting_pages()
    assert isinstance(first, PageRange)
    assert isinstance(second, PageRange)
    return first, second


def invocation(event: str, sequencer: str = "1", key: str = KEY, **told: Any) -> str:
    """What Lambda says of an asynchronous call that failed."""
    record = {"eventName": event, "s3": {"object": {"key": key, "sequencer": sequencer}}}
    body = {"requestPayload": {"Records": [record]}, "responsePayload": None}
    return json.dumps(body | told)


def failures(pipeline: Pipeline, document_id: str = "doc") -> list[Failure]:
    return list(pipeline.ledger.failures("default", document_id))


def code(pipeline: Pipeline, document_id: str = "doc") -> str:
    reason = pipeline.document(document_id).reason
    assert reason is not None
    return reason.code


def test_a_part_that_every_embedder_gave_up_on_makes_the_document_partial_with_the_reason() -> None:
    pipeline = Pipeline()
    first = waiting(pipeline)
    assert pipeline.document().status is Status.PROCESSING
    assert pipeline.letter("chunks", first.model_dump_json()) == "doc"
    document = pipeline.document()
    assert document.status is Status.PARTIAL
    assert document.progress.failed == first.count
    assert code(pipeline) == "retries_exhausted"
    assert pipeline.objects.get("dead-letters/chunks/m1.json")
    assert pipeline.examine().healthy


def test_a_failure_says_how_often_it_was_tried_and_when() -> None:
    pipeline = Pipeline.timed()
    first = waiting(pipeline)
    pipeline.letter("chunks", first.model_dump_json(), "one")
    (failure,) = failures(pipeline)
    assert failure.attempts == MAX_RECEIVES
    assert failure.first == failure.last != ""
    assert (failure.reason.stage, failure.reason.chunk) == ("embed", 0)
    pipeline.retry()
    (again,) = pipeline.waiting_parts()
    pipeline.clock.move(hours=1)
    pipeline.letter("chunks", again.model_dump_json(), "two")
    (both,) = failures(pipeline)
    assert both.attempts == 2 * MAX_RECEIVES
    assert both.first == failure.first < both.last


def test_a_letter_that_is_delivered_twice_counts_once() -> None:
    pipeline = Pipeline.timed()
    body = waiting(pipeline).model_dump_json()
    pipeline.letter("chunks", body)
    once = pipeline.document(), failures(pipeline)
    pipeline.clock.move(hours=1)
    pipeline.letter("chunks", body)
    assert (pipeline.document(), failures(pipeline)) == once


def test_a_letter_that_comes_again_after_a_retry_undoes_nothing() -> None:
    pipeline = Pipeline()
    body = waiting(pipeline).model_dump_json()
    pipeline.letter("chunks", body)
    pipeline.retry()
    pipeline.run()
    pipeline.letter("chunks", body)
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.document().progress.failed == 0


def test_the_cause_that_the_last_attempt_noted_is_the_documents_reason() -> None:
    pipeline = Pipeline()
    part = waiting(pipeline)
    note_cause(
        part, "m1", ServiceUnavailable("S3 did not answer."), "embed", ledger=pipeline.ledger
    )
    assert pipeline.document().status is Status.PROCESSING
    pipeline.letter("chunks", part.model_dump_json())
    reason = pipeline.document().reason
    assert reason is not None
    assert (reason.code, reason.message) == ("service_unavailable", "S3 did not answer.")
    (failure,) = failures(pipeline)
    assert failure.attempts == MAX_RECEIVES
    assert pipeline.retry(code="service_unavailable").chunks == part.count


def test_of_an_error_that_is_not_ours_only_its_type_is_told() -> None:
    pipeline = Pipeline()
    part = waiting(pipeline)
    note_cause(part, "m1", ValueError("the patient's name"), "embed", ledger=pipeline.ledger)
    pipeline.letter("chunks", part.model_dump_json())
    reason = pipeline.document().reason
    assert reason is not None
    assert (reason.code, reason.message) == ("internal_error", "ValueError")


def test_the_cause_of_one_part_is_not_that_of_another() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    first, second, *others = pipeline.waiting_parts()
    pipeline.embed(others)
    note_cause(first, "one", OutOfTime("its time was over."), "embed", ledger=pipeline.ledger)
    pipeline.letter("chunks", first.model_dump_json(), "one")
    pipeline.letter("chunks", second.model_dump_json(), "two")
    work = pipeline.ledger.work(pipeline.document())
    assert work.reasons[first.first].code == "out_of_time"
    assert work.reasons[second.first].code == "retries_exhausted"


def test_what_one_chunk_failed_of_for_good_is_not_the_reason_of_its_neighbours() -> None:
    """Their message died of something else, and can be tried again."""
    pipeline = Pipeline()
    pipeline.drop("Paragraph 7 cannot be read.\n\n" + TEXT.replace("Paragraph 7 ", "Paragraph "))
    part, *others = pipeline.waiting_parts()
    pipeline.embed(others)
    pipeline.embedder = PickyEmbedder()
    send = pipeline.queues.send_ops

    def down(ops: object) -> None:
        raise ServiceUnavailable("SQS did not answer.")

    pipeline.queues.send_ops = down  # type: ignore[method-assign]
    assert pipeline.embed([part]) == {0}
    pipeline.queues.send_ops = send  # type: ignore[method-assign]
    pipeline.run()
    pipeline.letter("chunks", part.model_dump_json())  # its last attempt was killed
    reasons = pipeline.ledger.work(pipeline.document()).reasons
    assert reasons[0].code == "embedding_failed"
    assert {reasons[n].code for n in range(1, part.count)} == {"retries_exhausted"}
    assert pipeline.retry(dry_run=True).chunks == part.count - 1


def test_a_cause_of_an_earlier_life_is_not_that_of_this_one() -> None:
    """The message was retried, and this time no attempt lived to say what went wrong."""
    pipeline = Pipeline.timed()
    part = waiting(pipeline)
    note_cause(
        part, "one", ServiceUnavailable("S3 did not answer."), "embed", ledger=pipeline.ledger
    )
    pipeline.letter("chunks", part.model_dump_json(), "one")
    pipeline.retry()
    (again,) = pipeline.waiting_parts()
    pipeline.clock.move(hours=1)
    pipeline.letter("chunks", again.model_dump_json(), "two")
    assert code(pipeline) == "retries_exhausted"


def test_a_cause_is_only_noted_of_what_is_still_wanted() -> None:
    pipeline = Pipeline()
    part = waiting(pipeline)
    pipeline.delete()
    note_cause(part, "m1", ServiceUnavailable("down."), "embed", ledger=pipeline.ledger)
    assert not failures(pipeline)
    unknown = part.model_copy(update={"document_id": "nobody"})
    note_cause(unknown, "m1", ServiceUnavailable("down."), "embed", ledger=pipeline.ledger)
    assert pipeline.ledger.get("default", "nobody") is None


def test_the_cause_of_an_index_operation_is_found_at_its_first_chunk() -> None:
    pipeline = Pipeline()
    pipeline.drop("A few words.")
    pipeline.embed(pipeline.waiting_parts())
    (op,) = pipeline.waiting_ops()
    assert isinstance(op, Upsert)
    note_cause(op, "m1", ServiceUnavailable("the index is away."), "index", ledger=pipeline.ledger)
    pipeline.letter("index_ops", op.model_dump_json())
    assert pipeline.document().status is Status.FAILED
    assert code(pipeline) == "service_unavailable"


def test_chunks_that_came_through_after_all_are_not_failed_by_their_letter() -> None:
    pipeline = Pipeline()
    pipeline.drop("A few words.")
    parts = pipeline.waiting_parts()
    pipeline.embed(parts)
    pipeline.run()
    pipeline.letter("chunks", parts[0].model_dump_json())
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.document().progress.failed == 0


def test_the_letter_of_a_replaced_generation_concerns_nobody() -> None:
    pipeline = Pipeline()
    part = waiting(pipeline)
    pipeline.drop("The gate opens at nine.", sequencer="2")
    pipeline.run()
    before = pipeline.document()
    pipeline.letter("chunks", part.model_dump_json())
    assert pipeline.document() == before


def test_a_page_range_that_every_splitter_gave_up_on_is_lost_alone_and_the_status_says_which() -> (
    None
):
    pipeline = Pipeline()
    first, second = in_ranges(pipeline)
    pipeline.split_range(first)
    assert pipeline.letter("pages", second.model_dump_json()) == "doc"
    assert pipeline.document().status is Status.PROCESSING
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.PARTIAL
    assert document.reason is not None
    assert (document.reason.stage, document.reason.page) == ("split", 2)
    assert "pages 2 to 2" in document.reason.message
    assert document.progress.page_counts == PageCounts(text=1, failed=1)
    assert pipeline.examine().healthy


def test_a_document_all_of_whose_page_ranges_were_given_up_has_failed_as_the_first_did() -> None:
    pipeline = Pipeline()
    for number, message in enumerate(reversed(in_ranges(pipeline))):
        pipeline.letter("pages", message.model_dump_json(), f"m{number}")
    document = pipeline.document()
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert document.reason.page == 1
    assert pipeline.retry().split_again
    pipeline.run()
    assert (pipeline.document().status, pipeline.document().generation) == (Status.INDEXED, 1)
    assert pipeline.examine().healthy


def test_the_cause_of_one_page_range_is_not_that_of_another() -> None:
    pipeline = Pipeline()
    first, second = in_ranges(pipeline)
    note_cause(
        first, "m1", OutOfTime("pages 1 to 1 took too long."), "split", ledger=pipeline.ledger
    )
    pipeline.split_range(first)
    pipeline.run()
    pipeline.letter("pages", second.model_dump_json(), "m2")
    assert code(pipeline) == "retries_exhausted"


def test_an_upload_that_the_pages_queue_gave_up_on_fails_and_can_be_retried() -> None:
    pipeline = Pipeline()
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY))
    pipeline.objects.put(KEY, TEXT.encode())
    body = Uploaded(key=KEY, sequencer="1").model_dump_json()
    assert pipeline.letter("pages", body) == "doc"
    assert pipeline.document().status is Status.FAILED
    (failure,) = failures(pipeline)
    assert failure.attempts == MAX_RECEIVES
    assert pipeline.letter("pages", body) is None  # delivered twice
    assert failures(pipeline) == [failure]
    pipeline.retry()
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


def test_an_upload_that_was_replaced_while_its_letter_lay_there_is_left() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, sequencer="2")
    body = Uploaded(key=KEY, sequencer="1").model_dump_json()
    assert pipeline.letter("pages", body) is None
    assert pipeline.document().status is Status.PROCESSING


def test_a_document_that_was_split_again_in_vain_fails_again() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.run()
    document = pipeline.document()
    pipeline.objects.delete([next(iter(pipeline.objects.list("chunks/")))])
    pipeline.repair()
    (again,) = pipeline.waiting_pages()
    assert pipeline.letter("pages", again.model_dump_json()) == "doc"
    failed = pipeline.document()
    assert (failed.status, failed.generation) == (Status.FAILED, document.generation + 1)
    assert failed.live_generation == document.generation
    assert pipeline.search("brake fluid")


def test_a_removal_that_the_splitter_gave_up_on_deletes_the_document() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    assert pipeline.letter("invocations", invocation("ObjectRemoved:Delete", "2")) == "doc"
    document = pipeline.document()
    assert (document.status, document.generation) == (Status.DELETED, 1)
    assert not pipeline.search("gate")
    pipeline.run()
    assert pipeline.index.count(HANDBOOK) == 0


def test_an_expiry_that_the_splitter_gave_up_on_deletes_the_document_too() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    body = invocation("LifecycleExpiration:Delete", "2")
    assert pipeline.letter("invocations", body) == "doc"
    assert pipeline.document().status is Status.DELETED


def test_an_upload_that_the_splitter_gave_up_on_fails_with_what_lambda_said() -> None:
    pipeline = Pipeline()
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY))
    pipeline.objects.put(KEY, b"words")
    body = invocation(
        "ObjectCreated:Put",
        responsePayload={"errorMessage": "Task timed out after 300.00 seconds"},
        requestContext={"approximateInvokeCount": 3},
    )
    assert pipeline.letter("invocations", body) == "doc"
    document = pipeline.document()
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert "Task timed out after 300.00 seconds" in document.reason.message
    (failure,) = failures(pipeline)
    assert failure.attempts == 3
    pipeline.letter("invocations", body)
    assert failures(pipeline) == [failure]


def test_a_key_with_spaces_and_accents_is_read_as_the_bucket_wrote_it() -> None:
    pipeline = Pipeline()
    name = "r\u00e9sum\u00e9 2026.md"
    key = upload_key(HANDBOOK, "doc", name)
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", name, key))
    pipeline.objects.put(key, b"words")
    body = invocation("ObjectCreated:Put", key=f"uploads/{HANDBOOK}/doc/r%C3%A9sum%C3%A9+2026.md")
    assert pipeline.letter("invocations", body) == "doc"


def test_a_file_that_the_splitter_never_saw_is_known_from_its_letter() -> None:
    pipeline = Pipeline()
    key = f"uploads/{HANDBOOK}/2026/march.md"
    pipeline.objects.put(key, b"words")
    found = pipeline.letter("invocations", invocation("ObjectCreated:Put", key=key))
    assert found is not None
    assert pipeline.document(found).status is Status.FAILED


def test_a_file_that_was_removed_meanwhile_leaves_no_failed_document() -> None:
    """Its removal was told of before anybody knew of it, and nobody would tell again."""
    pipeline = Pipeline()
    body = invocation("ObjectCreated:Put", key=f"uploads/{HANDBOOK}/2026/march.md")
    assert pipeline.letter("invocations", body) is None
    assert not list(pipeline.ledger.audit())


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"requestPayload": {"Records": [{}]}}'])
def test_a_letter_of_no_invocation_is_kept_and_consumed(body: str) -> None:
    pipeline = Pipeline()
    assert pipeline.letter("invocations", body) is None
    assert pipeline.objects.get("dead-letters/invocations/m1.json")


def test_why_a_letter_of_no_invocation_was_kept_quotes_nothing_of_it() -> None:
    pipeline = Pipeline()
    context = {"approximateInvokeCount": "secret words"}
    told = {"requestPayload": {"Records": []}, "requestContext": context}
    pipeline.letter("invocations", json.dumps(told))
    kept = pipeline.objects.get("dead-letters/invocations/m1.json")
    assert kept is not None
    assert json.loads(kept)["reason"] == "not the record of a failed invocation: ValueError."


def test_a_removal_of_rows_that_was_given_up_is_kept_in_sight_and_done_later() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.delete()
    (op,) = pipeline.waiting_ops()
    assert isinstance(op, Delete)
    assert pipeline.letter("index_ops", op.model_dump_json()) == "doc"
    assert pipeline.document().status is Status.DELETED
    (failure,) = failures(pipeline)
    assert "removing rows" in failure.reason.message
    pipeline.clock.move(minutes=21)
    pipeline.reconcile()
    pipeline.run()
    assert pipeline.index.count(HANDBOOK) == 0
    assert pipeline.examine().healthy


def test_a_removal_of_replaced_rows_that_was_given_up_does_not_fail_the_new_ones() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    pipeline.drop("The gate opens at ten.", sequencer="2")
    pipeline.embed(pipeline.waiting_parts())
    pipeline.apply(pipeline.waiting_ops())
    (removal,) = pipeline.waiting_ops()
    pipeline.letter("index_ops", removal.model_dump_json())
    assert pipeline.document().status is Status.INDEXED
    assert not pipeline.examine().healthy
    pipeline.repair()
    pipeline.run()
    assert pipeline.examine().healthy


def test_a_letter_about_nobody_we_know_is_kept_and_consumed() -> None:
    pipeline = Pipeline()
    part = waiting(pipeline).model_copy(update={"document_id": "nobody"})
    pipeline.letter("chunks", part.model_dump_json())
    assert pipeline.ledger.get("default", "nobody") is None
    assert not pipeline.ledger.failures("default", "nobody")
    assert pipeline.objects.get("dead-letters/chunks/m1.json")


def test_a_letter_that_names_no_document_is_kept_and_consumed() -> None:
    pipeline = Pipeline()
    assert pipeline.letter("index_ops", '{"schema_version": 99}', "m2") is None
    kept = pipeline.objects.get("dead-letters/index_ops/m2.json")
    assert kept is not None
    assert b"schema_version" in kept


def test_a_letter_is_kept_as_it_came_and_says_where_it_died() -> None:
    pipeline = Pipeline()
    body = waiting(pipeline).model_dump_json()
    pipeline.letter("chunks", body)
    kept = pipeline.objects.get("dead-letters/chunks/m1.json")
    assert kept is not None
    assert json.loads(kept) == {"source": "chunks", "reason": "retries_exhausted", "body": body}


def test_a_message_of_a_newer_version_fails_its_document_until_it_is_understood() -> None:
    pipeline = Pipeline()
    first = waiting(pipeline)
    newer = json.dumps(first.model_dump() | {"schema_version": 99})
    assert pipeline.letter("chunks", newer, "m3") == "doc"
    assert pipeline.document().status is Status.FAILED
    assert code(pipeline) == "newer_message"
    assert pipeline.objects.get("dead-letters/chunks/m3.json")
    pipeline.embed([first])  # understood again, after another deploy
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


def test_a_document_that_a_newer_message_failed_is_mended_by_a_retry() -> None:
    pipeline = Pipeline()
    first = waiting(pipeline)
    pipeline.letter("chunks", json.dumps(first.model_dump() | {"schema_version": 99}))
    pipeline.retry()
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED
    assert pipeline.examine().healthy


@pytest.mark.parametrize("source", ["pages", "chunks", "index_ops"])
def test_a_newer_message_about_what_has_ended_is_only_kept(source: str) -> None:
    pipeline = Pipeline()
    pipeline.drop("A few words.")
    pipeline.run()
    before = pipeline.document()
    ids = {"tenant": "default", "document_id": "doc", "generation": 1, "schema_version": 99}
    assert pipeline.letter(source, json.dumps(ids)) is None
    assert pipeline.document() == before
    assert pipeline.objects.get(f"dead-letters/{source}/m1.json")


@pytest.mark.parametrize(
    "body", ["", "[]", "7", '{"tenant": 1}', '{"tenant": "default", "document_id": "doc"}']
)
def test_a_refused_message_that_names_no_document_is_only_kept(body: str) -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    why = MalformedMessage("not understood.")
    found = dead_letters.refuse(
        "pages", "m4", body, why, ledger=pipeline.ledger, objects=pipeline.objects
    )
    assert found is None
    assert pipeline.document().status is Status.PROCESSING


def test_a_message_of_the_version_before_this_one_is_understood() -> None:
    pipeline = Pipeline()
    first = waiting(pipeline)
    old = {
        name: value for name, value in first.model_dump().items() if name not in {"nonce", "pauses"}
    } | {"schema_version": 1}
    assert pipeline.letter("chunks", json.dumps(old)) == "doc"
    assert code(pipeline) == "retries_exhausted"
