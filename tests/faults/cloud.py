"""What AWS does between the functions: events, batches, redeliveries, dead letters. On moto.

Nothing here waits: a delay or a returned message's invisibility is over at once, and the clock of
the ledger is moved by hand.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import pytest
from botocore.client import BaseClient
from moto.backends import get_backend

from ragline import batches, wiring
from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.adapters.memory.index import MemoryIndexes
from ragline.adapters.s3_objects import S3Objects
from ragline.adapters.sqs_queues import SqsQueues
from ragline.breaker import Breaker
from ragline.domain import ledger as ledger_records
from ragline.domain.chunks import Row
from ragline.domain.documents import Partition
from ragline.domain.times import utc_now
from ragline.local.template import load
from ragline.ports import Indexes, VectorIndex
from ragline.settings import settings
from ragline.usecases import documents, embed, parts
from tests.contract.aws import REGION, client, in_process_aws, make_queue, make_table
from tests.faults.injection import Call, Faults, Killed, Mode
from tests.faults.model import Model
from tests.unit.pipeline import WordTokenizer

_TEMPLATE = Path(__file__).parents[2] / "template.yaml"
BUCKET = "documents"
ATTEMPTS = 3
"""Of an asynchronous invocation: the first, and the two retries of template.yaml."""

CHUNKS_PER_PART = 2
"""Parts of two chunks: a short document has several, and transactions stay small (moto copies the
whole table for each)."""

MOST_DELIVERIES = 3_000
"""More than any scenario needs: what goes on for longer goes on for ever."""

_ACCOUNT = "123456789012"

_CONTEXT = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:function",
    aws_request_id="8476a536",
    get_remaining_time_in_millis=lambda: 300_000,
)


class Died(Exception):
    """A worker that gave no answer."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """One event source mapping: from a queue to a function, in batches."""

    queue: str
    function: str
    most: int
    letters: str = ""


MAPPINGS = (
    Mapped("PagesQueue", "splitter", 1, "DeadPages"),
    Mapped("ChunksQueue", "embedder", 10, "DeadChunks"),
    Mapped("IndexOpsQueue", "indexer", 10, "DeadIndexOps"),
    Mapped("DeadPages", "dead_letters", 10),
    Mapped("DeadChunks", "dead_letters", 10),
    Mapped("DeadIndexOps", "dead_letters", 10),
    Mapped("DeadInvocations", "dead_letters", 10),
)


@dataclass(slots=True)
class Event:
    """A bucket's event on its way to the splitter."""

    record: Mapping[str, Any]
    attempts: int = 0


@dataclass(slots=True)
class Disorder:
    """How the world deviates from the order in which things happened; seeded."""

    chance: random.Random
    duplicates: float = 0.2


class Clock:
    """Real time, and moved ahead: the ledger's by hand, the workers' by every wait."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._waited = 0.0
        self._monotonic = time.monotonic

    def now(self) -> datetime:
        return utc_now() + self._ahead

    def advance(self, by: timedelta) -> None:
        self._ahead += by

    def monotonic(self) -> float:
        return self._monotonic() + self._waited

    def wait(self, seconds: float) -> None:
        """``time.sleep``, and what a queue's delay amounts to."""
        self._waited += seconds


class WatchedIndex:
    """A ``VectorIndex`` whose writes are calls that faults can happen to."""

    def __init__(self, index: VectorIndex, faults: Faults) -> None:
        self._index = index
        self._faults = faults

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        self._faults.through(Call("index", "upsert"), lambda _: self._index.upsert(partition, rows))

    def delete(
        self, partition: Partition, document_id: str, *, below: int | None = None, keep: int = 0
    ) -> None:
        self._faults.through(
            Call("index", "delete"),
            lambda _: self._index.delete(partition, document_id, below=below, keep=keep),
        )

    def optimize(self, partition: Partition) -> None:
        self._faults.through(Call("index", "optimize"), lambda _: self._index.optimize(partition))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)


class WatchedIndexes:
    """``Indexes`` of watched ones; to drop one is a call that faults can happen to, too."""

    def __init__(self, indexes: Indexes, faults: Faults) -> None:
        self._indexes = indexes
        self._faults = faults

    def of(self, fingerprint: str) -> WatchedIndex:
        return WatchedIndex(self._indexes.of(fingerprint), self._faults)

    def drop(self, partition: Partition, fingerprint: str) -> None:
        self._faults.through(
            Call("index", "drop"), lambda _: self._indexes.drop(partition, fingerprint)
        )

    def fingerprints(self, partition: Partition) -> list[str]:
        return self._indexes.fingerprints(partition)

    def partitions(self) -> list[Partition]:
        return self._indexes.partitions()

    def length(self) -> int | None:
        return self._indexes.length()


