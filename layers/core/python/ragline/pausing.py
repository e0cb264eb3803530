"""Messages that wait for an overloaded service, or for the next invocation, without being failures.

A queue gives a message five receives and no more, so a message that comes back because of load
would in the end be a dead letter, healthy as it is. Instead a copy is sent, with one pause more,
and the original is consumed: the copy's receives start over.

The copy's ``nonce`` is the id of the original. So no two copies in a row are the same message to a
FIFO queue, which drops a body that it saw in the last five minutes; yet an original that is
delivered again, because its consumption failed, has only the same copy to send, which is dropped.

A standard queue delays the copy. A FIFO queue takes no delay for one message, so the wait is spent
within the invocation, which holds back the rest of the group meanwhile. The copy then stands
behind what was sent since. That is safe: the indexer drops upserts of generations that are no
longer wanted, and a Delete says ``below`` which generation rows go.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from ragline import wiring
from ragline.domain.errors import OutOfTime, Throttled
from ragline.domain.messages import Envelope

MAX_PAUSES = 128
"""After so many an error of load counts as any other. On a standard queue that is about a day:
128 waits of 11 minutes on average, less while they grow. On a FIFO queue it is a few hours."""

FIRST_SECONDS = 15
LONGEST_SECONDS = 900
"""The longest that SQS delays a message."""

SEND_SECONDS = 5
"""Kept back from the invocation's time by a wait in it, to send the copies and to answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """A message that could not be worked on, and why; ``message`` is None if it was not read."""

    record: SQSRecord
    error: Exception
    message: Envelope | None = None

    @property
    def pausable(self) -> bool:
        """Whether the message is not to blame, and has not been paused too often."""
        return (
            isinstance(self.error, (Throttled, OutOfTime))
            and self.message is not None
            and self.message.pauses < MAX_PAUSES
        )

    @property
    def delay(self) -> int:
        """Seconds to wait: growing with the pauses, equal jitter; none if only time ran out."""
        if isinstance(self.error, OutOfTime) or self.message is None:
            return 0
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2**self.message.pauses)
        return random.randint(longest // 2, longest)  # noqa: S311 - not a secret


def pause(failed: Sequence[Failed], context: LambdaContext, queue_url: str) -> list[Failed]:
    """Send a copy of each of these pausable messages, in their order; the originals are consumed.

    Returns those of which no copy could be sent: they are still to be kept by the queue.
    """
    if not is_fifo(queue_url):
        return [one for one in failed if not _send(one, queue_url, DelaySeconds=one.delay)]
    wait = max((one.delay for one in failed), default=0)
    left = context.get_remaining_time_in_millis() / 1_000 - SEND_SECONDS
    time.sleep(max(0.0, min(wait, left)))
    unsent: list[Failed] = []
    stuck: set[str] = set()
    for one in failed:
        group = str(one.record.attributes.message_group_id)
        # What follows a message that stays where it is stays behind it.
        if group in stuck or not _send(one, queue_url, MessageGroupId=group):
            stuck.add(group)
            unsent.append(one)
    return unsent


def is_fifo(queue_url: str) -> bool:
    return queue_url.endswith(".fifo")


def _send(one: Failed, queue_url: str, **how: Any) -> bool:
    body = _copy(one.record)
    if "MessageGroupId" in how:
        how["MessageDeduplicationId"] = hashlib.sha256(body.encode()).hexdigest()
    try:
        wiring.sqs().send_message(QueueUrl=queue_url, MessageBody=body, **how)
    except (ClientError, BotoCoreError):
        return False
    return True


def _copy(record: SQSRecord) -> str:
    """The body as it came, with one pause more: fields that we do not know go on with it."""
    fields = json.loads(record.body)
    pauses = fields.get("pauses", 0) + 1
    return json.dumps({**fields, "pauses": pauses, "nonce": record.message_id})
