"""SQS batches: what becomes of each message. It is

- *consumed*, when it was worked on;
- *refused*, when it is malformed: kept under ``dead-letters/`` and consumed, since delivering it
  again would only hold up those behind it;
- *paused*, when a service was overloaded (``Throttled``) or time ran out (``OutOfTime``): that is
  no failure and burns no receive, see ``ragline.pausing``;
- *returned* to its queue after any other error, to come back after a back-off; the last time, the
  ledger is told why.

Powertools' ``process_partial_response`` serves handlers that take one record at a time. The
embedder and the indexer take a batch as one piece of work, so errors go by position here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from ragline import wiring
from ragline.breaker import Breaker
from ragline.domain.errors import MalformedMessage, NewerMessage, Throttled
from ragline.domain.messages import MAX_RECEIVES, Envelope, Message
from ragline.metrics import MESSAGES_PAUSED, MESSAGES_RETURNED, WAITED
from ragline.pausing import Failed, is_fifo, pause
from ragline.telemetry import cause, follow, logger, measure
from ragline.usecases.causes import note_cause
from ragline.usecases.dead_letters import STAGES, refuse

M = TypeVar("M", bound=Envelope)

MARGIN_SECONDS = 20
"""Kept back from the function's timeout, for the piece of work in hand and for the answer."""

LONGEST_BACKOFF_SECONDS = 300


@cache
def breaker() -> Breaker:
    """This process's: a service that was overloaded for one batch is for the next, for a while."""
    return Breaker()


def deadline(context: LambdaContext) -> float:
    """When to begin nothing more, in seconds of ``time.monotonic``."""
    return time.monotonic() + context.get_remaining_time_in_millis() / 1_000 - MARGIN_SECONDS


def work(
    event: SQSEvent,
    context: LambdaContext,
    *,
    source: str,
    queue_url: str,
    read: Callable[[str], M],
    do: Callable[[Sequence[M], float], Mapping[int, Exception]],
) -> dict[str, Any]:
    """Read a batch, work on it, and answer with the messages that the queue has to keep.

    ``source`` names the queue in ``STAGES`` and in ``dead-letters/``. ``do(messages, deadline)``
    returns position → error of the messages that it could not work on.
    """
    until = deadline(context)
    _measure_wait(event, source)
    records, messages, failed = _read(event, read, source)
    follow(message.trace_id for message in messages)
    errors = _do(messages, queue_url, do, until)
    failed += [Failed(records[i], errors[i], messages[i]) for i in sorted(errors)]
    return answer(failed, context, source=source, queue_url=queue_url)


def answer(
    failed: Sequence[Failed], context: LambdaContext, *, source: str, queue_url: str
) -> dict[str, Any]:
    """The response that has the queue keep what is returned and consume all else."""
    pausable = [one for one in failed if one.pausable]
    unsent = pause(pausable, context, queue_url) if pausable else []
    paused = [one for one in pausable if one not in unsent]
    returned = [one for one in failed if one not in paused]
    if paused:
        reasons = sorted({cause(one.error) for one in paused})
        logger.info("messages paused", source=source, messages=len(paused), reasons=reasons)
    for one in returned:
        logger.warning(
            "message returned",
            source=source,
            message_id=one.record.message_id,
            document_id=getattr(one.message, "document_id", None),
            trace_id=getattr(one.message, "trace_id", None),
            exc_info=one.error,
        )
        if _received(one.record) >= MAX_RECEIVES:
            _note_cause(one, STAGES[source])
        _back_off(one.record, queue_url)
    for metric, some in ((MESSAGES_PAUSED, paused), (MESSAGES_RETURNED, returned)):
        if some:
            measure(metric, len(some))
    return {"batchItemFailures": [{"itemIdentifier": one.record.message_id} for one in returned]}


def _measure_wait(event: SQSEvent, source: str) -> None:
    """How long the oldest message has been on its way; SQS keeps the time over redeliveries."""
    sent = [int(record.attributes.sent_timestamp or 0) for record in event.records]
    if known := [milliseconds for milliseconds in sent if milliseconds]:
        measure(WAITED[source], max(0.0, time.time() * 1_000 - min(known)))


def _read(
    event: SQSEvent, read: Callable[[str], M], source: str
) -> tuple[list[SQSRecord], list[M], list[Failed]]:
    """The records that could be read, what they say, and those that are for another time."""
    records: list[SQSRecord] = []
    messages: list[M] = []
    failed: list[Failed] = []
    for record in event.records:
        try:
            messages.append(read(record.body))
            records.append(record)
        except NewerMessage as error:
            failed.append(Failed(record, error))
        except MalformedMessage as error:
            failed += _refuse(record, error, source)
    return records, messages, failed


def _refuse(record: SQSRecord, why: MalformedMessage, source: str) -> list[Failed]:
    """A document that the message names is failed: nothing else would end it."""
    message_id, ledger, objects = record.message_id, wiring.ledger(), wiring.objects()
    try:
        failed = refuse(source, message_id, record.body, why, ledger=ledger, objects=objects)
    except Exception as error:  # it could not be kept: to be refused again
        return [Failed(record, error)]
    logger.error("message refused", message_id=message_id, reason=str(why), document_id=failed)
    return []


def _do(
    messages: Sequence[M],
    queue_url: str,
    do: Callable[[Sequence[M], float], Mapping[int, Exception]],
    until: float,
) -> Mapping[int, Exception]:
    """Position → error. With the breaker open nothing is tried; an ordered queue waits first."""
    if messages and is_fifo(queue_url):
        time.sleep(max(0.0, min(breaker().seconds, until - time.monotonic())))
    if messages and breaker().seconds:
        return dict.fromkeys(range(len(messages)), Throttled("a service is still overloaded."))
    try:
        errors = do(messages, until)
    except Exception as error:
        if not messages:  # nobody would hear of it
            raise
        errors = dict.fromkeys(range(len(messages)), error)
    if any(isinstance(error, Throttled) for error in errors.values()):
        breaker().trip()
    elif len(errors) < len(messages):
        breaker().reset()
    return errors


def _note_cause(one: Failed, stage: str) -> None:
    if not isinstance(one.message, Message):
        return
    try:
        note_cause(one.message, one.record.message_id, one.error, stage, ledger=wiring.ledger())
    except Exception as unnoted:  # the message is returned all the same
        logger.warning("cause not noted", message_id=one.record.message_id, reason=cause(unnoted))


def _back_off(record: SQSRecord, queue_url: str) -> None:
    """Have the message come back sooner than after the queue's timeout, which is sized for a hang.

    The first wait is short, for a hiccup; the later ones are long, so that the attempts which a
    queue gives a message outlast minutes of an outage. Exponential with equal jitter:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    longest = min(LONGEST_BACKOFF_SECONDS, 2 * 6 ** min(_received(record) - 1, 5))
    seconds = random.randint(longest // 2, longest)  # noqa: S311
    # Where this fails only the wait is lost: the message comes back after the queue's own timeout.
    with suppress(ClientError, BotoCoreError):
        wiring.sqs().change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=record.receipt_handle, VisibilityTimeout=seconds
        )


def _received(record: SQSRecord) -> int:
    return int(record.attributes.approximate_receive_count or 1)
