"""Polling, webhook, event bus and WebSocket tell the same of the same documents."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ragline.domain.signatures import verify
from ragline.local import aws
from tests import samples
from tests.deployed import api_address
from tests.e2e.stack import CommandLine, Stack, until
from tests.webhook_receiver import Receiver, receiving

pytestmark = pytest.mark.e2e

GUIDE = b"# Guide\n\nPumps are primed before they run dry.\n"
NEWER = b"# Guide\n\nPumps are primed twice before they run dry.\n"


@contextlib.contextmanager
def bus_listener(stack: Stack) -> Iterator[str]:
    """A queue that a rule of the default bus sends our events to."""
    session, options = aws.session(), aws.config()
    events = session.client("events", endpoint_url=stack.endpoint_url, config=options)
    name = f"listener-{uuid.uuid4().hex[:8]}"
    url = stack.sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["ragline"]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        yield url
    finally:
        events.remove_targets(Rule=name, Ids=["queue"])
        events.delete_rule(Name=name)
        stack.sqs.delete_queue(QueueUrl=url)


def socket(stack: Stack, query: str = "", **headers: str) -> ClientConnection:
    base = stack.endpoint_url.replace("http://", "ws://")
    url = f"{base}/_aws/execute-api/{stack.outputs['SocketsApiId']}/live{query}"
    return connect(url, additional_headers=headers, open_timeout=30, proxy=None)


def heard(connection: ClientConnection) -> list[Any]:
    """All that has come."""
    found = []
    with contextlib.suppress(TimeoutError):
        while True:
            found.append(json.loads(connection.recv(timeout=0.2)))
    return found


def owner_key(stack: Stack) -> str:
    return api_address(stack.endpoint_url, stack.outputs)[1]


def registered(stack: Stack, receiver: Receiver, **fields: Any) -> Any:
    answer = stack.api.post("/api/v2/webhooks", json={"url": receiver.url, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def bus_events(stack: Stack, url: str, collection: str, into: dict[str, Any]) -> None:
    answer = stack.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    for message in answer.get("Messages", []):
        event = json.loads(message["Body"])
        if event["detail"]["document"]["collection"] == collection:
            into[event["detail"]["event_id"]] = event
        stack.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_whoever_listens_hears_what_polling_sees(stack: Stack) -> None:
    name = "told"
    with (
        receiving(500) as receiver,
        bus_listener(stack) as queue,
        socket(stack, f"?collection={name}", **{"x-api-key": owner_key(stack)}) as connection,
    ):
        webhook = registered(stack, receiver, collections=[name])
        ids = {
            "indexed": stack.upload("guide.md", GUIDE, name),
            "failed": stack.upload("broken.pdf", samples.corrupt_pdf(), name),
            "empty": stack.upload("blank.txt", b" \n \n", name),
            "deleted": stack.upload("old.txt", b"To be deleted before long.", name),
            "replaced": stack.upload("plan.md", b"# Plan\n\nThe first version.\n", name),
        }
        first = dict(zip(ids, stack.ended(*ids.values()), strict=True))
        assert stack.api.delete(f"/api/v2/documents/{ids['deleted']}").status_code == 204
        stack.s3.put_object(
            Bucket=stack.bucket, Key=f"uploads/default/{name}/{ids['replaced']}/plan.md", Body=NEWER
        )
        until(
            lambda: stack.document(ids["replaced"])["live_generation"] == 2,
            "the second version",
        )
        polled = {key: stack.document(one) for key, one in ids.items()}
        assert [polled[key]["status"] for key in ids] == [
            "indexed", "failed", "empty", "deleted", "indexed",
        ]  # fmt: skip

        # Every ending: five, one deletion, one replacement.
        by_bus: dict[str, Any] = {}

        def all_told() -> bool:
            bus_events(stack, queue, name, by_bus)
            return len({one.event["event_id"] for one in receiver.taken}) >= 7 <= len(by_bus)

        until(all_told, lambda: f"{len(receiver.taken)} and {len(by_bus)} of 7 events")
        by_hook = {one.event["event_id"]: one.event for one in receiver.taken}
        assert by_hook == {key: event["detail"] for key, event in by_bus.items()}
        for posted in receiver.posted:
            signature = posted.headers["ragline-signature"]
            assert verify(signature, posted.body, webhook["secret"], int(time.time()))
            assert posted.headers["ragline-event-id"] == posted.event["event_id"]
        assert {event["detail-type"] for event in by_bus.values()} == {
            "Document Indexed", "Document Failed", "Document Empty", "Document Deleted",
        }  # fmt: skip

        messages = heard(connection)
        for key, document in polled.items():
            told = sorted(
                (e for e in by_hook.values() if e["document"]["document_id"] == ids[key]),
                key=lambda event: event["time"],
            )
            assert stable(told[-1]["document"]) == stable(document), key
            if key in {"deleted", "replaced"}:
                assert stable(told[0]["document"]) == stable(first[key]), key
            ends = [m for m in messages if m["document_id"] == ids[key] and m["event_id"]]
            assert {m["event_id"] for m in ends} == {event["event_id"] for event in told}, key
            last = max(ends, key=lambda m: (m["generation"], m["updated_at"]))
            assert last["status"] == document["status"]
            assert last["progress"] == document["progress"]


def stable(document: Any) -> Any:
    """Without what clearing away may move after the end."""
    return {key: value for key, value in document.items() if key != "updated_at"}


def test_a_client_follows_one_document_and_is_told_how_it_stands(stack: Stack) -> None:
    document_id = stack.upload("guide.md", GUIDE, "followed")
    stack.indexed(document_id)
    with socket(stack, **{"x-api-key": owner_key(stack)}) as connection:
        connection.send(json.dumps({"action": "subscribe", "document_id": document_id}))
        subscribed = json.loads(connection.recv(timeout=20))
        assert subscribed == {"type": "subscribed", "document_id": document_id}
        now = json.loads(connection.recv(timeout=20))
        assert (now["type"], now["status"]) == ("progress", "indexed")
        assert now["progress"] == stack.document(document_id)["progress"]
        connection.send(json.dumps({"action": "subscribe", "document_id": "no-such-document"}))
        assert json.loads(connection.recv(timeout=20))["code"] == "not_found"


def test_a_ticket_opens_one_connection_and_nothing_else_does(stack: Stack) -> None:
    ticket = stack.api.post("/api/v2/tickets").json()["ticket"]
    with socket(stack, f"?ticket={ticket}") as connection:
        connection.send(json.dumps({"action": "subscribe", "collection": "anything"}))
        assert json.loads(connection.recv(timeout=20))["type"] == "subscribed"
    for query, headers in (
        (f"?ticket={ticket}", {}),
        ("", {}),
        ("", {"x-api-key": "not-a-key"}),
    ):
        with pytest.raises(InvalidStatus):
            socket(stack, query, **headers)


def test_a_webhook_that_is_gone_is_disabled_and_one_that_refuses_is_on_record(
    stack: Stack,
) -> None:
    name = "refused"
    with receiving(410) as gone, receiving(400) as stubborn:
        first = registered(stack, gone, collections=[name])
        second = registered(stack, stubborn, collections=[name])
        stack.indexed(stack.upload("guide.md", GUIDE, name))

        def detail(made: Any) -> Any:
            return stack.api.get(f"/api/v2/webhooks/{made['webhook_id']}").json()

        until(lambda: detail(first)["disabled"], "the webhook to be disabled")
        until(lambda: detail(second)["undelivered"], "the failure to be on record")
        (letter,) = detail(second)["undelivered"]
        assert (letter["why"], letter["attempts"]) == ("it answered 400", 1)
        again = stack.api.post(f"/api/v2/webhooks/{second['webhook_id']}/redrive")
        assert again.json()["events"] == [letter["event_id"]]
        until(lambda: stubborn.taken, "the event to come again")
        until(lambda: not detail(second)["undelivered"], "the record to be cleared")
        assert len(gone.posted) == 1


def test_a_new_secret_signs_beside_the_old_one(stack: Stack) -> None:
    name = "rotated"
    with receiving() as receiver:
        made = registered(stack, receiver, collections=[name])
        webhook_id = made["webhook_id"]
        rotated = stack.api.post(f"/api/v2/webhooks/{webhook_id}/rotate").json()
        assert rotated["secret"] != made["secret"]
        stack.indexed(stack.upload("guide.md", GUIDE, name))
        (posted,) = until(lambda: receiver.taken, "the event")
        for secret in (made["secret"], rotated["secret"]):
            signature = posted.headers["ragline-signature"]
            assert verify(signature, posted.body, secret, int(time.time()))
        assert stack.api.delete(f"/api/v2/webhooks/{webhook_id}").status_code == 204
        assert stack.api.get(f"/api/v2/webhooks/{webhook_id}").status_code == 404


def test_the_command_line_follows_a_document_and_keeps_webhooks(
    stack: Stack, tmp_path: Path
) -> None:
    ragline = CommandLine(tmp_path, stack.endpoint_url)
    document_id = stack.upload("guide.md", GUIDE, "watched")
    told = ragline.run("watch", "--document", document_id, "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout.splitlines()[-1])["status"] == "indexed"
    broken = stack.upload("broken.pdf", samples.corrupt_pdf(), "watched")
    assert ragline.run("watch", "--document", broken).returncode == 1
    with receiving() as receiver:
        made = ragline("webhooks", "add", receiver.url, "-c", "watched")
        listed = ragline("webhooks", "ls")["webhooks"]
        assert made["webhook_id"] in [one["webhook_id"] for one in listed]
        assert ragline("webhooks", "rm", made["webhook_id"])["removed"]


def test_a_document_that_names_a_webhook_is_told_to_it(stack: Stack) -> None:
    with receiving() as receiver:
        made = registered(stack, receiver, collections=[])
        stack.indexed(stack.upload("other.md", GUIDE + b"Other.\n", "named"))
        mine = stack.upload("mine.md", GUIDE + b"Mine.\n", "named", webhook=made["webhook_id"])
        stack.indexed(mine)
        (posted,) = until(lambda: receiver.taken, "the event")
        assert posted.event["document"]["document_id"] == mine


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "http://localhost@x/"]
)
def test_a_webhook_is_not_sent_where_only_we_can_reach(stack: Stack, url: str) -> None:
    answer = stack.api.post("/api/v2/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
