"""The queues on SQS.

SendMessageBatch succeeds as a whole and fails in parts: entries in ``Failed`` were not sent, and
are sent again. On the FIFO queue a later message must not overtake one that failed, so a batch
holds of each group one message, or upserts of different documents, which may change places; and a
group goes on only when they are through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from ragline.adapters.aws_errors import of_code, translated
from ragline.adapters.backoff import Backoff
from ragline.domain.chunks import Part
from ragline.domain.documents import Partition
from ragline.domain.errors import ServiceUnavailable, TransientError
from ragline.domain.messages import IndexOp, PageWork, PartReady, Upsert
from ragline.ports import Backlog

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef as Entry

_COUNTS: Sequence[QueueAttributeNameType] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
"""Those that wait, are in hand, or are held back."""

_BATCH = 10
_LONGEST_GROUP = 128


class SqsQueues:
    """``ports.Queues``."""

    def __init__(
        self,
        client: SQSClient,
        *,
        chunks_url: str,
        pages_url: str,
        index_ops_url: str,
        backoff: Backoff | None = None,
    ) -> None:
        self._client = client
        self._chunks_url = chunks_url
        self._pages_url = pages_url
        self._index_ops_url = index_ops_url
        self._backoff = backoff or Backoff(tries=6, first=0.05)

    def send_parts(self, parts: Sequence[Part], *, nonce: str = "", trace_id: str = "") -> None:
        bodies = [PartReady.of(part, nonce, trace_id).model_dump_json() for part in parts]
        self._send(self._chunks_url, [{"Id": "", "MessageBody": body} for body in bodies])

    def send_pages(self, work: Sequence[PageWork], *, delay: int = 0) -> None:
        bodies = [one.model_dump_json() for one in work]
        entries: list[Entry] = [
            {"Id": "", "MessageBody": body, "DelaySeconds": delay} for body in bodies
        ]
        self._send(self._pages_url, entries)

    def send_ops(self, ops: Sequence[IndexOp]) -> None:
        groups: dict[str, list[IndexOp]] = {}
        for op in ops:
            groups.setdefault(group_id(op.partition), []).append(op)
        turns = [_turns(group, some) for group, some in groups.items()]
        for wave in zip_longest(*turns, fillvalue=[]):
            self._send(self._index_ops_url, [entry for entries in wave for entry in entries])

    def backlog(self) -> Backlog:
        return Backlog(
            pages=self._messages(self._pages_url),
            chunks=self._messages(self._chunks_url),
            index_ops=self._messages(self._index_ops_url),
        )

    def _messages(self, url: str) -> int:
        with translated(_name(url)):
            answer = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)
        return sum(int(answer["Attributes"][count]) for count in _COUNTS)

    def _send(self, url: str, entries: Sequence[Entry]) -> None:
        for batch in _batches(entries):
            send_batch(self._client, url, batch, self._backoff)


def send_batch(client: SQSClient, url: str, batch: Sequence[Entry], backoff: Backoff) -> None:
    """Send at most ten messages, all of them; their ids are given here.

    Raises:
        ServiceUnavailable: some could not be sent however often we tried; says how many.
    """
    what = _name(url)
    for _ in backoff.attempts():
        numbered: list[Entry] = [{**one, "Id": str(n)} for n, one in enumerate(batch)]
        with translated(what):
            answer = client.send_message_batch(QueueUrl=url, Entries=numbered)
        failed = answer.get("Failed", [])
        if not failed:
            return
        for one in failed:
            error = of_code(one.get("Code", "unknown"), what, "SendMessageBatch")
            if one.get("SenderFault") and not isinstance(error, TransientError):
                raise error
        batch = [batch[int(one["Id"])] for one in failed]
    raise ServiceUnavailable(f"{what}: {len(batch)} messages could not be sent.")


def group_id(partition: Partition) -> str:
    """The partition's name as a MessageGroupId; a hash of it if it is too long for one."""
    name = str(partition)
    if len(name) <= _LONGEST_GROUP:
        return name
    return hashlib.sha256(name.encode()).hexdigest()


def _name(url: str) -> str:
    return f"queue {url.rsplit('/', 1)[-1]}"


def _turns(group: str, ops: Sequence[IndexOp]) -> list[list[Entry]]:
    """One group's messages in their order; those of a turn may be sent at once."""
    turns: list[list[Entry]] = []
    at_once: set[str] = set()
    for op in ops:
        upserted = op.document_id if isinstance(op, Upsert) else ""
        if not upserted or upserted in at_once or not at_once:
            turns.append([])
            at_once.clear()
        if upserted:
            at_once.add(upserted)
        turns[-1].append(_ordered(group, op.model_dump_json()))
    return turns


def _ordered(group: str, body: str) -> Entry:
    return {
        "Id": "",
        "MessageBody": body,
        "MessageGroupId": group,
        "MessageDeduplicationId": hashlib.sha256(body.encode()).hexdigest(),
    }


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    left = iter(entries)
    while some := list(islice(left, _BATCH)):
        yield some
