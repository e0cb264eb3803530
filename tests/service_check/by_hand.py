"""A deployed stack whose functions work only when a test calls them, and say how it went.

No queue is polled, the bucket tells nobody, the schedule is off. So whatever a function is not
allowed to do shows in its own answer, at once, and leaves nothing behind that is tried again.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from ragline.domain.documents import dropped_id
from ragline.local import aws
from tests.e2e.stack import EVENTS, NAME, Stack

WORK = {"PagesQueue": "splitter", "ChunksQueue": "embedder", "IndexOpsQueue": "indexer"}
READERS = WORK | {
    "PushDeliveries": "deliverer",
    "PushDeadDeliveries": "deliverer",
    "AnalysesQueue": "analyst",
    "AnalysesDeadQueue": "analyst",
}
"""The queue → the function that reads it; the other dead-letter queues are read by dead-letters."""

BACK_OFF_SECONDS = 6
"""The first back-off is two seconds at most (ragline.batches)."""


@dataclass
class ByHand:
    """``queues``: logical id → URL; ``resources``: logical id → physical id."""

    stack: Stack
    queues: dict[str, str]
    resources: dict[str, str]
    _sequence: Any = field(default_factory=lambda: itertools.count(1))

    def put(self, text: bytes, collection: str, name: str = "a.md", **fields: Any) -> str:
        """Register a document and PUT its bytes; nobody has been told of them yet. Its id."""
        return self.stack.upload(name, text, collection, **fields)

    def key_of(self, document_id: str) -> str:
        """Of the one object below ``uploads/`` that belongs to a document."""
        item = self.item(document_id)
        return str(item["upload_key"]["S"])

    def item(self, document_id: str) -> Any:
        """A document's own item in the ledger, as DynamoDB has it."""
        return self.stack.dynamodb.get_item(
            TableName=self.stack.outputs["LedgerTableName"],
            Key={"PK": {"S": f"TENANT#default#DOC#{document_id}"}, "SK": {"S": "META"}},
            ConsistentRead=True,
        )["Item"]

    def event(self, key: str, name: str = "ObjectCreated:Put") -> Any:
        """What the bucket would tell of an object now."""
        told = json.loads((EVENTS / "splitter.json").read_text())
        told["Records"][0]["eventName"] = name
        item: dict[str, Any] = {
            "key": quote_plus(key),
            "sequencer": f"{time.time_ns() + next(self._sequence):024X}",
        }
        if name.startswith("ObjectCreated"):
            found = self.stack.s3.list_objects_v2(Bucket=self.stack.bucket, Prefix=key)
            first = next(iter(found.get("Contents", [])), None)
            item |= {"eTag": first["ETag"].strip('"'), "size": first["Size"]} if first else {}
        told["Records"][0]["s3"]["object"] = item
        return told

    def split(self, document_id: str) -> None:
        self.stack.invoke("splitter", self.event(self.key_of(document_id)))

    def drop(self, path: str, data: bytes, collection: str) -> str:
        """Put an object as any S3 client would; its document's id."""
        self.stack.drop(path, data, collection)
        key = f"uploads/default/{collection}/{path}"
        self.stack.invoke("splitter", self.event(key))
        return dropped_id(key)

    def send(self, queue: str, body: str) -> None:
        group = {"MessageGroupId": "by-hand", "MessageDeduplicationId": uuid.uuid4().hex}
        fifo = group if queue in FIFO else {}
        self.stack.sqs.send_message(QueueUrl=self.queues[queue], MessageBody=body, **fifo)  # type: ignore[arg-type]

    def taken(self, queue: str) -> list[dict[str, Any]]:
        """What waits on a queue, as the records of an event; hidden from others meanwhile."""
        arn = self.stack.sqs.get_queue_attributes(
            QueueUrl=self.queues[queue], AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        answer = self.stack.sqs.receive_message(
            QueueUrl=self.queues[queue], MaxNumberOfMessages=10, AttributeNames=["All"]
        )
        return [
            {
                "messageId": one["MessageId"],
                "receiptHandle": one["ReceiptHandle"],
                "body": one["Body"],
                "attributes": one["Attributes"],
                "messageAttributes": {},
                "md5OfBody": one["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": aws.REGION,
            }
            for one in answer.get("Messages", [])
        ]

    def feed(
        self, queue: str, records: list[dict[str, Any]] | None = None, *, again: bool = False
    ) -> list[str]:
        """Have the reader of a queue work on a batch; the bodies that it returned to the queue.

        ``again``: these were consumed before.
        """
        records = self.taken(queue) if records is None else records
        if not records:
            return []
        function = READERS.get(queue, "dead-letters")
        answer = self.stack.invoke(function, {"Records": records})
        failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        for record in records:
            if record["messageId"] not in failed and not again:
                self.discard(queue, record)
        return [record["body"] for record in records if record["messageId"] in failed]

    def drain(self, *queues: str) -> None:
        """Have all work that waits done, nothing of it returned."""
        busy = True
        while busy:
            busy = False
            for queue in queues or WORK:
                while records := self.taken(queue):
                    busy = True
                    assert self.feed(queue, records) == [], f"{queue} returned work"

    def ingest(self, text: bytes, collection: str, name: str = "a.md", **fields: Any) -> str:
        """A document from its bytes to the index; its id."""
        document_id = self.put(text, collection, name, **fields)
        self.split(document_id)
        self.drain()
        assert self.stack.document(document_id)["status"] == "indexed"
        return document_id

    def fail_part(self, text: bytes, collection: str) -> str:
        """A document whose only part was given up by the embedder."""
        document_id = self.put(text, collection)
        self.split(document_id)
        (record,) = self.taken("ChunksQueue")
        self.discard("ChunksQueue", record)
        self.send("DeadChunks", record["body"])
        assert self.feed("DeadChunks") == []
        assert self.stack.document(document_id)["status"] == "failed"
        return document_id

    def discard(self, queue: str, record: dict[str, Any]) -> None:
        self.stack.sqs.delete_message(
            QueueUrl=self.queues[queue], ReceiptHandle=record["receiptHandle"]
        )

    def returned_soon(self, queue: str, seconds: float = BACK_OFF_SECONDS) -> bool:
        """Whether a message that was returned comes back by its back-off, not by the time-out."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if records := self.taken(queue):
                for record in records:
                    self.discard(queue, record)
                return True
            time.sleep(0.2)
        return False

    def purge(self) -> None:
        for url in self.queues.values():
            self.stack.sqs.purge_queue(QueueUrl=url)

    def age(self, document_id: str) -> None:
        """Let a document's lease be over, and its last change be long ago."""
        self.stack.dynamodb.update_item(
            TableName=self.stack.outputs["LedgerTableName"],
            Key={"PK": {"S": f"TENANT#default#DOC#{document_id}"}, "SK": {"S": "META"}},
            UpdateExpression="SET lease_until = :then, GSI2SK = :then, updated_at = :before",
            ConditionExpression="attribute_exists(lease_until)",
            ExpressionAttributeValues={
                ":then": {"S": "2020-01-01T00:00:00.000Z"},
                ":before": {"S": "2019-01-01T00:00:00.000Z"},
            },
        )

    def time_out(self, function: str, seconds: int) -> None:
        """A function with so much time; with less than its margin it can only put work off."""
        self.stack.functions.update_function_configuration(
            FunctionName=f"{NAME}-{function}", Timeout=seconds
        )


FIFO = ("IndexOpsQueue", "DeadIndexOps")


def by_hand(stack: Stack, logical: dict[str, tuple[str, str]]) -> ByHand:
    """Take a stack's work into one's own hands. ``logical``: logical id → (type, physical id)."""
    session, options = aws.session(), aws.config()
    events = session.client("events", endpoint_url=stack.endpoint_url, config=options)
    for mapping in stack.functions.get_paginator("list_event_source_mappings").paginate():
        for one in mapping["EventSourceMappings"]:
            stack.functions.update_event_source_mapping(UUID=one["UUID"], Enabled=False)
    stack.s3.put_bucket_notification_configuration(
        Bucket=stack.bucket, NotificationConfiguration={}
    )
    for kind, physical in logical.values():
        if kind == "AWS::Events::Rule":
            events.disable_rule(Name=physical)
    queues = {name: one for name, (kind, one) in logical.items() if kind == "AWS::SQS::Queue"}
    return ByHand(stack, queues, {name: physical for name, (_, physical) in logical.items()})
