"""AWS in this process (moto), with the table, bucket and queues that template.yaml declares."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from ragline.local.template import load

REGION = "eu-central-1"
_TEMPLATE = Path(__file__).parents[2] / "template.yaml"
_QUEUE_ATTRIBUTES = ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit", "VisibilityTimeout")
_TABLE_PROPERTIES = (
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "StreamSpecification",
)


@contextmanager
def in_process_aws() -> Iterator[None]:
    """No call inside leaves this process, whatever credentials and settings the machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        with mock_aws():
            yield


def client(service: str) -> Any:
    config = Config(signature_version="s3v4") if service == "s3" else Config()
    return boto3.client(service, region_name=REGION, config=config)  # type: ignore[call-overload]


def make_table(dynamodb: Any, name: str = "ledger") -> str:
    properties = _properties("LedgerTable")
    table = {key: properties[key] for key in _TABLE_PROPERTIES if key in properties}
    if "StreamSpecification" in table:
        table["StreamSpecification"] = {"StreamEnabled": True, **table["StreamSpecification"]}
    dynamodb.create_table(TableName=name, **table)
    return name


def make_queue(sqs: Any, logical_id: str) -> str:
    properties = _properties(logical_id)
    attributes = {
        key: str(properties[key]).lower() if key == "FifoQueue" else str(properties[key])
        for key in _QUEUE_ATTRIBUTES
        if key in properties
    }
    name = f"{logical_id}.fifo" if "FifoQueue" in properties else logical_id
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


class OneAtATime:
    """A client whose calls are atomic, as DynamoDB's are; moto's are not, between threads.

    Between the calls of one thread others get their turn, in an order that ``seed`` shuffles.
    """

    def __init__(self, client: Any, seed: int = 0) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._random = random.Random(seed)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            threading.Event().wait(self._random.random() / 2_000)
            with self._lock:
                return method(*args, **kwargs)

        return call


@cache
def _properties(logical_id: str) -> dict[str, Any]:
    properties: dict[str, Any] = load(_TEMPLATE)["Resources"][logical_id]["Properties"]
    return properties
