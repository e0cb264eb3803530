"""What failed, tried again: by the API, by the command line, and by the reconciler."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragline.local import aws
from ragline.usecases.reconcile import Verdict
from tests.e2e.stack import NAME, CommandLine, Stack, texts, until
from tests.samples import encrypted_pdf

pytestmark = pytest.mark.e2e

TEXT = b"The ferry leaves at noon."
LONG_AGO = "2020-01-01T00:00:00.000Z"


@pytest.fixture
def collection() -> str:
    """One that no other test has: what a redrive selects is then this test's own."""
    return f"redrive-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def ragline(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("redrive"), stack.endpoint_url)


@pytest.fixture
def embedder_stopped(stack: Stack) -> Iterator[None]:
    with stack.stopped("embedder"):
        yield


def failed(stack: Stack, collection: str, *names: str) -> list[str]:
    """Documents whose only part was given up by the embedder; it must be stopped."""
    ids = []
    for name in names or ("ferry.txt",):
        ids.append(stack.upload(name, TEXT + name.encode(), collection))
        stack.give_up("chunks", ids[-1])
    for document in stack.ended(*ids):
        assert document["status"] == "failed", document
    return ids


def sections(count: int) -> bytes:
    """So many chunks: each fills one with words of its own."""
    cities = (
        f"# Port {n}\n\n{f'The ferry to port{n} leaves at noon. ' * 20}" for n in range(count)
    )
    return "\n\n".join(cities).encode()


def test_a_part_that_died_is_told_of_retried_and_found(stack: Stack, collection: str) -> None:
    with stack.stopped("embedder"):
        (document_id,) = failed(stack, collection)
        told = stack.api.get(f"/api/v2/documents/{document_id}/failures").json()
        (failure,) = told["failures"]
        assert failure["reason"]["stage"] == "embed"
        assert failure["reason"]["code"] == "retries_exhausted"
        assert (failure["attempts"], failure["generation"]) == (5, 1)
        first, last = (datetime.fromisoformat(failure[name]) for name in ("first", "last"))
        assert first <= last and datetime.now(UTC) - first < timedelta(minutes=2)
        assert told["failed_chunks"] == [{"first": 0, "count": 1, "code": "retries_exhausted"}]
        assert stack.query("ferry", collection)["hits"] == []

        answer = stack.retry(document_id)
        assert answer.status_code == 202
        assert answer.json() == {
            "document_id": document_id,
            "status": "processing",
            "chunks": 1,
            "split_again": False,
        }
        again = stack.document(document_id)
        assert (again["status"], again["reason"], again["generation"]) == ("processing", None, 1)
        refused = stack.retry(document_id)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert "still processing" in refused.json()["detail"]
    stack.indexed(document_id)
    assert len(texts(stack.query("ferry", collection))) == 1
    told = stack.api.get(f"/api/v2/documents/{document_id}/failures").json()
    assert (len(told["failures"]), told["failed_chunks"]) == (1, [])


def test_what_is_left_of_a_partial_document_answers_while_the_rest_is_retried(
    stack: Stack, collection: str
) -> None:
    with stack.stopped("embedder"):
        document_id = stack.upload("ports.md", sections(20), collection)
        body = stack.give_up("chunks", document_id)
        until(lambda: stack.document(document_id)["progress"]["failed"], "its part to fail")
    (document,) = stack.ended(document_id)
    count = 16 if '"first":0' in body.replace(" ", "") else 4
    assert (document["status"], document["progress"]["failed"]) == ("partial", count)
    (run,) = stack.api.get(f"/api/v2/documents/{document_id}/failures").json()["failed_chunks"]
    assert (run["count"], run["code"]) == (count, "retries_exhausted")
    lost = f"port{run['first']}"
    assert stack.query(lost, collection, mode="bm25")["hits"] == []

    with stack.stopped("embedder"):
        assert stack.retry(document_id).json()["chunks"] == count
        assert len(stack.query("ferry", collection, top_k=50)["hits"]) == 20 - count
    stack.indexed(document_id)
    assert len(stack.query(lost, collection, mode="bm25")["hits"]) == 1
    assert stack.rows(collection) == stack.document(document_id)["progress"]["chunks_total"] == 20


def test_an_upsert_that_died_is_not_swallowed_when_it_comes_again(
    stack: Stack, collection: str
) -> None:
    """The FIFO queue drops for five minutes a message whose like it has seen."""
    with stack.stopped("indexer"):
        document_id = stack.upload("ferry.txt", TEXT, collection)
        stack.give_up("index_ops", document_id)
        (document,) = stack.ended(document_id)
        assert document["status"] == "failed"
        (failure,) = stack.failures(document_id)
        assert (failure["reason"]["stage"], failure["attempts"]) == ("index", 5)
        assert stack.retry(document_id).status_code == 202
    stack.indexed(document_id)
    assert texts(stack.query("ferry", collection)) == [TEXT.decode()]
    assert stack.rows(collection) == 1


