"""What becomes of each message of a batch, on queues as the template declares them (moto)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from botocore.exceptions import EndpointConnectionError

from ragline import batches, pausing, wiring
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.breaker import Breaker
from ragline.domain.chunks import Part
from ragline.domain.documents import Partition
from ragline.domain.errors import (
    EmbeddingFailed,
    NewerMessage,
    OutOfTime,
    RaglineError,
    ServiceUnavailable,
    Throttled,
)
from ragline.domain.ledger import Failure, NewDocument
from ragline.domain.messages import (
    MAX_RECEIVES,
    Delete,
    Envelope,
    IndexOp,
    PartReady,
    Span,
    Uploaded,
    Upsert,
    read_index_op,
    read_page_work,
    read_part,
)
from ragline.local.template import load
from ragline.pausing import Failed
from tests.contract import aws

HOME, AWAY = Partition("acme", "papers"), Partition("acme", "letters")
QUEUES = {"pages": "PagesQueue", "chunks": "ChunksQueue", "index_ops": "IndexOpsQueue"}
READERS: dict[str, Callable[[str], Any]] = {
    "pages": read_page_work,
    "chunks": read_part,
    "index_ops": read_index_op,
}
RESOURCES: dict[str, Any] = load(Path(__file__).parents[2] / "template.yaml")["Resources"]
FULL = Throttled("the table is overloaded.")
Errors = Mapping[int, Exception]


class Soon:
    """A client for which delays are over at once: ``delays`` says what was asked for."""

    def __init__(self) -> None:
        self.client = aws.client("sqs")
        self.delays: list[int] = []
        self.fails: Callable[[str], bool] = lambda body: False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def send_message(self, *, MessageBody: str, **how: Any) -> Any:  # noqa: N803
        if self.fails(MessageBody):
            raise EndpointConnectionError(endpoint_url="https://sqs")
        if "DelaySeconds" in how:
            self.delays.append(how.pop("DelaySeconds"))
        return self.client.send_message(MessageBody=MessageBody, **how)


@dataclass
class World:
    """The queues, and what Lambda does with them and a function."""

    sqs: Soon
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    waits: list[float] = field(default_factory=list)
    now: float = 0.0
    seconds_left: float = 100.0
    urls: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.urls = {source: aws.make_queue(self.sqs, name) for source, name in QUEUES.items()}
        self.breaker = Breaker(clock=lambda: self.now)

    def send(self, source: str, *messages: Envelope | str, group: str = "g") -> None:
        for number, one in enumerate(messages):
            body = one if isinstance(one, str) else one.model_dump_json()
            ordered = {"MessageGroupId": group, "MessageDeduplicationId": f"{group}{number}"}
            self.sqs.client.send_message(
                QueueUrl=self.urls[source],
                MessageBody=body,
                **(ordered if source == "index_ops" else {}),
            )

    def receive(self, source: str) -> dict[str, Any]:
        """The event that Lambda makes of what waits."""
        found = self.sqs.receive_message(
            QueueUrl=self.urls[source], MaxNumberOfMessages=10, AttributeNames=["All"]
        )
        return {
            "Records": [
                {
                    "messageId": one["MessageId"],
                    "receiptHandle": one["ReceiptHandle"],
                    "body": one["Body"],
                    "attributes": one["Attributes"],
                }
                for one in found.get("Messages", [])
            ]
        }

    def invoke(
        self, source: str, do: Callable[[Sequence[Any], float], Errors], event: Any = None
    ) -> list[str]:
        """Deliver a batch and consume what is not returned; the bodies that are returned."""
        event = event or self.receive(source)
        answer = batches.work(
            SQSEvent(event),
            self.context,
            source=source,
            queue_url=self.urls[source],
            read=READERS[source],
            do=do,
        )
        kept = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        for one in event["Records"]:
            if one["messageId"] not in kept:
                self.sqs.delete_message(
                    QueueUrl=self.urls[source], ReceiptHandle=one["receiptHandle"]
                )
        return [one["body"] for one in event["Records"] if one["messageId"] in kept]

    @property
    def context(self) -> Any:
        return SimpleNamespace(get_remaining_time_in_millis=lambda: int(self.seconds_left * 1_000))

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with aws.in_process_aws():
        world = World(Soon())
        monkeypatch.setattr(wiring, "sqs", lambda: world.sqs)
        monkeypatch.setattr(wiring, "ledger", lambda: world.ledger)
        monkeypatch.setattr(wiring, "objects", lambda: world.objects)
        monkeypatch.setattr(batches, "breaker", lambda: world.breaker)
        monkeypatch.setattr(time, "sleep", world.sleep)
        monkeypatch.setattr(time, "monotonic", lambda: world.now)
        yield world


def part(first: int = 0, document_id: str = "d1", **also: Any) -> PartReady:
    message = PartReady.of(Part(HOME, document_id, 1, first, 16))
    return message.model_copy(update=also)


def upsert(n: int = 0, partition: Partition = HOME) -> Upsert:
    return Upsert(
        tenant=partition.tenant,
        collection=partition.collection,
        document_id="d1",
        generation=1,
        vectors_key=f"vectors/{n}.npz",
        parts=(Span(first=16 * n, count=16),),
    )


def fails(error: Exception, *positions: int) -> Callable[[Sequence[Any], float], Errors]:
    """Work that does not succeed, for these messages of a batch or for all."""
    return lambda messages, _: dict.fromkeys(positions or range(len(messages)), error)


def works(messages: Sequence[Any], deadline: float) -> Errors:
    return {}


def never(messages: Sequence[Any], deadline: float) -> Errors:
    raise AssertionError("nothing was to be tried.")


def under_way(world: World, document_id: str = "d1") -> None:
    key = f"uploads/{HOME}/{document_id}/a.md"
    assert world.ledger.begin(NewDocument(HOME, document_id, "a.md", key), "1", "f")


def bodies(event: Mapping[str, Any]) -> list[Any]:
    return [json.loads(one["body"]) for one in event["Records"]]


# Paused


def test_a_throttled_message_is_sent_again_and_its_receive_count_starts_over(
    world: World,
) -> None:
    world.send("chunks", part())
    for _ in range(4):
        (record,) = world.receive("chunks")["Records"]
        world.sqs.change_message_visibility(
            QueueUrl=world.urls["chunks"],
            ReceiptHandle=record["receiptHandle"],
            VisibilityTimeout=0,
        )
    last = world.receive("chunks")
    assert last["Records"][0]["attributes"]["ApproximateReceiveCount"] == "5"
    assert world.invoke("chunks", fails(FULL), last) == []
    (copy,) = world.receive("chunks")["Records"]
    assert copy["attributes"]["ApproximateReceiveCount"] == "1"
    assert read_part(copy["body"]) == part(pauses=1, nonce=last["Records"][0]["messageId"])


@pytest.mark.parametrize("source", QUEUES)
def test_a_message_that_is_throttled_for_hours_stays_one_message_and_then_goes_through(
    world: World, source: str
) -> None:
    message: dict[str, Envelope] = {
        "pages": Uploaded(key="uploads/acme/papers/a.md", sequencer="1"),
        "chunks": part(),
        "index_ops": upsert(),
    }
    world.send(source, message[source])
    for pauses in range(20):
        world.breaker.reset()
        event = world.receive(source)
        assert [one["pauses"] for one in bodies(event)] == [pauses]
        assert event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1"
        assert world.invoke(source, fails(FULL), event) == []
    world.breaker.reset()
    assert world.invoke(source, works) == []
    assert not world.receive(source)["Records"]


def test_only_the_throttled_messages_of_a_batch_are_paused(world: World) -> None:
    world.send("chunks", *(part(16 * n) for n in range(3)))
    event = world.receive("chunks")
    paused = bodies(event)[1]["first"]
    assert world.invoke("chunks", fails(FULL, 1), event) == []
    assert [one["first"] for one in bodies(world.receive("chunks"))] == [paused]


def test_a_message_waits_longer_the_more_often_it_was_paused(world: World) -> None:
    for pauses in range(12):
        world.breaker.reset()
        world.send("chunks", part(pauses=pauses))
        event = world.receive("chunks")
        event["Records"] = [r for r in event["Records"] if f'"pauses":{pauses}' in r["body"]]
        world.invoke("chunks", fails(FULL), event)
    assert len(world.sqs.delays) == 12
    for pauses, delay in enumerate(world.sqs.delays):
        most = min(900, 15 * 2**pauses)
        assert most // 2 <= delay <= most


def test_the_pauses_that_a_message_has_last_about_a_day() -> None:
    record: Any = None
    delays = [Failed(record, FULL, part(pauses=n)).delay for n in range(pausing.MAX_PAUSES)]
    assert 18 < sum(delays) / 3_600 < 30


def test_a_message_that_was_paused_too_often_is_a_failure_like_any_other(world: World) -> None:
    tired = part(pauses=pausing.MAX_PAUSES)
    world.send("chunks", tired)
    assert world.invoke("chunks", fails(FULL)) == [tired.model_dump_json()]


def test_a_message_that_no_time_was_left_for_is_there_at_once(world: World) -> None:
    world.send("chunks", part())
    world.send("index_ops", upsert())
    late = fails(OutOfTime("the rest was not tried."))
    assert world.invoke("chunks", late) == world.invoke("index_ops", late) == []
    assert world.sqs.delays == [0]
    assert sum(world.waits) == 0
    assert [one["pauses"] for one in bodies(world.receive("chunks"))] == [1]
    assert [one["pauses"] for one in bodies(world.receive("index_ops"))] == [1]


def test_a_copy_keeps_the_fields_that_this_version_does_not_know(world: World) -> None:
    later = {**json.loads(part().model_dump_json()), "priority": 7}
    world.send("chunks", json.dumps(later))
    world.invoke("chunks", fails(FULL))
    assert [one["priority"] for one in bodies(world.receive("chunks"))] == [7]


@pytest.mark.parametrize("source", ["chunks", "index_ops"])
def test_a_message_whose_copy_could_not_be_sent_is_returned(world: World, source: str) -> None:
    world.send(source, part() if source == "chunks" else upsert())
    world.sqs.fails = lambda body: True
    assert len(world.invoke(source, fails(FULL))) == 1


# Ordered queues


def test_an_identical_fifo_body_is_not_dropped(world: World) -> None:
    world.send("index_ops", upsert())
    for _ in range(3):
        world.breaker.reset()
        assert world.invoke("index_ops", fails(FULL)) == []
    (record,) = world.receive("index_ops")["Records"]
    assert read_index_op(record["body"]).pauses == 3
    assert record["attributes"]["MessageGroupId"] == "g"


def test_an_original_that_is_delivered_again_has_but_one_copy(world: World) -> None:
    """The function was stopped between sending the copy and answering."""
    world.send("index_ops", upsert())
    event = world.receive("index_ops")
    for _ in range(2):
        world.breaker.reset()
        world.invoke("index_ops", fails(FULL), event)
    assert len(world.receive("index_ops")["Records"]) == 1


def test_what_is_paused_of_an_ordered_batch_keeps_its_order(world: World) -> None:
    ops: list[IndexOp] = [upsert(n) for n in range(4)]
    world.send("index_ops", *ops)
    assert world.invoke("index_ops", fails(FULL, 1, 2, 3)) == []
    copies = [read_index_op(one["body"]) for one in world.receive("index_ops")["Records"]]
    assert [one.ordinals[0] for one in copies if isinstance(one, Upsert)] == [16, 32, 48]


def test_an_ordered_message_waits_within_the_invocation_as_long_as_there_is_time(
    world: World,
) -> None:
    world.send("index_ops", upsert().model_copy(update={"pauses": 9}))
    world.seconds_left = 40
    world.invoke("index_ops", fails(FULL))
    assert sum(world.waits) == 40 - pausing.SEND_SECONDS
    assert world.sqs.delays == []  # a FIFO queue refuses them


def test_no_wait_is_begun_when_the_time_is_over(world: World) -> None:
    world.send("index_ops", upsert())
    world.seconds_left = 1
    assert world.invoke("index_ops", fails(FULL)) == []
    assert sum(world.waits) == 0


def test_what_follows_an_ordered_message_that_could_not_be_sent_stays_behind_it(
    world: World,
) -> None:
    away: IndexOp = Delete(
        tenant="acme", collection="letters", document_id="d1", generation=1, below=2
    )
    world.send("index_ops", upsert(0), upsert(1), group="home")
    world.send("index_ops", away, group="away")
    world.sqs.fails = lambda body: "vectors/0" in body
    returned = world.invoke("index_ops", fails(FULL))
    assert returned == [upsert(0).model_dump_json(), upsert(1).model_dump_json()]
    (copy,) = world.receive("index_ops")["Records"]
    assert copy["attributes"]["MessageGroupId"] == "away"


# Refused or returned


def test_a_malformed_message_is_kept_and_consumed_and_its_batch_mates_are_worked_on(
    world: World,
) -> None:
    seen: list[PartReady] = []

    def remembers(messages: Sequence[PartReady], deadline: float) -> Errors:
        seen.extend(messages)
        return {}

    world.send("chunks", "{", part())
    assert world.invoke("chunks", remembers) == []
    assert seen == [part()]
    assert len(list(world.objects.list("dead-letters/chunks/"))) == 1


def test_a_malformed_message_that_could_not_be_kept_is_returned_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise FULL

    monkeypatch.setattr(world.objects, "put", unreachable)
    world.send("chunks", "{", part())
    assert world.invoke("chunks", works) == ["{"]


def test_a_message_of_a_later_version_waits_for_the_deploy_that_knows_it(world: World) -> None:
    later = json.dumps({**json.loads(part().model_dump_json()), "schema_version": 99})
    world.send("chunks", later, part())
    assert world.invoke("chunks", works) == [later]
    assert not list(world.objects.list("dead-letters/"))


def test_work_that_fails_as_a_whole_returns_all_its_messages(world: World) -> None:
    def broken(messages: Sequence[Any], deadline: float) -> Errors:
        raise ServiceUnavailable("the model cannot be loaded.")

    world.send("chunks", part(0), part(16))
    assert len(world.invoke("chunks", broken)) == 2
    with pytest.raises(ServiceUnavailable):
        world.invoke("chunks", broken, {"Records": []})


def test_work_is_told_to_begin_nothing_shortly_before_the_functions_time_is_over(
    world: World,
) -> None:
    told: list[float] = []

    def remembers(messages: Sequence[Any], deadline: float) -> Errors:
        told.append(deadline)
        return {}

    world.now, world.seconds_left = 500.0, 100.0
    world.invoke("chunks", remembers, {"Records": []})
    assert told == [600.0 - batches.MARGIN_SECONDS]


@pytest.mark.parametrize("function", ["Splitter", "Embedder", "Indexer"])
def test_the_margin_leaves_most_of_a_functions_time_for_work(function: str) -> None:
    assert RESOURCES[function]["Properties"]["Timeout"] >= 5 * batches.MARGIN_SECONDS
    assert pausing.SEND_SECONDS < batches.MARGIN_SECONDS


# The last receive


def received(times: int, body: str = "") -> Any:
    return SimpleNamespace(
        message_id="m1",
        receipt_handle="r1",
        body=body,
        attributes=SimpleNamespace(approximate_receive_count=str(times)),
    )


def give_up(
    world: World, message: Envelope, error: Exception, times: int = MAX_RECEIVES
) -> list[Failure]:
    """The failures that the ledger knows of d1 when a message fails for the nth time."""
    source = "chunks" if isinstance(message, PartReady) else "index_ops"
    failed = [Failed(received(times), error, message)]
    answer = batches.answer(failed, world.context, source=source, queue_url=world.urls[source])
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    return list(world.ledger.failures("acme", "d1"))


@pytest.mark.parametrize("queue", QUEUES.values())
def test_the_last_receive_is_the_one_after_which_the_queue_gives_up(queue: str) -> None:
    policy = RESOURCES[queue]["Properties"]["RedrivePolicy"]
    assert policy["maxReceiveCount"] == MAX_RECEIVES


@pytest.mark.parametrize(
    ("message", "stage", "chunk"),
    [(part(32), "embed", 32), (upsert(2), "index", 32)],
    ids=["part", "upsert"],
)
def test_the_cause_of_a_messages_end_is_noted_where_it_is_known(
    world: World, message: Envelope, stage: str, chunk: int
) -> None:
    under_way(world)
    (failure,) = give_up(world, message, ServiceUnavailable("the bucket did not answer."))
    assert failure.generation == 1
    assert failure.reason.code == "service_unavailable"
    assert failure.reason.message == "the bucket did not answer."
    assert (failure.reason.stage, failure.reason.chunk) == (stage, chunk)


def test_a_delete_has_no_chunk_to_note_its_failure_at(world: World) -> None:
    under_way(world)
    delete = Delete(tenant="acme", collection="papers", document_id="d1", generation=1, below=2)
    (failure,) = give_up(world, delete, EmbeddingFailed("no."))
    assert failure.reason.chunk is None


def test_of_a_foreign_error_only_the_type_is_noted(world: World) -> None:
    under_way(world)
    (failure,) = give_up(world, part(), ValueError("could not parse 'My secret diary'"))
    assert (failure.reason.code, failure.reason.message) == (RaglineError.code, "ValueError")


def test_a_failure_that_will_be_tried_again_is_not_noted(world: World) -> None:
    under_way(world)
    assert give_up(world, part(), ServiceUnavailable("no."), times=MAX_RECEIVES - 1) == []


def test_nothing_is_noted_for_a_generation_that_nobody_wants(world: World) -> None:
    assert give_up(world, part(), ServiceUnavailable("no.")) == []
    under_way(world)
    assert give_up(world, part(generation=7), ServiceUnavailable("no.")) == []


def test_a_cause_that_cannot_be_noted_costs_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    under_way(world)
    monkeypatch.setattr(world.ledger, "record_failure", broken)
    assert give_up(world, part(), ServiceUnavailable("no.")) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("pages", Uploaded(key="uploads/acme/papers/a.md", sequencer="1")),
        ("chunks", None),
    ],
    ids=["upload", "unread"],
)
def test_a_message_that_names_no_document_is_returned_without_a_note(
    world: World, source: str, message: Envelope | None
) -> None:
    failed = [Failed(received(MAX_RECEIVES), NewerMessage("version 3."), message)]
    answer = batches.answer(failed, world.context, source=source, queue_url=world.urls[source])
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


# The back-off


def test_a_back_off_that_cannot_be_asked_for_costs_only_the_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs")

    monkeypatch.setattr(world.sqs, "change_message_visibility", unreachable, raising=False)
    give_up(world, part(), ServiceUnavailable("no."), times=1)


@pytest.mark.parametrize("source", QUEUES)
def test_the_attempts_that_a_message_has_outlast_three_minutes_of_outage(
    world: World, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    attempts = RESOURCES[QUEUES[source]]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    waits: list[int] = []
    monkeypatch.setattr(
        world.sqs,
        "change_message_visibility",
        lambda **asked: waits.append(asked["VisibilityTimeout"]),
        raising=False,
    )
    for times in range(1, attempts):
        failed = [Failed(received(times), ServiceUnavailable("no."), part())]
        batches.answer(failed, world.context, source=source, queue_url=world.urls[source])
    assert waits[0] <= 2  # a hiccup costs next to nothing
    assert waits == sorted(waits)
    assert sum(waits) >= 180


# The breaker


def test_after_a_throttled_batch_the_next_one_is_paused_without_a_try(world: World) -> None:
    world.send("chunks", part(0))
    world.invoke("chunks", fails(FULL))
    assert world.invoke("chunks", never) == []
    assert [one["pauses"] for one in bodies(world.receive("chunks"))] == [2]


def test_a_batch_is_tried_when_the_breaker_has_been_open_for_its_while(world: World) -> None:
    world.send("chunks", part(0))
    world.invoke("chunks", fails(FULL))
    first = world.breaker.seconds
    world.now += first + 1
    world.invoke("chunks", fails(FULL))
    assert world.breaker.seconds >= first  # it grows until a batch goes through
    world.now += world.breaker.seconds + 1
    world.invoke("chunks", works)
    world.breaker.trip()
    assert world.breaker.seconds <= 2


def test_a_batch_that_fails_for_another_reason_says_nothing_of_the_load(world: World) -> None:
    world.breaker.trip()
    world.now += world.breaker.seconds + 1
    world.send("chunks", part(0))
    world.invoke("chunks", fails(ServiceUnavailable("no.")))
    assert world.breaker.seconds == 0
    world.breaker.trip()
    assert world.breaker.seconds >= 2


def test_an_ordered_batch_waits_for_the_breaker_and_is_then_tried(world: World) -> None:
    world.breaker.trip()
    world.send("index_ops", upsert())
    assert world.invoke("index_ops", works) == []
    assert 1 <= sum(world.waits) <= 2
    assert not world.receive("index_ops")["Records"]


def test_an_ordered_batch_does_not_wait_for_the_breaker_beyond_its_time(world: World) -> None:
    for _ in range(10):
        world.breaker.trip()
    world.seconds_left = batches.MARGIN_SECONDS + 10
    world.send("index_ops", upsert())
    assert world.invoke("index_ops", never) == []
    assert world.waits[0] == 10
    assert [one["pauses"] for one in bodies(world.receive("index_ops"))] == [1]


def test_a_malformed_message_does_not_wait_for_the_breaker(world: World) -> None:
    world.breaker.trip()
    world.send("chunks", "{")
    assert world.invoke("chunks", works) == []
    assert len(list(world.objects.list("dead-letters/chunks/"))) == 1
