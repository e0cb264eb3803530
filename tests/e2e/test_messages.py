"""What arrives at the functions: recorded events, malformed messages, dead letters."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.stack import EVENTS, NAME, ROOT, Stack, texts, until

pytestmark = pytest.mark.e2e

TEXT = b"The ferry leaves at noon."
IDS = {"tenant": "default", "document_id": "unknown", "generation": 1}
NO_JSON = ["not json", "\ufeff{", "[]", "null", "{" * 2_000, " ", "é" * 1_000]
NO_MESSAGE = [
    {},
    {"schema_version": "1", "collection": "poison", **IDS},
    {"collection": "poison", **IDS, "generation": 0},
    {"collection": "poison", **IDS, "generation": "one"},
    {"collection": ["poison"], **IDS},
]


def malformed(**fields: Any) -> list[str]:
    """Bodies that no version of Ragline wrote; the last is wrong in ``fields`` only."""
    wrong = [*NO_MESSAGE, {"collection": "poison", **IDS, **fields}]
    return [*NO_JSON, *map(json.dumps, wrong)]


def send(stack: Stack, queue: str, body: str, group: str = "") -> None:
    fifo = {"MessageGroupId": group, "MessageDeduplicationId": uuid.uuid4().hex} if group else {}
    stack.sqs.send_message(QueueUrl=stack.outputs[queue], MessageBody=body, **fifo)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("queue", "source", "wrong"),
    [
        ("ChunksQueueUrl", "chunks", {"first": -1, "count": 17}),
        ("PagesQueueUrl", "pages", {"number": -1, "first_page": 0, "last_page": 1}),
        ("IndexOpsQueueUrl", "index_ops", {"op": "drop table", "parts": []}),
    ],
)
def test_malformed_messages_are_kept_aside_and_do_not_hold_up_what_is_behind_them(
    stack: Stack, queue: str, source: str, wrong: dict[str, Any]
) -> None:
    collection = f"poison-{source}"
    group = f"default/{collection}" if queue == "IndexOpsQueueUrl" else ""
    before = set(stack.keys(f"dead-letters/{source}/"))
    bodies = malformed(**wrong)
    for body in bodies:
        send(stack, queue, body, group)
    document_id = stack.upload("ferry.txt", TEXT, collection)
    stack.indexed(document_id)
    assert texts(stack.query("ferry", collection)) == [TEXT.decode()]
    until(
        lambda: len(set(stack.keys(f"dead-letters/{source}/")) - before) == len(bodies),
        "each of them to be kept",
    )
    kept = stack.dead_letters(source)
    for body in bodies:
        assert kept[body]["source"] == source
        assert kept[body]["reason"].startswith("message not understood")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant": "no such tenant!"},
        {"collection": "../other"},
        {"collection": ""},
        {"document_id": ""},
        {"document_id": "../../other"},
    ],
)
def test_an_operation_on_an_impossible_name_does_not_hold_up_its_partition(
    stack: Stack, wrong: dict[str, str]
) -> None:
    """Well-formed JSON, names that nothing can have: trying again cannot help."""
    collection = f"impossible-{uuid.uuid4().hex[:8]}"
    poison = json.dumps({"collection": collection, **IDS, "op": "delete", "below": None, **wrong})
    send(stack, "IndexOpsQueueUrl", poison, f"default/{collection}")
    until(lambda: poison in stack.dead_letters("index_ops"), "it to be kept", seconds=20)
    stack.indexed(stack.upload("ferry.txt", TEXT, collection))


def test_messages_about_unknown_documents_are_dropped(stack: Stack) -> None:
    parts = {"collection": "strangers", **IDS, "first": 0, "count": 16}
    upsert = {"collection": "strangers", **IDS, "op": "upsert", "vectors_key": "vectors/none"}
    upsert["parts"] = [{"first": 0, "count": 1}]
    pages = {"number": 0, "first_page": 1, "last_page": 9, "upload_key": "uploads/none"}
    send(stack, "ChunksQueueUrl", json.dumps(parts))
    send(stack, "PagesQueueUrl", json.dumps({"collection": "strangers", **IDS, **pages}))
    send(stack, "IndexOpsQueueUrl", json.dumps(upsert), "default/strangers")
    document_id = stack.upload("ferry.txt", TEXT, "strangers")
    stack.indexed(document_id)
    assert [each["document_id"] for each in stack.documents("strangers")] == [document_id]
    assert stack.rows("strangers") == 1


def mapping_of(stack: Stack, function: str) -> str:
    """The event source mapping by which a function reads its queue."""
    found = stack.functions.list_event_source_mappings(FunctionName=f"{NAME}-{function}")
    (mapping,) = found["EventSourceMappings"]
    return str(mapping["UUID"])


@pytest.fixture
def embedder_stopped(stack: Stack) -> Iterator[None]:
    uuid_ = mapping_of(stack, "embedder")
    stack.functions.update_event_source_mapping(UUID=uuid_, Enabled=False)
    try:
        yield
    finally:
        stack.functions.update_event_source_mapping(UUID=uuid_, Enabled=True)


@pytest.mark.usefixtures("embedder_stopped")
def test_a_dead_letter_ends_its_document_and_says_why(stack: Stack) -> None:
    """The embedder gave up: its message is moved to the dead-letter queue by hand."""
    document_id = stack.upload("ferry.txt", TEXT, "given-up")

    def received() -> list[Any]:
        queue = stack.outputs["ChunksQueueUrl"]
        return list(stack.sqs.receive_message(QueueUrl=queue).get("Messages", []))

    (message,) = until(received, "the part to be announced")
    assert json.loads(message["Body"])["document_id"] == document_id
    stack.sqs.delete_message(
        QueueUrl=stack.outputs["ChunksQueueUrl"], ReceiptHandle=message["ReceiptHandle"]
    )
    assert stack.document(document_id)["status"] == "processing"
    send(stack, "DeadChunksUrl", message["Body"])

    (document,) = stack.ended(document_id)
    assert document["status"] == "failed"
    assert document["progress"]["failed"] == document["progress"]["chunks_total"] == 1
    (failure,) = stack.failures(document_id)
    assert failure["reason"]["code"] == "retries_exhausted"
    assert (failure["reason"]["stage"], failure["generation"]) == ("embed", 1)
    until(lambda: message["Body"] in stack.dead_letters("chunks"), "the letter to be kept")
    assert stack.query("ferry", "given-up")["hits"] == []


def test_a_late_dead_letter_is_on_record_but_does_not_undo_what_is_indexed(stack: Stack) -> None:
    document_id = stack.upload("ferry.txt", TEXT, "late-letter")
    stack.indexed(document_id)
    part = {"tenant": "default", "collection": "late-letter", "document_id": document_id}
    send(stack, "DeadChunksUrl", json.dumps({**part, "generation": 1, "first": 0, "count": 1}))
    (failure,) = until(lambda: stack.failures(document_id), "the failure to be on record")
    assert failure["reason"]["code"] == "retries_exhausted"
    assert stack.document(document_id)["status"] == "indexed"
    assert texts(stack.query("ferry", "late-letter")) == [TEXT.decode()]


@pytest.mark.parametrize(
    ("function", "recorded"),
    [
        ("splitter", "splitter"),
        ("splitter", "splitter_pages"),
        ("embedder", "embedder"),
        ("indexer", "indexer"),
        ("dead-letters", "dead_letters"),
        ("maintenance", "maintenance"),
        ("notifier", "notifier"),
        ("deliverer", "deliverer"),
        ("analyst", "analyst"),
    ],
)
def test_an_event_about_what_is_gone_is_no_error(
    stack: Stack, function: str, recorded: str
) -> None:
    answer = stack.invoke(function, json.loads((EVENTS / f"{recorded}.json").read_text()))
    assert not (answer or {}).get("batchItemFailures")


def test_every_recorded_event_is_tried() -> None:
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}
    assert {path.stem for path in EVENTS.glob("*.json")} == {*functions, "splitter_pages"}


def test_the_authoriser_refuses_the_key_of_its_recorded_event(stack: Stack) -> None:
    event = json.loads((EVENTS / "authorizer.json").read_text())
    answer = stack.functions.invoke(
        FunctionName=f"{NAME}-authorizer", Payload=json.dumps(event).encode()
    )
    assert answer["FunctionError"], "nobody has that key"


def test_a_recorded_connection_is_taken_and_let_go(stack: Stack) -> None:
    event = json.loads((EVENTS / "sockets.json").read_text())
    assert stack.invoke("sockets", event) == {"statusCode": 200}
    event["requestContext"]["routeKey"] = "$disconnect"
    assert stack.invoke("sockets", event) == {"statusCode": 200}


def test_the_api_answers_its_recorded_event(stack: Stack) -> None:
    answer = stack.invoke("api", json.loads((EVENTS / "api.json").read_text()))
    assert answer["statusCode"] == 200, answer
    assert json.loads(answer["body"])["hits"] == []


def test_delivering_events_and_messages_again_changes_nothing(stack: Stack) -> None:
    document_id = stack.upload("ferry.txt", TEXT, "again")
    stack.indexed(document_id)
    before = stack.document(document_id)
    upload = json.loads((EVENTS / "splitter.json").read_text())
    upload["Records"][0]["s3"]["object"] |= {
        "key": f"uploads/default/again/{document_id}/ferry.txt",
        "sequencer": "00",
    }
    part = {"tenant": "default", "collection": "again", "document_id": document_id}
    chunks = json.loads((EVENTS / "embedder.json").read_text())
    chunks["Records"][0]["body"] = json.dumps({**part, "generation": 1, "first": 0, "count": 1})
    for _ in range(3):
        stack.invoke("splitter", upload)
        assert stack.invoke("embedder", chunks) == {"batchItemFailures": []}
    # What comes behind in the same partition tells that the index operations are through.
    stack.indexed(stack.upload("later.txt", b"The next ferry leaves at dusk.", "again"))
    assert stack.document(document_id) == before
    assert stack.rows("again") == 2
    assert texts(stack.query("noon", "again", mode="bm25")) == [TEXT.decode()]