@dataclass
class Cloud:
    """The deployed stack in this process. ``deliver`` lets it work until nothing waits."""

    faults: Faults
    indexes: WatchedIndexes
    model: Model
    urls: Mapping[str, str]
    clock: Clock = field(default_factory=Clock)
    disorder: Disorder | None = None
    most_per_batch: int = 1
    delivered: Callable[[], None] = lambda: None

    events: list[Event] = field(default_factory=list)
    _sequence: int = 0
    _stalled: tuple[threading.Thread, Callable[[], None]] | None = None

    @property
    def index(self) -> WatchedIndex:
        """That of the deployed model."""
        return self.indexes.of(self.model.fingerprint)

    def deliver(self, steps: int | None = None) -> None:
        """Deliver what waits, at most ``steps`` batches; without a limit a stalled worker goes on
        at the end, when all others have done their work."""
        for done in range(MOST_DELIVERIES):
            if done == steps:
                return
            if not self._deliver_one() and not (steps is None and self.let_go()):
                return
        raise AssertionError("deliveries never come to an end")

    def let_go(self) -> bool:
        """Let the stalled worker continue to its end; False if there is none."""
        if self._stalled is None:
            return False
        (thread, finish), self._stalled = self._stalled, None
        self.faults.resume.set()
        thread.join()
        finish()
        return True

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Run a handler to its answer.

        Raises:
            Died: it raised, or was killed.
        """
        handler: Any = import_module(f"functions.{function}.handler")
        try:
            with self.faults.watching():
                return handler.lambda_handler(payload, _CONTEXT)
        except (Exception, Killed) as error:
            if isinstance(error, Killed):
                forget()
            raise Died(repr(error)) from error

    def take(self, queue: str) -> dict[str, Any]:
        """A batch for the function that reads the queue, where it stays, as if just sent."""
        (mapped,) = [one for one in MAPPINGS if one.queue == queue]
        url = self.urls[queue]
        messages = self._receive(url, 1)
        for message in messages:
            _give_back(url, message)
        return _payload(mapped.queue, messages)

    def alone(self, work: Callable[[], Any], finish: Callable[[Any], None]) -> None:
        """Do the work as a worker of its own, which may stall; ``finish`` gets what it answers.

        ``finish`` gets a ``Died`` if it gave no answer.
        """

        def answer() -> Any:
            try:
                return work()
            except Died as died:
                return died

        if not (self.faults.mode is Mode.STALL and self.faults.pending):
            finish(answer())
            return
        answers: list[Any] = []

        def run() -> None:
            try:
                answers.append(answer())
            finally:
                self.faults.stalled.set()

        thread = threading.Thread(target=run)
        thread.start()
        self.faults.stalled.wait()
        self.faults.stalled.clear()
        if answers:
            thread.join()
            finish(answers[0])
        else:
            forget()  # the others are other processes
            self._stalled = (thread, lambda: finish(answers[0]))

    def waiting(self) -> dict[str, int]:
        """How much waits where; empty at rest."""
        sqs = aws("sqs")
        counts = {"events": len(self.events), "stalled": int(self._stalled is not None)}
        for name, url in self.urls.items():
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            counts[name] = sum(
                int(attributes["Attributes"][f"ApproximateNumberOfMessages{which}"])
                for which in ("", "NotVisible", "Delayed")
            )
        return {name: count for name, count in counts.items() if count}

    def call(self, caller: BaseClient, operation: str, params: Mapping[str, Any]) -> Any:
        """Every call of every AWS client comes through here."""
        service = caller.meta.service_model.service_name
        call = Call(service, operation, self._without_waits(operation, params))
        return self.faults.through(call, lambda now: self._answer(caller, operation, now))

    def _without_waits(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if operation == "ChangeMessageVisibility":
            self.clock.wait(params["VisibilityTimeout"])
            return {**params, "VisibilityTimeout": 0}
        if operation == "SendMessage":
            self.clock.wait(params.get("DelaySeconds", 0))
            return {name: value for name, value in params.items() if name != "DelaySeconds"}
        return params

    def _answer(self, caller: BaseClient, operation: str, params: Mapping[str, Any]) -> Any:
        keys = _upload_keys(operation, params)
        there = {key for key in keys if operation.startswith("Put") or _exists(key)}
        answer = _REAL_CALL(caller, operation, dict(params))  # the SDK changes it
        for key in keys:
            if key in there:
                created = operation.startswith("Put")
                told = {**answer, "Size": len(params["Body"])} if created else answer
                self._event(key, "ObjectCreated:Put" if created else "ObjectRemoved:Delete", told)
        return answer

    def _event(self, key: str, name: str, answer: Mapping[str, Any]) -> None:
        self._sequence += 1
        sequencer = f"{0x55AED6DCD + self._sequence:X}"
        about: dict[str, Any] = {"key": quote_plus(key, safe="/"), "sequencer": sequencer}
        if name.startswith("ObjectCreated"):
            about |= {"eTag": answer["ETag"].strip('"'), "size": answer["Size"]}
        self.events.append(
            Event(
                {
                    "eventVersion": "2.1",
                    "eventSource": "aws:s3",
                    "awsRegion": REGION,
                    "eventTime": "2026-11-06T12:00:00.000Z",
                    "eventName": name,
                    "s3": {"bucket": {"name": BUCKET}, "object": about},
                }
            )
        )

    def _deliver_one(self) -> bool:
        sources: list[Callable[[], bool]] = [self._deliver_event]
        sources += [partial(self._deliver_batch, mapped) for mapped in MAPPINGS]
        if self.disorder:
            self.disorder.chance.shuffle(sources)
        found = any(deliver() for deliver in sources)
        self.delivered()
        return found

    def _deliver_event(self) -> bool:
        if not self.events:
            return False
        at = self.disorder.chance.randrange(len(self.events)) if self.disorder else 0
        event = self.events.pop(at)
        if self._twice():
            self.events.append(Event(event.record))
        payload = {"Records": [event.record]}

        def finish(answer: Any) -> None:
            if not isinstance(answer, Died):
                return
            event.attempts += 1
            if event.attempts < ATTEMPTS:
                self.events.append(event)
            else:
                self._bury(payload, str(answer))

        self.alone(lambda: self.invoke("splitter", payload), finish)
        return True

    def _bury(self, payload: Mapping[str, Any], said: str) -> None:
        """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
        letter = {
            "version": "1.0",
            "timestamp": "2026-11-06T12:00:00.000Z",
            "requestContext": {
                "requestId": "8476a536",
                "functionArn": f"{_CONTEXT.invoked_function_arn}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": ATTEMPTS,
            },
            "requestPayload": payload,
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "responsePayload": {"errorMessage": said, "errorType": "Runtime.ExitError"},
        }
        aws("sqs").send_message(
            QueueUrl=self.urls["DeadInvocations"], MessageBody=json.dumps(letter)
        )

    def _deliver_batch(self, mapped: Mapped) -> bool:
        url = self.urls[mapped.queue]
        most = min(mapped.most, self.most_per_batch)
        if self.disorder:
            most = self.disorder.chance.randint(1, mapped.most)
        messages = self._receive(url, most)
        if not messages:
            return False
        payload = _payload(mapped.queue, messages)
        if self._twice():
            self._quietly(mapped.function, payload)
        self.alone(
            lambda: self.invoke(mapped.function, payload),
            lambda answer: self._acknowledge(url, messages, answer),
        )
        return True

    def _receive(self, url: str, most: int) -> list[dict[str, Any]]:
        found = aws("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=most, AttributeNames=["All"]
        )
        messages: list[dict[str, Any]] = found.get("Messages", [])
        return messages

    def _quietly(self, function: str, payload: Mapping[str, Any]) -> None:
        """A delivery that nobody waits for: the same one comes again."""

        def ignored(answer: Any) -> None:
            pass

        self.alone(lambda: self.invoke(function, payload), ignored)

    def _acknowledge(self, url: str, messages: Sequence[Mapping[str, Any]], answer: Any) -> None:
        returned = _returned(answer, {message["MessageId"] for message in messages})
        for message in messages:
            if message["MessageId"] in returned:
                _give_back(url, message)
            else:
                aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _twice(self) -> bool:
        return self.disorder is not None and (
            self.disorder.chance.random() < self.disorder.duplicates
        )


