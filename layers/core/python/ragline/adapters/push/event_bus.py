"""Events of documents on EventBridge, and deliveries on their queue: both in batches that fail in
parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from ragline.adapters.aws_errors import of_code, translated
from ragline.adapters.backoff import Backoff
from ragline.adapters.sqs_queues import send_batch
from ragline.domain.changes import Change
from ragline.domain.errors import ServiceUnavailable, TransientError
from ragline.domain.webhooks import Delivery

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef as Event
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef as Entry

T = TypeVar("T")

SOURCE = "ragline"

_MOST = 10
_BYTES = 240_000
"""Of one request; both services take 256 KB at least."""


class EventBridge:
    """``ports.EventBus``."""

    def __init__(
        self, bus: str, *, client: EventBridgeClient, backoff: Backoff | None = None
    ) -> None:
        self._bus = bus
        self._client = client
        self._backoff = backoff or Backoff(tries=6, first=0.05)

    def put(self, changes: Sequence[Change], detail: Callable[[Change], str]) -> None:
        events = [self._event(change, detail(change)) for change in changes]
        for batch in _batches(events, lambda one: str(one["Detail"])):
            self._put(batch)

    def _event(self, change: Change, detail: str) -> Event:
        return {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": detail_type(change),
            "Detail": detail,
            "Time": datetime.fromisoformat(change.document.updated_at),
        }

    def _put(self, batch: Sequence[Event]) -> None:
        """Raises:
        ServiceUnavailable: some were not taken however often we tried; says how many.
        """
        what = f"event bus {self._bus}"
        for _ in self._backoff.attempts():
            with translated(what):
                answer = self._client.put_events(Entries=batch)
            if not answer.get("FailedEntryCount"):
                return
            # In the order of the request; those that were taken have no code.
            # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
            failed = [one.get("ErrorCode", "") for one in answer["Entries"]]
            for code in filter(None, failed):
                error = of_code(code, what, "PutEvents")
                if not isinstance(error, TransientError):
                    raise error
            batch = [one for one, code in zip(batch, failed, strict=True) if code]
        raise ServiceUnavailable(f"{what}: {len(batch)} events were not taken.")


class SqsDeliveries:
    """``ports.Deliveries``."""

    def __init__(self, url: str, *, client: SQSClient, backoff: Backoff | None = None) -> None:
        self._url = url
        self._client = client
        self._backoff = backoff or Backoff(tries=6, first=0.05)

    def send(self, deliveries: Sequence[Delivery]) -> None:
        bodies = [one.model_dump_json() for one in deliveries]
        for batch in _batches(bodies, str):
            entries: list[Entry] = [{"Id": "", "MessageBody": body} for body in batch]
            send_batch(self._client, self._url, entries, self._backoff)


def detail_type(change: Change) -> str:
    """Such as ``Document Indexed``."""
    return f"Document {change.document.status.value.capitalize()}"


def _batches(entries: Sequence[T], text: Callable[[T], str]) -> Iterator[list[T]]:
    batch: list[T] = []
    size = 0
    for one in entries:
        length = len(text(one).encode())
        if batch and (len(batch) == _MOST or size + length > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    if batch:
        yield batch
