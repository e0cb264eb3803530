"""What the ledger costs: DynamoDB request units per chunk, from each call that is really made.

    python -m tests.write_units

The use cases run over the real ledger on an in-process DynamoDB; ``metering`` prices every request.
Queues are delivered as template.yaml has it: ten messages (160 chunks) to an embedder at a time,
and what that makes is indexed before the next ten. That is an ingest that is under way; where
messages come one by one, since little is going on, a chunk costs more: the last rows say how much.
Nobody gets in anybody's way here, so transactions that conflict and are repeated are not in it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import moto.dynamodb.models as moto_models
import pytest
from rich.console import Console
from rich.table import Table

from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.domain.documents import Status
from ragline.domain.errors import EmbeddingFailed
from ragline.embedding.hashing import HashEmbedder
from ragline.usecases import upload
from tests.contract.aws import client, in_process_aws, make_table
from tests.metering import Metered, Units
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZES = (1, 16, 160, 1_600)
BATCH = 10
"""Messages of the Chunks queue that one invocation takes; template.yaml has it."""

FAILED_EVERY = 20
FILENAME = "care of the western gate.md"
METADATA = {"author": "M. Rossi", "year": 2026, "language": "en"}
_UNREADABLE = "unreadable"


@dataclass
class FailingEmbedder(HashEmbedder):
    """Embeds no text that says it is unreadable, until it is mended."""

    broken: bool = True

    def __post_init__(self) -> None:
        super().__init__()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.broken and any(_UNREADABLE in text for text in texts):
            raise EmbeddingFailed("the model cannot read this.")
        return super().embed(texts)


@dataclass
class World:
    """The pipeline over a metered ledger; everything else is in memory."""

    pipeline: Pipeline
    meter: Metered
    embedder: FailingEmbedder
    batch: int
    sequencers: list[str] = field(default_factory=lambda: [f"{n:04x}" for n in range(9, 0, -1)])

    def push(self, text: str, document_id: str = "") -> str:
        """Bring a file as the API does, and do all that follows."""
        data = text.encode()
        request = upload.UploadRequest(
            HANDBOOK, FILENAME, len(data), metadata=METADATA, document_id=document_id
        )
        entered = upload.store(
            request,
            data,
            ledger=self.pipeline.ledger,
            objects=self.pipeline.objects,
            limits=upload.Limits(file_bytes=LIMITS.file_bytes, upload_expires=3_600),
        )
        self.pipeline.split(entered.document.upload_key, self.sequencers.pop())
        self.deliver()
        return entered.document.document_id

    def retry(self, document_id: str) -> None:
        self.pipeline.retry(document_id, force=True)
        self.deliver()

    def delete(self, document_id: str) -> None:
        key = self.pipeline.document(document_id).upload_key
        self.pipeline.delete(document_id)
        self.pipeline.removed(key, self.sequencers.pop())
        self.deliver()

    def deliver(self) -> None:
        """Everything that waits, a batch at a time; what one embeds is indexed before the next."""
        waiting = iter(self.pipeline.waiting_parts())
        while parts := list(islice(waiting, self.batch)):
            assert not self.pipeline.embed(parts)
            self._index()
        self._index()
        assert not (self.pipeline.queues.parts or self.pipeline.queues.pages)

    def _index(self) -> None:
        if ops := self.pipeline.waiting_ops():
            assert self.pipeline.apply(ops) == len(ops)

    def standing(self, document_id: str) -> tuple[Status, int]:
        """The status, and how many chunks are indexed."""
        document = self.pipeline.document(document_id)
        return document.status, document.progress.indexed


def text(chunks: int, *, changed: int = -1, unreadable: int = 0) -> str:
    """A file of so many chunks; the paragraph ``changed`` reads otherwise."""
    paragraphs = []
    for number in range(chunks):
        hour = "ten" if number == changed else "nine"
        bad = f" {_UNREADABLE}" if unreadable and number % unreadable == 0 else ""
        paragraphs.append(f"# Gate {number}\n\nThe gate {number} opens at {hour}{bad}.")
    return "\n\n".join(paragraphs)


def measured(chunks: int) -> dict[str, Units]:
    """What each thing that is done to a document of so many chunks uses."""
    used = {"first ingest": first_ingest(chunks)}
    with opened() as world:
        made = world.push(text(chunks))
        world.meter.since_last()
        world.push(text(chunks, changed=chunks // 2), made)
        used["replace, one paragraph changed"] = world.meter.since_last()
        assert world.standing(made) == (Status.INDEXED, chunks)
        assert world.pipeline.document(made).live_generation == 2

        world.meter.since_last()
        world.delete(made)
        used["delete after that"] = world.meter.since_last()
        assert world.standing(made)[0] is Status.DELETED

        world.meter.since_last()
        made = world.push(text(chunks, unreadable=FAILED_EVERY))
        used["ingest, 5 % fail"] = world.meter.since_last()
        failed = -(-chunks // FAILED_EVERY)
        expected = Status.PARTIAL if failed < chunks else Status.FAILED
        assert world.standing(made) == (expected, chunks - failed)

        world.embedder.broken = False
        world.meter.since_last()
        world.retry(made)
        used["retry of these 5 %"] = world.meter.since_last()
        assert world.standing(made) == (Status.INDEXED, chunks)
    return used


def first_ingest(chunks: int, batch: int = BATCH) -> Units:
    with opened(batch) as world:
        made = world.push(text(chunks))
        used = world.meter.since_last()
        assert world.standing(made) == (Status.INDEXED, chunks)
    return used


@contextmanager
def opened(batch: int = BATCH) -> Iterator[World]:
    with in_process_aws(), _without_backups():
        dynamodb = client("dynamodb")
        name = make_table(dynamodb)
        meter, embedder = Metered(dynamodb, name), FailingEmbedder()
        ledger: Any = DynamoLedger(name, client=meter)  # type: ignore[arg-type]
        limits = replace(LIMITS, chunks=10_000)
        yield World(
            Pipeline(ledger=ledger, embedder=embedder, limits=limits), meter, embedder, batch
        )


@contextmanager
def _without_backups() -> Iterator[None]:
    """moto copies the whole table for each item of a transaction, to restore it if that is
    cancelled: hours for 1,600 chunks. None is cancelled here; the table would be None after that.
    """

    def deepcopy(of: Any) -> Any:
        return None if isinstance(of, moto_models.Table) else copy.deepcopy(of)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moto_models, "copy", SimpleNamespace(deepcopy=deepcopy))
        yield


def main() -> None:
    console = Console(width=120)
    everything = {size: measured(size) for size in SIZES}
    table = Table("", "chunks", "writes", "a chunk", "reads", "a chunk", title="Request units")
    for name in everything[SIZES[0]]:
        for size, units in everything.items():
            table.add_row(*_row(name, size, units[name]))
        table.add_section()
    for size in SIZES[1:]:
        table.add_row(*_row("first ingest, messages one by one", size, first_ingest(size, 1)))
    console.print(table)

    ingests = {size: units["first ingest"] for size, units in everything.items()}
    kinds = sorted({kind for used in ingests.values() for kind in used.writes})
    shares = Table("document of", *kinds, "all", title="First ingest: write units by record")
    for size, used in ingests.items():
        each = (f"{used.writes[kind]:,}" for kind in kinds)
        shares.add_row(f"{size:,}", *each, f"{used.written:,}")
    console.print(shares)
    console.print(
        "documents: changes of status and plan; counts: the document's counts, in one transaction "
        "with what they count; collections: only the first document with these metadata fields."
    )


def _row(name: str, size: int, used: Units) -> tuple[str, ...]:
    writes, reads = used.written, used.reads
    return (
        name,
        *(f"{size:,}", f"{writes:,}", f"{writes / size:.2f}", f"{reads:,}", f"{reads / size:.2f}"),
    )


if __name__ == "__main__":
    main()
