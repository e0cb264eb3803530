"""Notifier, deliverer and sockets on the events that AWS sends, with AWS in this process."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from functions.authorizer import handler as authorizer
from functions.deliverer import handler as deliverer
from functions.notifier import handler as notifier
from functions.sockets import handler as sockets
from ragline import wiring
from ragline.adapters.memory.push import MemoryBus, MemoryReceivers, MemorySockets
from ragline.domain.access import Principal, Role
from ragline.domain.connections import Topic
from ragline.domain.errors import ServiceUnavailable, Unauthorised
from ragline.domain.webhooks import MAX_ATTEMPTS, SigningSecrets, Webhook, read_delivery
from ragline.ports import Answer
from ragline.settings import settings
from ragline.usecases import tickets
from tests.contract.aws import REGION, client, in_process_aws, make_table
from tests.contract.test_push import connections_table

EVENTS = Path(__file__).parents[2] / "events"
CONTEXT: Any = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:function",
    aws_request_id="8476a536",
    get_remaining_time_in_millis=lambda: 20_000,
)
CONNECTION = "TqE1vcLyIAMCJwQ="
WEBHOOK = "wh_5f2c8a1e9b7d4c3f6a0e"
BUILT = (
    "client", "ledger", "webhooks", "webhook_secrets", "deliveries", "connections", "tickets",
)  # fmt: skip


@dataclass
class Outside:
    """What stands in for the network, and for the bus."""

    bus: MemoryBus = field(default_factory=MemoryBus)
    receivers: MemoryReceivers = field(default_factory=MemoryReceivers)
    sockets: MemorySockets = field(default_factory=MemorySockets)


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    found = Outside()
    with in_process_aws():
        queue = client("sqs").create_queue(QueueName="Deliveries")["QueueUrl"]
        environment = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "LEDGER_TABLE": make_table(client("dynamodb")),
            "CONNECTIONS_TABLE": connections_table(client("dynamodb")),
            "DELIVERIES_QUEUE_URL": queue,
            "WEBHOOK_SECRETS_PREFIX": "/ragline-test/webhooks",
            "MEASURE_USAGE": "false",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        forget()
        monkeypatch.setattr(wiring, "bus", lambda: found.bus)
        monkeypatch.setattr(wiring, "receivers", lambda: found.receivers)
        monkeypatch.setattr(wiring, "sockets", lambda: found.sockets)
        yield found
    forget()


def forget() -> None:
    settings.cache_clear()
    for name in BUILT:
        getattr(wiring, name).cache_clear()


def event(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def registered(**known: Any) -> Webhook:
    hook = Webhook("default", WEBHOOK, "https://example.com/", "2026-01-01", **known)
    wiring.webhooks().put(hook)
    wiring.webhook_secrets().put("default", WEBHOOK, SigningSecrets("whsec_x"))
    return hook


def queued() -> list[Any]:
    answer = client("sqs").receive_message(
        QueueUrl=settings().deliveries_queue_url, MaxNumberOfMessages=10
    )
    return [json.loads(one["Body"]) for one in answer.get("Messages", [])]


# ── Notifier ──────────────────────────────────────────────────────────────────────────────────────


def test_the_recorded_stream_tells_of_one_ending(outside: Outside) -> None:
    registered()
    notifier.lambda_handler(event("notifier"), CONTEXT)
    ((change, detail),) = outside.bus.events
    assert (change.kind, json.loads(detail)["document"]["status"]) == (
        "document.indexed", "indexed",
    )  # fmt: skip
    (delivery,) = queued()
    assert delivery["body"] == detail
    assert delivery == json.loads(event("deliverer")["Records"][0]["body"])


def test_a_poison_record_is_passed_over_and_those_beside_it_are_told(outside: Outside) -> None:
    told = event("notifier")
    poison = copy.deepcopy(told["Records"][1])
    poison["dynamodb"]["NewImage"]["status"] = {"S": "no-status"}
    notifier.lambda_handler({"Records": [poison, *told["Records"]]}, CONTEXT)
    assert len(outside.bus.events) == 1


def test_what_a_service_failed_at_is_raised_so_that_the_stream_brings_it_again(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down(MemoryBus):
        def put(self, *_: object) -> None:
            raise ServiceUnavailable("event bus default: 1 events were not taken.")

    monkeypatch.setattr(wiring, "bus", Down)
    with pytest.raises(ServiceUnavailable):
        notifier.lambda_handler(event("notifier"), CONTEXT)
    assert not queued()


# ── Deliverer ─────────────────────────────────────────────────────────────────────────────────────


def test_the_recorded_delivery_is_posted_and_consumed(outside: Outside) -> None:
    registered()
    told = deliverer.lambda_handler(event("deliverer"), CONTEXT)
    assert told == {"batchItemFailures": []}
    ((_, body, _),) = outside.receivers.posted
    assert json.loads(body)["type"] == "document.indexed"


def test_what_comes_again_is_hidden_for_its_wait_and_kept_by_the_queue(outside: Outside) -> None:
    registered()
    outside.receivers.answers = [Answer(503, retry_after=120)]
    sqs, url = client("sqs"), settings().deliveries_queue_url
    sqs.send_message(QueueUrl=url, MessageBody=event("deliverer")["Records"][0]["body"])
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    asked: list[Any] = []

    def watch(params: Mapping[str, Any], **_: Any) -> None:
        asked.append(params["VisibilityTimeout"])

    wiring.sqs().meta.events.register("provide-client-params.sqs.ChangeMessageVisibility", watch)
    record = event("deliverer")["Records"][0] | {"receiptHandle": message["ReceiptHandle"]}
    told = deliverer.lambda_handler({"Records": [record]}, CONTEXT)
    assert told == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
    assert asked == [120]


def test_the_last_attempt_is_put_on_record_and_consumed(outside: Outside) -> None:
    registered()
    outside.receivers.answers = [Answer(500)]
    told = event("deliverer")
    told["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(MAX_ATTEMPTS)
    assert deliverer.lambda_handler(told, CONTEXT) == {"batchItemFailures": []}
    (letter,) = wiring.webhooks().undelivered("default", WEBHOOK)
    assert letter.why == "it answered 500"


def test_a_dead_letter_is_put_on_record(outside: Outside) -> None:
    registered()
    told = event("deliverer")
    arn = told["Records"][0]["eventSourceARN"]
    told["Records"][0]["eventSourceARN"] = arn.replace("Deliveries", "DeadDeliveries")
    assert deliverer.lambda_handler(told, CONTEXT) == {"batchItemFailures": []}
    assert not outside.receivers.posted
    (letter,) = wiring.webhooks().undelivered("default", WEBHOOK)
    assert letter.delivery == read_delivery(told["Records"][0]["body"])


def test_a_message_that_is_none_is_consumed(outside: Outside) -> None:
    told = event("deliverer")
    told["Records"][0]["body"] = "{}"
    assert deliverer.lambda_handler(told, CONTEXT) == {"batchItemFailures": []}


def test_one_receiver_that_hangs_holds_up_nobody_beside_it(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(MemoryReceivers):
        def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
            if headers["Ragline-Event-Id"] == "slow":
                time.sleep(1)
            return super().post(url, body, headers)

    registered()
    slow = Slow()
    monkeypatch.setattr(wiring, "receivers", lambda: slow)
    told = event("deliverer")
    hanging = copy.deepcopy(told["Records"][0])
    hanging["messageId"] = "hanging"
    hanging["body"] = json.dumps(json.loads(hanging["body"]) | {"event_id": "slow"})
    short: Any = SimpleNamespace(**vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: 10_300})
    answer = deliverer.lambda_handler({"Records": [hanging, *told["Records"]]}, short)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "hanging"}]}
    assert len(slow.posted) == 1
    time.sleep(1)  # its thread ends before what it uses is taken away


def test_no_secret_and_no_text_of_a_document_is_logged(
    outside: Outside, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    registered()
    notifier.lambda_handler(event("notifier"), CONTEXT)
    deliverer.lambda_handler(event("deliverer"), CONTEXT)
    said = capsys.readouterr().out + "".join(str(vars(one)) for one in caplog.records)
    assert WEBHOOK in said
    for secret in ("whsec_x", "v1=", "guide.md", "platform"):
        assert secret not in said


# ── Sockets ───────────────────────────────────────────────────────────────────────────────────────


def asked(route: str, body: Any = None) -> Any:
    told = event("sockets")
    context = told["requestContext"] | {"routeKey": route, "eventType": "MESSAGE"}
    return {"requestContext": context, "body": json.dumps(body), "isBase64Encoded": False}


def test_a_client_connects_follows_and_leaves(outside: Outside) -> None:
    assert sockets.lambda_handler(event("sockets"), CONTEXT) == {"statusCode": 200}
    handbook = Topic("collection", "handbook")
    assert wiring.connections().audience("default") == {handbook: {CONNECTION}}
    body = {"action": "subscribe", "document_id": "unknown"}
    assert sockets.lambda_handler(asked("$default", body), CONTEXT) == {"statusCode": 200}
    (said,) = outside.sockets.sent[CONNECTION]
    assert json.loads(said)["code"] == "not_found"
    notifier.lambda_handler(event("notifier"), CONTEXT)
    assert json.loads(outside.sockets.sent[CONNECTION][-1])["status"] == "indexed"
    sockets.lambda_handler(asked("$disconnect"), CONTEXT)
    assert wiring.connections().audience("default") == {}


def test_without_the_authorisers_word_nobody_connects(outside: Outside) -> None:
    told = event("sockets")
    del told["requestContext"]["authorizer"]
    assert sockets.lambda_handler(told, CONTEXT) == {"statusCode": 401}


def test_a_collection_that_cannot_be_is_refused(outside: Outside) -> None:
    told = event("sockets") | {"queryStringParameters": {"collection": "No Name"}}
    assert sockets.lambda_handler(told, CONTEXT) == {"statusCode": 400}


def test_the_authoriser_takes_a_ticket_once_and_only_for_a_connection(outside: Outside) -> None:
    caller = Principal("acme", Role.READER, "key:1")
    known = wiring.tickets()
    ticket = tickets.issue(caller, tickets=known)
    told = event("sockets")
    told["queryStringParameters"] = {"ticket": ticket}
    assert authorizer.caller(told) == caller
    with pytest.raises(Unauthorised):
        authorizer.caller(told)
    rest = event("authorizer")
    rest["headers"] = {}
    rest["queryStringParameters"] = {"ticket": tickets.issue(caller, tickets=known)}
    with pytest.raises(Unauthorised):
        authorizer.caller(rest)