def test_what_did_not_fail_is_not_retried(stack: Stack, collection: str) -> None:
    document_id = stack.upload("ferry.txt", TEXT, collection)
    stack.indexed(document_id)
    before = stack.document(document_id)
    refused = stack.retry(document_id)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    unknown = stack.retry("01JUNKNOWN")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    (skipped,) = stack.redrive(document_id=document_id)
    assert skipped["skipped"]
    assert stack.redrive(collection=collection) == []
    assert stack.document(document_id) == before


def test_what_failed_for_good_is_retried_only_by_force(stack: Stack, collection: str) -> None:
    document_id = stack.upload("locked.pdf", encrypted_pdf(), collection)
    stack.ended(document_id)
    assert stack.retry(document_id).status_code == 409
    forced = stack.retry(document_id, force=True)
    assert (forced.status_code, forced.json()["split_again"]) == (202, True)
    until(lambda: stack.failures(document_id)[0]["attempts"] == 2, "it to fail once more")
    (document,) = stack.ended(document_id)
    assert document["reason"]["code"] == "encrypted"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("documents/nothing/retry", {"code": "No Code!"}, 400),
        ("documents/nothing/retry", {"force": "perhaps"}, 400),
        ("documents/nothing/retry", {"dry_run": True}, 400),
        ("documents/nothing/retry", [], 400),
        ("documents/a%20b/retry", {}, 404),
        ("documents/%2e%2e/retry", {}, 404),
        ("documents/" + "x" * 300 + "/retry", {}, 404),
        ("redrive", None, 400),
        ("redrive", [], 400),
        ("redrive", {"since": "yesterday"}, 400),
        ("redrive", {"since": 5}, 400),
        ("redrive", {"document_id": "../other"}, 400),
        ("redrive", {"document_id": "nothing"}, 404),
        ("redrive", {"collection": "No!"}, 400),
        ("redrive", {"collections": "all"}, 400),
        ("redrive", {"code": "UPPER"}, 400),
        ("redrive", {"limit": 0}, 400),
        ("redrive", {"limit": 51}, 400),
        ("redrive", {"cursor": "made up"}, 400),
    ],
)
def test_a_malformed_request_is_refused_as_a_problem(
    stack: Stack, path: str, body: Any, status: int
) -> None:
    answer = stack.api.post(f"/api/v2/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["status"] == status and answer.json()["detail"]


def test_a_body_that_is_no_json_is_refused(stack: Stack) -> None:
    for path in ("documents/nothing/retry", "redrive"):
        answer = stack.api.post(
            f"/api/v2/{path}", content=b"{", headers={"content-type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), path


def test_a_redrive_tries_again_what_it_selects_and_nothing_in_a_dry_run(
    stack: Stack, collection: str
) -> None:
    with stack.stopped("embedder"):
        ids = failed(stack, collection, "a.txt", "b.txt", "c.txt")
        locked = stack.upload("locked.pdf", encrypted_pdf(), collection)
        stack.ended(locked)

        code = "retries_exhausted"
        dry = stack.redrive(collection=collection, code=code, dry_run=True, limit=2)
        assert {one["document_id"] for one in dry if not one["skipped"]} == set(ids)
        assert {one["status"] for one in dry} == {"failed"}
        assert {one["status"] for one in stack.ended(*ids)} == {"failed"}
        assert stack.redrive(collection=collection, since="2100-01-01T00:00:00Z") == []

        real = stack.redrive(collection=collection, code=code, limit=2)
        started = [one for one in real if not one["skipped"]]
        assert {one["document_id"] for one in started} == set(ids)
        assert {(one["status"], one["chunks"]) for one in started} == {("processing", 1)}
        assert [one["skipped"] is None for one in stack.redrive(collection=collection)] == [False]
    stack.indexed(*ids)
    assert stack.document(locked)["reason"]["code"] == "encrypted"
    assert len(stack.query("ferry", collection)["hits"]) == 3


@pytest.mark.usefixtures("embedder_stopped")
def test_status_says_what_failed(stack: Stack, ragline: CommandLine, collection: str) -> None:
    (document_id,) = failed(stack, collection)
    told = ragline("status", document_id, code=1)
    assert told["failures"][0]["reason"]["code"] == "retries_exhausted"
    assert told["failed_chunks"][0]["count"] == 1
    shown = ragline.screen("status", document_id, code=1)
    assert "failed chunks: 0 (retries_exhausted)" in shown
    assert "embed" in shown and "Retry the document" in shown


def test_the_command_line_redrives_what_failed(
    stack: Stack, ragline: CommandLine, collection: str
) -> None:
    with stack.stopped("embedder"):
        first, second = failed(stack, collection, "a.txt", "b.txt")
        dry = ragline("redrive", "--collection", collection, "--dry-run")
        assert (dry["tried"], dry["skipped"], dry["dry_run"]) == (2, 0, True)
        assert {each["status"] for each in stack.ended(first, second)} == {"failed"}

        one = ragline("redrive", "--document", first)
        assert [each["document_id"] for each in one["documents"]] == [first]
        shown = ragline.screen("redrive", "--code", "retries_exhausted", "--collection", collection)
        assert second in shown and "1 tried again" in shown
    stack.indexed(first, second)
    assert ragline("redrive", "--collection", collection)["documents"] == []
    assert ragline("redrive", "--document", first, code=1)["skipped"] == 1


def test_a_redrive_by_code_alone_reaches_every_collection(
    stack: Stack, ragline: CommandLine, collection: str
) -> None:
    with stack.stopped("embedder"):
        ids = [*failed(stack, collection), *failed(stack, f"{collection}-2")]
        told = ragline("redrive", "--code", "retries_exhausted", "--since", "5m")
    tried = {one["document_id"] for one in told["documents"] if not one["skipped"]}
    assert tried >= set(ids)
    stack.indexed(*ids)


def test_exit_codes_of_a_redrive_tell_mistakes_from_troubles(
    stack: Stack, ragline: CommandLine, collection: str
) -> None:
    assert ragline("redrive", code=2)["error"]["code"] == "invalid_request"
    assert ragline("redrive", "--all", "--collection", collection, code=2)["error"]
    assert ragline("redrive", "--since", "yesterday", code=2)["error"]
    assert ragline("redrive", "--document", "unknown", code=4)["error"]["code"] == "not_found"
    assert ragline("redrive", "--collection", collection)["documents"] == []
    stack.ended(stack.upload("locked.pdf", encrypted_pdf(), collection))
    skipped = ragline("redrive", "--collection", collection, code=1)
    assert (skipped["tried"], skipped["skipped"]) == (0, 1)


def test_maintenance_sets_going_again_what_a_lost_message_left_behind(
    stack: Stack, collection: str
) -> None:
    with stack.stopped("embedder"):
        document_id = stack.upload("ferry.txt", TEXT, collection)
        stack.take("chunks", document_id)
        quiet = stack.invoke("maintenance", {"source": "aws.events"})
        assert set(quiet) == {verdict.value for verdict in Verdict}
        assert stack.document(document_id)["status"] == "processing"
        age(stack, document_id, lease_only=True)
        assert stack.invoke("maintenance", {})["moving"] >= 1
        assert stack.document(document_id)["status"] == "processing"
        age(stack, document_id)
        assert stack.invoke("maintenance", {})["repaired"] >= 1
    stack.indexed(document_id)
    assert texts(stack.query("ferry", collection)) == [TEXT.decode()]


def test_maintenance_ends_an_upload_that_never_came_and_a_late_one_starts_it(
    stack: Stack, collection: str
) -> None:
    registered = stack.register("ferry.txt", TEXT, collection)
    document_id = registered["document_id"]
    age(stack, document_id)
    assert stack.invoke("maintenance", {})["expired"] >= 1
    document = stack.document(document_id)
    assert (document["status"], document["reason"]["code"]) == ("failed", "upload_expired")
    refused = stack.retry(document_id)
    assert refused.status_code == 409 and "upload it again" in refused.json()["detail"]
    target = registered["upload"]
    stack.anyone.put(target["url"], headers=target["headers"], content=TEXT)
    until(lambda: stack.document(document_id)["status"] == "indexed", "the late upload")


def age(stack: Stack, document_id: str, *, lease_only: bool = False) -> None:
    """Let a document's lease be over, and its last change be long ago."""
    names = ["lease_until", "GSI2SK", *([] if lease_only else ["updated_at"])]
    stack.dynamodb.update_item(
        TableName=stack.outputs["LedgerTableName"],
        Key={"PK": {"S": f"TENANT#default#DOC#{document_id}"}, "SK": {"S": "META"}},
        UpdateExpression="SET " + ", ".join(f"{name} = :then" for name in names),
        ConditionExpression="attribute_exists(lease_until)",
        ExpressionAttributeValues={":then": {"S": LONG_AGO}},
    )


def test_maintenance_is_called_every_five_minutes(stack: Stack) -> None:
    events = aws.session().client("events", endpoint_url=stack.endpoint_url, config=aws.config())
    arn = stack.functions.get_function(FunctionName=f"{NAME}-maintenance")["Configuration"][
        "FunctionArn"
    ]
    (name,) = events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    rule = events.describe_rule(Name=name)
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(5 minutes)", "ENABLED")