@contextmanager
def deployed(
    faults: Faults,
    disorder: Disorder | None = None,
    indexes: Indexes | None = None,
    at_once: int = 1,
) -> Iterator[Cloud]:
    """The stack of template.yaml, its functions wired to moto; the index and model are fakes."""
    with in_process_aws(), pytest.MonkeyPatch.context() as patch:
        aws("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        urls = _make_queues()
        environment = {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "LEDGER_TABLE": make_table(aws("dynamodb")),
            "DOCUMENTS_BUCKET": BUCKET,
            "CHUNKS_QUEUE_URL": urls["ChunksQueue"],
            "PAGES_QUEUE_URL": urls["PagesQueue"],
            "INDEX_OPS_QUEUE_URL": urls["IndexOpsQueue"],
            "CHUNK_TOKENS": "16",
            "CHUNK_OVERLAP_TOKENS": "0",
            "PAGES_PER_RANGE": "1",
            "POWERTOOLS_METRICS_DISABLED": "true",
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        # One after the other, so that a run can be repeated: its n-th call is the same one.
        patch.setattr(embed, "AT_ONCE", at_once)
        # Nobody reads the stream here, and moto would copy it for each transaction.
        get_backend("dynamodb")[_ACCOUNT][REGION].tables["ledger"].stream_shard = None
        watched = WatchedIndexes(indexes or MemoryIndexes(), faults)
        cloud = Cloud(faults, watched, Model(), urls, disorder=disorder)
        if at_once > 1:  # nothing is side by side in batches of one message
            cloud.most_per_batch = max(mapped.most for mapped in MAPPINGS)
        _wire(cloud, patch)
        settings.cache_clear()
        wiring.limits.cache_clear()
        forget()
        yield cloud
        cloud.let_go()
    settings.cache_clear()
    wiring.limits.cache_clear()


def forget() -> None:
    """What a process keeps in its memory is gone: a new one starts."""
    batches.breaker.cache_clear()
    import_module("functions.embedder.handler")._live.cache_clear()


@cache
def aws(service: str) -> Any:
    """One client for all worlds: making one takes longer than a run."""
    return client(service)


def _wire(cloud: Cloud, patch: pytest.MonkeyPatch) -> None:
    at_once = Backoff(sleep=lambda seconds: None)
    ledger = DynamoLedger("ledger", client=aws("dynamodb"), now=cloud.clock.now, backoff=at_once)
    objects = S3Objects(BUCKET, client=aws("s3"), backoff=at_once)
    queues = SqsQueues(
        aws("sqs"),
        chunks_url=cloud.urls["ChunksQueue"],
        pages_url=cloud.urls["PagesQueue"],
        index_ops_url=cloud.urls["IndexOpsQueue"],
        backoff=at_once,
    )
    patch.setattr(wiring, "client", aws)
    patch.setattr(wiring, "ledger", lambda: ledger)
    patch.setattr(wiring, "objects", lambda: objects)
    patch.setattr(wiring, "queues", lambda: queues)
    patch.setattr(wiring, "indexes", lambda: cloud.indexes)
    patch.setattr(wiring, "index", lambda: cloud.index)
    patch.setattr(wiring, "embedder", lambda: cloud.model)
    patch.setattr(wiring, "tokenizer", WordTokenizer)

    patch.setattr(import_module("functions.maintenance.handler"), "utc_now", cloud.clock.now)
    patch.setattr(time, "monotonic", cloud.clock.monotonic)
    patch.setattr(time, "sleep", cloud.clock.wait)
    patch.setattr(batches, "breaker", cache(lambda: Breaker(clock=cloud.clock.monotonic)))
    for module in (parts, documents, ledger_records):
        patch.setattr(module, "CHUNKS_PER_PART", CHUNKS_PER_PART)

    def call(caller: BaseClient, operation: str, params: Mapping[str, Any]) -> Any:
        return cloud.call(caller, operation, params)

    patch.setattr(BaseClient, "_make_api_call", call)


def _make_queues() -> dict[str, str]:
    sqs = aws("sqs")
    names = sorted({mapped.queue for mapped in MAPPINGS})
    urls = {name: make_queue(sqs, name) for name in names}
    for mapped in MAPPINGS:
        if mapped.letters:
            arn = sqs.get_queue_attributes(
                QueueUrl=urls[mapped.letters], AttributeNames=["QueueArn"]
            )["Attributes"]["QueueArn"]
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": _most_receives(mapped.queue)}
            sqs.set_queue_attributes(
                QueueUrl=urls[mapped.queue], Attributes={"RedrivePolicy": json.dumps(policy)}
            )
    return urls


@cache
def _most_receives(queue: str) -> int:
    properties = load(_TEMPLATE)["Resources"][queue]["Properties"]
    return int(properties["RedrivePolicy"]["maxReceiveCount"])


_REAL_CALL: Any = BaseClient._make_api_call  # type: ignore[attr-defined]


def _upload_keys(operation: str, params: Mapping[str, Any]) -> list[str]:
    if operation in {"PutObject", "DeleteObject"}:
        keys = [params["Key"]]
    elif operation == "DeleteObjects":
        keys = [one["Key"] for one in params["Delete"]["Objects"]]
    else:
        return []
    return [key for key in keys if key.startswith("uploads/")]


def _exists(key: str) -> bool:
    found = _REAL_CALL(aws("s3"), "ListObjectsV2", {"Bucket": BUCKET, "Prefix": key})
    return any(one["Key"] == key for one in found.get("Contents", []))


def _give_back(url: str, message: Mapping[str, Any]) -> None:
    aws("sqs").change_message_visibility(
        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )


def _payload(queue: str, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Records": [_record(queue, message) for message in messages]}


def _record(queue: str, message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{_ACCOUNT}:{queue}",
        "awsRegion": REGION,
    }


def _returned(answer: Any, all_of_them: set[str]) -> set[str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    if isinstance(answer, Died):
        return all_of_them
    failures = (answer or {}).get("batchItemFailures") or []
    named = {failure.get("itemIdentifier") for failure in failures}
    return named if named <= all_of_them else all_of_them
