"""SQS batches: read every message, answer with the ones to deliver again, sooner rather than later.

Powertools' ``process_partial_response`` serves handlers that take one record at a time. The
embedder and the indexer take a batch as one piece of work, so they answer by position here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import BotoCoreError, ClientError

from ragline import wiring
from ragline.domain.errors import MalformedMessage
from ragline.telemetry import logger
from ragline.usecases.dead_letters import refuse

M = TypeVar("M")

LONGEST_BACKOFF_SECONDS = 300


def messages(
    event: SQSEvent, parse: Callable[[str], M], source: str
) -> tuple[list[SQSRecord], list[M]]:
    """The records that could be read, and what they say.

    A malformed message stays malformed: it is kept under ``dead-letters/{source}/``, logged and
    consumed, since delivering it again would only hold up those behind it; a document that it names
    is failed.
    """
    records: list[SQSRecord] = []
    parsed: list[M] = []
    for record in event.records:
        try:
            message = parse(record.body)
        except MalformedMessage as error:
            document_id = refuse(
                source,
                record.message_id,
                record.body,
                str(error),
                ledger=wiring.ledger(),
                objects=wiring.objects(),
            )
            logger.error(
                "message refused",
                message_id=record.message_id,
                reason=str(error),
                document_id=document_id,
            )
            continue
        records.append(record)
        parsed.append(message)
    return records, parsed


def answer(failed: Sequence[SQSRecord], queue_url: str) -> dict[str, Any]:
    """The response that returns these records to their queue, to be tried again after a back-off.

    Without it a failed message would wait for the whole visibility timeout, which is sized for a
    function that hangs. The first wait is short, for a hiccup; the later ones are long, so that
    the five attempts which a queue gives a message outlast minutes of throttling or of an outage.
    Exponential with equal jitter:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    for record in failed:
        received = int(record.attributes.approximate_receive_count or 1)
        longest = min(LONGEST_BACKOFF_SECONDS, 2 * 6 ** min(received - 1, 5))
        seconds = random.randint(longest // 2, longest)  # noqa: S311
        _back_off(record, queue_url, seconds)
    return {"batchItemFailures": [{"itemIdentifier": record.message_id} for record in failed]}


def _back_off(record: SQSRecord, queue_url: str, seconds: int) -> None:
    sqs = wiring.sqs()
    # Where this fails only the wait is lost: the message comes back after the queue's own timeout.
    with suppress(ClientError, BotoCoreError):
        sqs.change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=record.receipt_handle, VisibilityTimeout=seconds
        )
