"""The handlers on the events that AWS sends (events/), with AWS in this process (moto)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_plus

import pytest

from ragline import batches, telemetry, wiring
from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.adapters.dynamodb.usage import DynamoUsageBook
from ragline.adapters.memory.index import MemoryIndexes
from ragline.domain.documents import Status
from ragline.domain.errors import OutOfTime, ServiceUnavailable, Throttled
from ragline.domain.ledger import NewDocument
from ragline.domain.lifecycle import WORK_LEASE
from ragline.domain.messages import Optimize, Uploaded, read_index_op, read_page_work, read_part
from ragline.domain.times import utc_now
from ragline.domain.usage import month_of
from ragline.embedding.hashing import HashEmbedder
from ragline.meter import meter
from ragline.metrics import VERDICTS
from ragline.reading.parent import ChildReader
from ragline.settings import settings
from ragline.usecases.reconcile import Verdict
from ragline.usecases.tidy import MANY_FILES
from tests.contract.aws import REGION, client, in_process_aws, make_queue, make_table
from tests.unit.pipeline import HANDBOOK, WordTokenizer

EVENTS = Path(__file__).parents[2] / "events"
CONTEXT = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:function",
    aws_request_id="8476a536",
    get_remaining_time_in_millis=lambda: 300_000,
)
DOCUMENT = "01JEXAMPLEDOCUMENT000000001"
KEY = f"uploads/default/handbook/{DOCUMENT}/café guide (v2+).md"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The deployed stack, with the index and the model replaced by their fakes."""
    with in_process_aws():
        s3, sqs = client("s3"), client("sqs")
        s3.create_bucket(
            Bucket="documents", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        environment = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "LEDGER_TABLE": make_table(client("dynamodb")),
            "DOCUMENTS_BUCKET": "documents",
            "CHUNKS_QUEUE_URL": make_queue(sqs, "ChunksQueue"),
            "PAGES_QUEUE_URL": make_queue(sqs, "PagesQueue"),
            "INDEX_OPS_QUEUE_URL": make_queue(sqs, "IndexOpsQueue"),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget()
        indexes, embedder = MemoryIndexes(), HashEmbedder()
        monkeypatch.setattr(wiring, "indexes", lambda: indexes)
        monkeypatch.setattr(wiring, "index", lambda: indexes.of(embedder.fingerprint))
        monkeypatch.setattr(wiring, "embedder", lambda: embedder)
        monkeypatch.setattr(wiring, "tokenizer", WordTokenizer)
        yield
    forget()


def forget() -> None:
    settings.cache_clear()
    wiring.files.cache_clear()
    for built in (wiring.client, wiring.ledger, wiring.objects, wiring.queues, wiring.limits):
        built.cache_clear()
    wiring.usage_book.cache_clear()
    meter.cache_clear()
    batches.breaker.cache_clear()


def event(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def handle(function: str, payload: Any, context: Any = CONTEXT) -> Any:
    from importlib import import_module

    handler: Any = import_module(f"functions.{function}.handler")
    return handler.lambda_handler(payload, context)


def take(queue_url: str, like: str) -> Any:
    """What waits on a queue, in the shape of a recorded event."""
    messages = client("sqs").receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, AttributeNames=["All"]
    )["Messages"]
    record = event(like)["Records"][0]
    return {
        "Records": [
            record
            | {"messageId": m["MessageId"], "body": m["Body"], "receiptHandle": m["ReceiptHandle"]}
            | {"attributes": m["Attributes"]}
            for m in messages
        ]
    }


def consume(queue_url: str, payload: Any) -> None:
    """What Lambda does with messages that are not returned; the rest of a group waits for it."""
    for record in payload["Records"]:
        client("sqs").delete_message(QueueUrl=queue_url, ReceiptHandle=record["receiptHandle"])


def upload(text: str = "# Guide\n\nThe café opens at nine.") -> Any:
    """Register and upload a document; the recorded event, as the bucket tells of this very one."""
    new = NewDocument(HANDBOOK, DOCUMENT, "café guide (v2+).md", KEY)
    wiring.ledger().create(new)
    wiring.objects().put(KEY, text.encode())
    head = client("s3").head_object(Bucket="documents", Key=KEY)
    return of_bucket("ObjectCreated:Put", etag=head["ETag"].strip('"'))


def of_bucket(name: str, **changes: str) -> Any:
    told = event("splitter")
    told["Records"][0]["eventName"] = name
    item = told["Records"][0]["s3"]["object"]
    item["eTag"] = changes.get("etag", item["eTag"])
    item["sequencer"] = changes.get("sequencer", item["sequencer"])
    return told


def waiting(queue_url: str) -> list[str]:
    found = client("sqs").receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
    return [one["Body"] for one in found.get("Messages", [])]


def test_the_recorded_events_take_a_file_from_the_bucket_to_the_index(aws: None) -> None:
    handle("splitter", upload())
    assert handle("embedder", take(settings().chunks_queue_url, "embedder")) == {
        "batchItemFailures": []
    }
    assert handle("indexer", take(settings().index_ops_queue_url, "indexer")) == {
        "batchItemFailures": []
    }
    document = wiring.ledger().get("default", DOCUMENT)
    assert document is not None
    assert document.status is Status.INDEXED
    assert document.filename == "café guide (v2+).md"
    assert wiring.index().count(HANDBOOK) == document.progress.indexed == 1


def test_the_recorded_page_range_of_an_unknown_document_is_consumed(aws: None) -> None:
    assert handle("splitter", event("splitter_pages")) == {"batchItemFailures": []}


def test_the_recorded_part_and_operations_of_an_unknown_document_are_consumed(aws: None) -> None:
    assert handle("embedder", event("embedder")) == {"batchItemFailures": []}
    assert handle("indexer", event("indexer")) == {"batchItemFailures": []}


def test_the_recorded_dead_letter_is_kept_in_the_bucket(aws: None) -> None:
    assert handle("dead_letters", event("dead_letters")) == {"batchItemFailures": []}
    (key,) = wiring.objects().list("dead-letters/chunks/")
    assert json.loads(wiring.objects().get(key) or b"")["reason"] == "retries_exhausted"


def test_a_dead_letter_fails_its_chunks_and_the_document_says_so(aws: None) -> None:
    handle("splitter", upload())
    handle("dead_letters", event("dead_letters"))
    document = wiring.ledger().get("default", DOCUMENT)
    assert document is not None
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert document.reason.code == "retries_exhausted"


def test_a_failed_invocation_of_the_splitter_fails_the_document(aws: None) -> None:
    letter = {
        "version": "1.0",
        "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": event("splitter"),
        "responsePayload": {"errorMessage": "out of memory", "errorType": "Runtime.ExitError"},
    }
    upload()
    payload = event("dead_letters")
    payload["Records"][0] |= {
        "body": json.dumps(letter),
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:ragline-dev-DeadInvocations-1A2B",
    }
    assert handle("dead_letters", payload) == {"batchItemFailures": []}
    document = wiring.ledger().get("default", DOCUMENT)
    assert document is not None
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert "out of memory" in document.reason.message


@pytest.mark.parametrize("function", ["embedder", "indexer", "splitter"])
@pytest.mark.parametrize("body", ["", "{", "[]", '{"schema_version": 0}', '{"op": "drop"}'])
def test_a_malformed_message_is_kept_and_consumed_and_holds_up_nobody(
    aws: None, function: str, body: str
) -> None:
    payload = event("splitter_pages" if function == "splitter" else function)
    payload["Records"][0]["body"] = body
    assert handle(function, payload) == {"batchItemFailures": []}
    assert len(list(wiring.objects().list("dead-letters/"))) == 1


def test_an_event_for_an_object_that_is_gone_is_consumed(aws: None) -> None:
    handle("splitter", event("splitter"))
    assert wiring.ledger().get("default", DOCUMENT) is None


@pytest.mark.parametrize(
    "name",
    ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:Delete"],
)
def test_a_removed_object_deletes_its_document(aws: None, name: str) -> None:
    handle("splitter", upload())
    removed = of_bucket(name, sequencer="0055AED6DCD90281E6")
    handle("splitter", removed)
    document = wiring.ledger().get("default", DOCUMENT)
    assert document is not None
    assert document.status is Status.DELETED


def test_a_message_that_could_not_be_worked_on_is_returned_and_comes_back_soon(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle("splitter", upload())
    payload = take(settings().chunks_queue_url, "embedder")

    with monkeypatch.context() as patch:
        patch.setattr(wiring.objects(), "put", raises(ServiceUnavailable("S3 did not answer.")))
        answer = handle("embedder", payload)
    assert answer == {"batchItemFailures": [{"itemIdentifier": payload["Records"][0]["messageId"]}]}
    seen = client("sqs").receive_message(
        QueueUrl=settings().chunks_queue_url, WaitTimeSeconds=3, MaxNumberOfMessages=1
    )
    assert seen["Messages"][0]["Body"] == payload["Records"][0]["body"]


def raises(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [Throttled("too busy."), OutOfTime("3 pictures were read.")])
def test_an_upload_that_has_to_wait_is_put_off_not_left_to_two_retries(
    aws: None, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    created = upload()
    with monkeypatch.context() as patch:
        patch.setattr(wiring.ledger(), "begin", raises(error))
        assert handle("splitter", created) is None
    pages = take(settings().pages_queue_url, "splitter_pages")
    item = created["Records"][0]["s3"]["object"]
    (record,) = pages["Records"]
    again = read_page_work(record["body"])
    assert again == Uploaded(
        trace_id=again.trace_id, key=KEY, sequencer=item["sequencer"], etag=item["eTag"]
    )
    assert handle("splitter", pages) == {"batchItemFailures": []}
    (part,) = waiting(settings().chunks_queue_url)
    assert read_part(part).document_id == DOCUMENT


def test_an_upload_that_meets_any_other_error_is_left_to_the_retries(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = upload()
    monkeypatch.setattr(wiring.ledger(), "begin", raises(ServiceUnavailable("no answer.")))
    with pytest.raises(ServiceUnavailable):
        handle("splitter", created)
    assert not waiting(settings().pages_queue_url)


def test_an_event_of_a_version_that_was_replaced_splits_nothing(aws: None) -> None:
    upload()
    handle("splitter", of_bucket("ObjectCreated:Put", etag="0" * 32))
    assert not waiting(settings().chunks_queue_url)


def test_an_event_without_an_etag_splits_what_is_there(aws: None) -> None:
    upload()
    handle("splitter", of_bucket("ObjectCreated:Put", etag=""))
    assert len(waiting(settings().chunks_queue_url)) == 1


def test_work_on_an_object_that_is_no_upload_is_consumed(aws: None) -> None:
    payload = event("splitter_pages")
    stray = Uploaded(key="uploads/stray.md", sequencer="1")
    payload["Records"][0]["body"] = stray.model_dump_json()
    assert handle("splitter", payload) == {"batchItemFailures": []}


@pytest.mark.parametrize("error", [Throttled("slow down."), OutOfTime("not begun.")])
def test_a_batch_that_meets_load_is_paused_by_each_function_and_goes_through_later(
    aws: None, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The recorded messages, so that each function meets it where it first asks the ledger."""
    queues = {
        "splitter": settings().pages_queue_url,
        "embedder": settings().chunks_queue_url,
        "indexer": settings().index_ops_queue_url,
    }
    monkeypatch.setattr("ragline.pausing.FIRST_SECONDS", 0)
    for function, queue_url in queues.items():
        batches.breaker.cache_clear()
        name = "splitter_pages" if function == "splitter" else function
        payload = event(name)
        with monkeypatch.context() as patch:
            for method in ("get", "get_many"):
                patch.setattr(wiring.ledger(), method, raises(error))
            assert handle(function, payload) == {"batchItemFailures": []}, function
        batches.breaker.cache_clear()
        copies = take(queue_url, name)
        assert len(copies["Records"]) == len(payload["Records"]), function
        assert {json.loads(one["body"])["pauses"] for one in copies["Records"]} == {1}
        assert handle(function, copies) == {"batchItemFailures": []}, function


def test_functions_whose_time_is_nearly_over_put_their_batch_back(aws: None) -> None:
    handle("splitter", upload())
    parts = take(settings().chunks_queue_url, "embedder")
    late = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 9_000})
    assert handle("embedder", parts, late) == {"batchItemFailures": []}
    again = take(settings().chunks_queue_url, "embedder")
    assert [json.loads(one["body"])["pauses"] for one in again["Records"]] == [1]
    assert handle("embedder", again) == {"batchItemFailures": []}
    ops = take(settings().index_ops_queue_url, "indexer")
    assert handle("indexer", ops, late) == {"batchItemFailures": []}
    assert wiring.index().count(HANDBOOK) == 0
    consume(settings().index_ops_queue_url, ops)
    ops_again = take(settings().index_ops_queue_url, "indexer")
    assert handle("indexer", ops_again) == {"batchItemFailures": []}
    assert wiring.index().count(HANDBOOK) == 1


def test_the_schedule_finds_nothing_to_do_where_all_is_well(
    aws: None, capsys: pytest.CaptureFixture[str]
) -> None:
    handle("splitter", upload())
    capsys.readouterr()
    assert handle("maintenance", event("maintenance")) == dict.fromkeys(Verdict, 0)
    assert not waiting(settings().pages_queue_url)
    assert not verdicts(capsys)  # a 0 would cost as much as any other number


def test_the_schedule_sets_a_document_going_again_whose_message_was_lost(
    aws: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "ledger", ledger_of_the_past)
        handle("splitter", upload())
    consume(settings().chunks_queue_url, take(settings().chunks_queue_url, "embedder"))
    capsys.readouterr()

    found = handle("maintenance", event("maintenance"))
    assert found == dict.fromkeys(Verdict, 0) | {Verdict.REPAIRED: 1}
    assert verdicts(capsys) == {"DocumentsRepaired": 1}
    handle("embedder", take(settings().chunks_queue_url, "embedder"))
    handle("indexer", take(settings().index_ops_queue_url, "indexer"))
    document = wiring.ledger().get("default", DOCUMENT)
    assert document is not None
    assert document.status is Status.INDEXED


def test_the_schedule_leaves_a_document_alone_that_it_has_just_set_going(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(wiring, "ledger", ledger_of_the_past)
        handle("splitter", upload())
    consume(settings().chunks_queue_url, take(settings().chunks_queue_url, "embedder"))
    assert handle("maintenance", event("maintenance"))[Verdict.REPAIRED] == 1
    assert handle("maintenance", event("maintenance")) == dict.fromkeys(Verdict, 0)
    assert len(waiting(settings().chunks_queue_url)) == 1


def test_the_schedule_tidies_the_index_as_long_as_there_is_time(
    aws: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(MANY_FILES):
        key = f"index/default.handbook.mini-1.lance/data/{number}.lance"
        wiring.objects().put(key, b"rows")
    late = SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 9_000})
    handle("maintenance", event("maintenance"), late)
    assert not waiting(settings().index_ops_queue_url)
    handle("maintenance", event("maintenance"))
    [order] = waiting(settings().index_ops_queue_url)
    assert read_index_op(order) == Optimize(tenant="default", collection="handbook")


def test_the_schedule_tidies_nothing_where_the_index_is_not_in_the_bucket(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MANY_FILES):
        wiring.objects().put(f"index/default.handbook.mini-1.lance/data/{number}.lance", b"rows")
    monkeypatch.setenv("INDEX_STORE", "pinecone")
    settings.cache_clear()
    handle("maintenance", event("maintenance"))
    assert not waiting(settings().index_ops_queue_url)


def verdicts(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """Those metrics of the last invocation, as CloudWatch reads them from its output."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[:1] == "{"]
    told = {name: value for line in lines if "_aws" in line for name, value in line.items()}
    return {one.name: sum(told[one.name]) for one in VERDICTS.values() if one.name in told}


def ledger_of_the_past() -> DynamoLedger:
    """For what is to be overdue: its leases are over, and nothing has moved since."""
    return DynamoLedger(
        settings().ledger_table,
        client=wiring.client("dynamodb"),
        now=lambda: utc_now() - 2 * WORK_LEASE,
    )


def test_what_a_handler_logs_never_holds_the_text_of_a_document(
    aws: None, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = io.StringIO()
    handler: Any = telemetry.logger.registered_handler
    written_to = handler.setStream(lines)
    handle("splitter", upload("# Secret\n\nThe vault opens at midnight."))
    handle("embedder", take(settings().chunks_queue_url, "embedder"))
    handle("indexer", take(settings().index_ops_queue_url, "indexer"))
    handler.setStream(written_to)
    captured = capsys.readouterr()
    said = lines.getvalue() + captured.out + captured.err
    assert DOCUMENT in said
    assert "vault" not in said


def test_what_a_document_used_is_in_its_tenants_book(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_WRITE_MILLISECONDS", "0")
    forget()
    handle("splitter", upload(), named("splitter"))
    handle("embedder", take(settings().chunks_queue_url, "embedder"), named("embedder"))
    handle("indexer", take(settings().index_ops_queue_url, "indexer"), named("indexer"))
    used = {one.function: one for one in wiring.usage_book().of("default", month_of(utc_now()))}
    assert set(used) == {"splitter", "embedder", "indexer"}
    assert all(one["invocations"] == 1 and one["milliseconds"] > 0 for one in used.values())
    assert used["embedder"]["chunks"] == 1
    # the part, and the vectors
    assert (used["embedder"]["s3_reads"], used["embedder"]["s3_writes"]) == (1, 1)
    assert used["embedder"]["sqs_requests"] == 2 + 1  # its message brought, and one sent
    assert used["splitter"]["dynamodb_write_units"] > 0
    assert used["indexer"]["sqs_fifo_requests"] == 2


def test_chunks_that_are_put_back_are_counted_when_they_are_embedded(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_WRITE_MILLISECONDS", "0")
    forget()
    handle("splitter", upload())
    event = take(settings().chunks_queue_url, "embedder")
    late = named("embedder")
    late.get_remaining_time_in_millis = lambda: 0
    for context in (late, named("embedder")):
        handle("embedder", event, context)
    book = wiring.usage_book().of("default", month_of(utc_now()))
    [used] = [one for one in book if one.function == "embedder"]
    assert (used["invocations"], used["chunks"]) == (2, 1)


def test_nothing_is_counted_where_the_setting_says_so(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEASURE_USAGE", "false")
    forget()
    handle("splitter", upload(), named("splitter"))
    assert wiring.usage_book().of("default", month_of(utc_now())) == []


def test_use_that_cannot_be_kept_fails_nothing(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ServiceUnavailable("no table")

    monkeypatch.setattr(DynamoUsageBook, "add", broken)
    handle("splitter", upload(), named("splitter"))
    document = wiring.ledger().get("default", DOCUMENT)
    assert document is not None
    assert document.status is Status.PROCESSING


def named(function: str) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(CONTEXT), "function_name": f"ragline-dev-{function}"})


@pytest.fixture
def rigged(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parsers that do what a file tells them to."""
    reader = ChildReader(256, module="tests.unit.reading.rigged")
    monkeypatch.setattr(wiring, "reader", lambda: reader)
    yield
    reader.close()


@pytest.mark.parametrize("by", ["bucket", "queue"])
def test_a_file_that_kills_the_parser_takes_no_other_with_it(rigged: None, by: str) -> None:
    killer = upload("FLAT RIG: segfault")
    sound = deepcopy(killer)
    item = sound["Records"][0]["s3"]["object"]
    item["key"] = item["key"].replace(DOCUMENT, "sound")
    key = KEY.replace(DOCUMENT, "sound")
    wiring.ledger().create(NewDocument(HANDBOOK, "sound", "café guide (v2+).md", key))
    wiring.objects().put(key, b"FLAT and sound")
    item["eTag"] = client("s3").head_object(Bucket="documents", Key=key)["ETag"].strip('"')
    for one in (killer, sound):
        if by == "bucket":
            assert handle("splitter", one) is None
            continue
        told = one["Records"][0]["s3"]["object"]
        named = unquote_plus(told["key"])
        work = Uploaded(key=named, sequencer=told["sequencer"], etag=told["eTag"])
        wiring.queues().send_pages([work])
        batch = take(settings().pages_queue_url, "splitter_pages")
        assert handle("splitter", batch) == {"batchItemFailures": []}  # at the first receive
        consume(settings().pages_queue_url, batch)
    failed, indexed = (wiring.ledger().get("default", one) for one in (DOCUMENT, "sound"))
    assert failed is not None
    assert failed.status is Status.FAILED
    assert failed.reason is not None
    assert (failed.reason.code, failed.reason.stage) == ("corrupt", "split")
    assert indexed is not None
    assert indexed.progress.chunks_total == 1
    assert waiting(settings().pages_queue_url) == []
