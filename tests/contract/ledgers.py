"""Ledgers to test, and short words for what is done to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb import items
from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.documents import Document, Partition, Reason, dropped_id
from ragline.domain.ledger import Audit, ChunkState, NewDocument
from ragline.domain.pages import PageCounts
from ragline.ports import Ledger
from tests.contract import aws

HOME = Partition("acme", "papers")
AWAY = Partition("acme", "letters")
RIVAL = Partition("rival", "papers")
BAD = Reason("embedding_failed", "The model could not read it.", "embed", chunk=3)
WORSE = Reason("corrupt", "The file is broken.", "split", page=2)


@dataclass
class Clock:
    """A second later whenever it is read."""

    moment: datetime = field(default=datetime(2026, 1, 1, tzinfo=UTC))

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment

    def skip(self, by: timedelta) -> None:
        self.moment += by


_names = itertools.count()


def fresh_dynamo(
    client: Any = None, backoff: Backoff | None = None, clock: Clock | None = None
) -> DynamoLedger:
    dynamodb = client or aws.client("dynamodb")
    table = aws.make_table(dynamodb, f"ledger-{next(_names)}")
    patient = backoff or Backoff(sleep=lambda _: None)
    return DynamoLedger(table, client=dynamodb, now=clock or Clock(), backoff=patient)


def new(document_id: str = "d1", partition: Partition = HOME, **known: Any) -> NewDocument:
    key = f"uploads/{partition}/{document_id}/a.txt"
    return NewDocument(partition, document_id, "a.txt", key, **known)


def dropped(name: str = "a.txt") -> NewDocument:
    """A file that no one registered."""
    key = f"uploads/{HOME}/{name}"
    return NewDocument(HOME, dropped_id(key), name, key)


def begun(ledger: Ledger, document: NewDocument | None = None, sequencer: str = "01") -> Document:
    started = ledger.begin(document or new(), sequencer, "p1")
    assert started is not None
    return started


def split(ledger: Ledger, chunks: int, document: NewDocument | None = None) -> Document:
    """A document whose one page range is cut into ``chunks`` chunks."""
    started = begun(ledger, document)
    ledger.plan_ranges(started, 1, 0)
    ledger.record_range(started, 0, chunks, PageCounts())
    return started


def known(ledger: Ledger, document: Document | NewDocument) -> Document:
    found = ledger.get(document.partition.tenant, document.document_id)
    assert found is not None
    return found


def settle(ledger: Ledger, document: Document) -> Document | None:
    return ledger.settle(document.partition.tenant, document.document_id, document.generation)


def finish(ledger: Ledger, document: Document, chunks: int) -> Document:
    ledger.record_chunks(document, range(chunks), ChunkState.INDEXED)
    ended = settle(ledger, document)
    assert ended is not None
    return ended


def counts(ledger: Ledger, document: Document) -> tuple[int, int, int]:
    progress = known(ledger, document).progress
    return progress.embedded, progress.failed, progress.indexed


def ids(documents: Sequence[Document]) -> list[str]:
    return [document.document_id for document in documents]


def audits(ledger: Ledger) -> dict[tuple[str, str], Audit]:
    told = {
        (one.document.partition.tenant, one.document.document_id): one for one in ledger.audit()
    }
    assert len(told) == len(list(ledger.audit()))
    return told


def tamper(ledger: Ledger, document: Document, **counts: int) -> None:
    """Set counts as no ledger would: as a fault, or a hand at the table, would."""
    tenant, one = document.partition.tenant, document.document_id
    if isinstance(ledger, MemoryLedger):
        record = ledger._records[tenant, one]
        progress = replace(record.document.progress, **counts)
        ledger._records[tenant, one] = replace(
            record, document=replace(record.document, progress=progress)
        )
        return
    assert isinstance(ledger, DynamoLedger)
    ledger._table._client.update_item(
        TableName=ledger._table.name,
        Key=items.key(items.document_pk(tenant, one), items.META),
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in counts),
        ExpressionAttributeNames={f"#{name}": name for name in counts},
        ExpressionAttributeValues={f":{name}": {"N": str(by)} for name, by in counts.items()},
    )


class Flaky:
    """A client that fails the first ``times`` calls of ``method`` with ``error``."""

    def __init__(self, client: Any, method: str, times: int, answer: Any) -> None:
        self.left = times
        self._client, self._method, self._answer = client, method, answer

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)

        def call(**request: Any) -> Any:
            if name == self._method and self.left:
                self.left -= 1
                return self._answer(real, request)
            return real(**request)

        return call


def cancelled(*codes: str) -> Callable[..., Any]:
    def answer(real: Any, request: Any) -> Any:
        wanted = itertools.chain(codes, itertools.repeat("None"))
        reasons = [
            {"Code": code} for code, _ in zip(wanted, request["TransactItems"], strict=False)
        ]
        response: Any = {
            "Error": {"Code": "TransactionCanceledException"},
            "CancellationReasons": reasons,
        }
        raise ClientError(response, "TransactWriteItems")

    return answer


def flaky(method: str, times: int, answer: Any) -> DynamoLedger:
    client = aws.client("dynamodb")
    table = aws.make_table(client, f"ledger-{next(_names)}")
    quick = Backoff(tries=5, sleep=lambda _: None)
    broken = Flaky(client, method, times, answer)
    return DynamoLedger(table, client=broken, now=Clock(), backoff=quick)  # type: ignore[arg-type]


def racing(ledger: DynamoLedger, method: str, answer: Any) -> DynamoLedger:
    """Another ledger of the same table, whose first call of ``method`` gets this ``answer``."""
    table = ledger._table
    client = Flaky(table._client, method, 1, answer)
    return DynamoLedger(table.name, client=client, now=ledger._clock)  # type: ignore[arg-type]
