"""What keeps webhooks, connections and tickets: the fake and the real ones keep one promise."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb.connections import DynamoConnections, DynamoTickets
from ragline.adapters.dynamodb.webhooks import DynamoWebhooks
from ragline.adapters.memory.push import (
    MemoryConnections,
    MemorySecrets,
    MemoryTickets,
    MemoryWebhooks,
)
from ragline.adapters.push.event_bus import EventBridge, SqsDeliveries
from ragline.adapters.push.sockets import ApiGatewaySockets, management_url
from ragline.adapters.push.webhook_secrets import SsmSecrets
from ragline.domain.access import Principal, Role
from ragline.domain.changes import Change
from ragline.domain.connections import CONNECTION_SECONDS, TICKET_SECONDS, Connection, Topic
from ragline.domain.documents import Document, Partition, Status
from ragline.domain.errors import ServiceUnavailable, SetupError, Throttled
from ragline.domain.webhooks import Delivery, SigningSecrets, Undelivered, Webhook
from ragline.local.template import load
from ragline.ports import Connections, Ledger, Tickets, Webhooks, WebhookSecrets
from tests.contract import aws
from tests.contract.ledgers import new

TIME = "2026-01-31T12:00:00.000Z"
LEAF = Path(__file__).parents[2] / "infra/push.yaml"
HOOK = Webhook("acme", "wh_1", "https://example.com/", TIME)
AT_ONCE = Backoff(tries=3, sleep=lambda _: None)
_names = itertools.count()


@dataclass
class Clock:
    moment: datetime = field(default=datetime(2026, 1, 1, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.moment

    def skip(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def cloud() -> Iterator[None]:
    with aws.in_process_aws():
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


def connections_table(dynamodb: Any) -> str:
    properties = load(LEAF)["Resources"]["ConnectionsTable"]["Properties"]
    name = f"connections-{next(_names)}"
    keys = ("AttributeDefinitions", "KeySchema", "BillingMode")
    dynamodb.create_table(TableName=name, **{key: properties[key] for key in keys})
    return name


@pytest.fixture(params=["memory", "dynamodb"])
def webhooks(request: pytest.FixtureRequest) -> Webhooks:
    if request.param == "memory":
        return MemoryWebhooks()
    dynamodb = aws.client("dynamodb")
    return DynamoWebhooks(aws.make_table(dynamodb), client=dynamodb)


@pytest.fixture(params=["memory", "ssm"])
def secrets(request: pytest.FixtureRequest) -> WebhookSecrets:
    if request.param == "memory":
        return MemorySecrets()
    return SsmSecrets("/ragline-test/webhooks", client=aws.client("ssm"), kept_seconds=0)


@pytest.fixture(params=["memory", "dynamodb"])
def connections(request: pytest.FixtureRequest, clock: Clock) -> Connections:
    if request.param == "memory":
        return MemoryConnections(clock)
    dynamodb = aws.client("dynamodb")
    return DynamoConnections(connections_table(dynamodb), client=dynamodb, now=clock)


@pytest.fixture(params=["memory", "dynamodb"])
def tickets(request: pytest.FixtureRequest, clock: Clock) -> Tickets:
    if request.param == "memory":
        return MemoryTickets(clock)
    dynamodb = aws.client("dynamodb")
    return DynamoTickets(aws.make_table(dynamodb), client=dynamodb, now=clock)


# ── Webhooks ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("collections", [None, frozenset(), frozenset({"a", "b"})])
def test_a_webhook_comes_back_as_it_was_put(
    webhooks: Webhooks, collections: frozenset[str] | None
) -> None:
    hook = Webhook(
        "acme", "wh_1", "https://example.com/", TIME, collections, frozenset({Status.FAILED})
    )
    webhooks.put(hook)
    assert webhooks.get("acme", "wh_1") == hook
    assert webhooks.of("acme") == [hook]
    assert webhooks.get("rival", "wh_1") is None
    assert webhooks.of("rival") == []


def test_webhooks_are_listed_oldest_first_and_what_is_removed_is_gone(webhooks: Webhooks) -> None:
    for n in (3, 1, 2):
        webhooks.put(Webhook("acme", f"wh_{9 - n}", "https://x.example/", f"2026-01-0{n}"))
    assert [one.created_at[-1] for one in webhooks.of("acme")] == ["1", "2", "3"]
    webhooks.remove("acme", "wh_8")
    webhooks.remove("acme", "wh_8")
    assert [one.webhook_id for one in webhooks.of("acme")] == ["wh_7", "wh_6"]


def test_a_disabled_webhook_says_why_and_one_that_is_gone_stays_gone(webhooks: Webhooks) -> None:
    webhooks.put(HOOK)
    webhooks.disable("acme", "wh_1", "it answered 410")
    webhooks.disable("acme", "wh_2", "it answered 410")
    (found,) = webhooks.of("acme")
    assert found.disabled == "it answered 410"


def letter(event: str, time: str, webhook_id: str = "wh_1") -> Undelivered:
    delivery = Delivery(
        tenant="acme", webhook_id=webhook_id, event_id=event, event_time=time, body='{"ü": 1}'
    )
    return Undelivered(delivery, "it answered 500", 9, TIME)


def test_what_was_not_delivered_is_kept_once_an_event_newest_first(webhooks: Webhooks) -> None:
    old, new = letter("evt_2", "2026-01-01"), letter("evt_1", "2026-01-02")
    for one in (old, new, old, letter("evt_3", "2026-01-01", "wh_11")):
        webhooks.keep(one)
    assert webhooks.undelivered("acme", "wh_1") == [new, old]
    assert webhooks.undelivered("acme", "wh_1", limit=1) == [new]
    webhooks.delivered(new.delivery)
    webhooks.delivered(new.delivery)
    assert webhooks.undelivered("acme", "wh_1") == [old]
    assert webhooks.of("acme") == []


def test_the_webhook_that_a_document_names_stays_with_it(
    make_ledger: Callable[[], Ledger],
) -> None:
    ledger = make_ledger()
    named = new("d1", webhook="wh_1")
    assert ledger.create(named).webhook == "wh_1"
    begun = ledger.begin(replace(named, webhook=""), "1", "parser-1")
    assert begun
    assert begun.webhook == "wh_1"
    found = ledger.get("acme", "d1")
    assert found
    assert found.webhook == "wh_1"


# ── Secrets ───────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_comes_back_as_it_was_put_last(secrets: WebhookSecrets) -> None:
    for kept in (SigningSecrets("one"), SigningSecrets("two", "one", TIME)):
        secrets.put("acme", "wh_1", kept)
        assert secrets.get("acme", "wh_1") == kept
    secrets.remove("acme", "wh_1")
    secrets.remove("acme", "wh_1")
    with pytest.raises(SetupError):
        secrets.get("acme", "wh_1")


def test_a_secret_is_encrypted_where_it_is_kept() -> None:
    ssm = aws.client("ssm")
    SsmSecrets("/stack/webhooks", client=ssm).put("acme", "wh_1", SigningSecrets("one"))
    (kept,) = ssm.describe_parameters()["Parameters"]
    assert (kept["Name"], kept["Type"]) == ("/stack/webhooks/acme/wh_1", "SecureString")


def test_a_secret_is_read_once_in_a_while() -> None:
    ssm = aws.client("ssm")
    secrets = SsmSecrets("/stack/webhooks", client=ssm)
    secrets.put("acme", "wh_1", SigningSecrets("one"))
    assert secrets.get("acme", "wh_1").current == "one"
    ssm.delete_parameter(Name="/stack/webhooks/acme/wh_1")
    assert secrets.get("acme", "wh_1").current == "one"


def test_a_parameter_that_holds_no_secret_says_so() -> None:
    ssm = aws.client("ssm")
    ssm.put_parameter(Name="/s/acme/wh_1", Value="{}", Type="SecureString")
    with pytest.raises(SetupError, match="no signing secret"):
        SsmSecrets("/s", client=ssm).get("acme", "wh_1")


# ── Connections ───────────────────────────────────────────────────────────────────────────────────

PAPERS, GUIDE = Topic("collection", "papers"), Topic("document", "guide")


def opened(connections: Connections, connection_id: str, *topics: Topic) -> Connection:
    connection = Connection(connection_id, "acme")
    connections.open(connection)
    for topic in topics:
        connections.follow(connection, topic)
    found = connections.find(connection_id)
    assert found == Connection(connection_id, "acme", frozenset(topics))
    return found


def test_the_audience_is_who_follows_a_topic_of_the_tenant(connections: Connections) -> None:
    first = opened(connections, "c1=", PAPERS, GUIDE)
    opened(connections, "c2=", PAPERS)
    assert connections.audience("acme") == {PAPERS: {"c1=", "c2="}, GUIDE: {"c1="}}
    assert connections.audience("rival") == {}
    connections.unfollow(first, PAPERS)
    connections.unfollow(first, PAPERS)
    assert connections.audience("acme") == {PAPERS: {"c2="}, GUIDE: {"c1="}}
    found = connections.find("c1=")
    assert found
    assert found.topics == {GUIDE}


def test_a_connection_that_is_closed_follows_nothing(connections: Connections) -> None:
    opened(connections, "c1", PAPERS, GUIDE)
    connections.close("c1")
    connections.close("c1")
    connections.close("c2")
    assert connections.audience("acme") == {}
    assert connections.find("c1") is None


def test_who_follows_once_its_connection_is_closed_leaves_nothing(
    connections: Connections,
) -> None:
    connection = opened(connections, "c1")
    connections.close("c1")
    connections.follow(connection, PAPERS)
    assert connections.audience("acme") == {}


def test_a_connection_that_ended_in_silence_is_over_by_itself(
    connections: Connections, clock: Clock
) -> None:
    opened(connections, "c1", PAPERS)
    clock.skip(CONNECTION_SECONDS)
    assert connections.audience("acme") == {}
    assert connections.find("c1") is None


def test_progress_of_a_document_may_be_told_once_a_second(
    connections: Connections, clock: Clock
) -> None:
    def document(name: str, tenant: str = "acme") -> Document:
        return Document(Partition(tenant, "papers"), name, "x", Status.PROCESSING, TIME, TIME)

    assert connections.may_tell(document("d1"))
    assert not connections.may_tell(document("d1"))
    assert connections.may_tell(document("d2"))
    assert connections.may_tell(document("d1", "rival"))
    clock.skip(0.9)
    assert not connections.may_tell(document("d1"))
    clock.skip(0.1)
    assert connections.may_tell(document("d1"))


# ── Tickets ───────────────────────────────────────────────────────────────────────────────────────


def test_a_ticket_is_taken_once_and_in_time(tickets: Tickets, clock: Clock) -> None:
    caller = Principal("acme", Role.WRITER, "key:1")
    tickets.put("digest", caller)
    assert tickets.take("digest") == caller
    assert tickets.take("digest") is None
    tickets.put("digest", caller)
    clock.skip(TICKET_SECONDS)
    assert tickets.take("digest") is None
    assert tickets.take("another") is None


# ── The bus, the queue, the sockets ───────────────────────────────────────────────────────────────


def changes(count: int) -> list[Change]:
    home = Partition("acme", "papers")
    return [
        Change(Document(home, f"d{n}", "x", Status.INDEXED, TIME, TIME, generation=1), True)
        for n in range(count)
    ]


class Bus:
    """Takes events but those whose turn it is to fail."""

    def __init__(self, *failing: Sequence[int], code: str = "InternalFailure") -> None:
        self.requests: list[list[Any]] = []
        self.failing = [list(one) for one in failing]
        self.code = code

    def put_events(self, Entries: list[Any]) -> Any:  # noqa: N803
        self.requests.append(Entries)
        failed = self.failing.pop(0) if self.failing else []
        entries = [
            {"ErrorCode": self.code} if n in failed else {"EventId": str(n)}
            for n in range(len(Entries))
        ]
        return {"FailedEntryCount": len(failed), "Entries": entries}


def named(request: list[Any]) -> list[str]:
    return [entry["Detail"] for entry in request]


def put(bus: Any, found: Sequence[Change], text: Callable[[Change], str] | None = None) -> None:
    detail = text or (lambda change: change.document.document_id)
    EventBridge("default", client=bus, backoff=AT_ONCE).put(found, detail)


def test_events_go_ten_at_a_time_and_those_that_failed_are_put_again() -> None:
    bus = Bus([1, 3])
    put(bus, changes(12))
    assert [len(one) for one in bus.requests] == [10, 2, 2]
    assert named(bus.requests[1]) == ["d1", "d3"]
    assert bus.requests[0][0]["DetailType"] == "Document Indexed"
    assert bus.requests[0][0]["Source"] == "ragline"


def test_big_events_go_alone() -> None:
    bus = Bus()
    put(bus, changes(3), lambda change: "ü" * 100_000)
    assert [len(one) for one in bus.requests] == [1, 1, 1]


def test_events_that_fail_again_and_again_raise() -> None:
    with pytest.raises(ServiceUnavailable, match="1 events"):
        put(Bus([0], [0], [0]), changes(2))


def test_events_that_the_bus_will_never_take_raise_at_once() -> None:
    bus = Bus([0], code="NotAuthorizedForDetailTypeException")
    with pytest.raises(SetupError):
        put(bus, changes(2))
    assert len(bus.requests) == 1


def test_the_real_bus_takes_what_we_put() -> None:
    put(aws.client("events"), changes(1), lambda change: json.dumps({"a": 1}))


def test_deliveries_reach_the_queue_whole() -> None:
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="deliveries")["QueueUrl"]
    sent = [letter(f"evt_{n}", TIME).delivery for n in range(12)]
    SqsDeliveries(url, client=sqs).send(sent)
    got = set()
    for _ in range(4):
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        got |= {Delivery.model_validate_json(one["Body"]) for one in answer.get("Messages", [])}
    assert got == set(sent)


class Gateway:
    def __init__(self, code: str = "", status: int = 0) -> None:
        self.code = code
        self.status = status
        self.calls: list[tuple[str, Any]] = []

    def _do(self, name: str, asked: Any) -> None:
        self.calls.append((name, asked))
        if self.code:
            said: Any = {
                "Error": {"Code": self.code},
                "ResponseMetadata": {"HTTPStatusCode": self.status},
            }
            raise ClientError(said, name)

    def post_to_connection(self, **asked: Any) -> None:
        self._do("PostToConnection", asked)

    def delete_connection(self, **asked: Any) -> None:
        self._do("DeleteConnection", asked)


def test_a_message_is_sent_and_one_to_a_connection_that_is_gone_says_so() -> None:
    gateway: Any = Gateway()
    assert ApiGatewaySockets(gateway).send("c1", "ü")
    assert gateway.calls == [("PostToConnection", {"ConnectionId": "c1", "Data": "ü".encode()})]
    gone: Any = Gateway("GoneException")
    assert not ApiGatewaySockets(gone).send("c1", "x")
    ApiGatewaySockets(gone).cut("c1")


def test_what_the_gateway_refuses_is_an_error_of_ours() -> None:
    busy: Any = Gateway("LimitExceededException", 429)
    forbidden: Any = Gateway("ForbiddenException", 403)
    for gateway, kind in ((busy, Throttled), (forbidden, SetupError)):
        with pytest.raises(kind):
            ApiGatewaySockets(gateway).send("c1", "x")
        with pytest.raises(kind):
            ApiGatewaySockets(gateway).cut("c1")


def test_connections_are_managed_where_they_are() -> None:
    domain = "abc123.execute-api.eu-central-1.amazonaws.com"
    assert management_url(domain, "live", "") == f"https://{domain}/live"
    local = management_url(domain, "live", "http://127.0.0.1:4566/")
    assert local == "http://127.0.0.1:4566/_aws/execute-api/abc123/live"
