"""A pipeline whose bucket tells of what is put into it and deleted from it, as S3 does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ragline.adapters.memory.objects import MemoryObjects
from ragline.domain.documents import Document, Status
from ragline.domain.ledger import NewDocument
from tests.unit.pipeline import HANDBOOK, Pipeline


class TellingObjects(MemoryObjects):
    """``events``: (key, whether it was removed) of uploads, as yet undelivered."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, bool]] = []

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        super().put(key, data, content_type)
        if key.startswith("uploads/"):
            self.events.append((key, False))

    def delete(self, keys: Iterable[str]) -> None:
        gone = [key for key in keys if self.get(key) is not None]
        super().delete(gone)
        self.events += [(key, True) for key in gone if key.startswith("uploads/")]


@dataclass
class Bucket:
    """What a person does, and what the stack then does by itself."""

    pipeline: Pipeline = field(default_factory=lambda: Pipeline(objects=TellingObjects()))
    order: int = 0

    @property
    def objects(self) -> TellingObjects:
        assert isinstance(self.pipeline.objects, TellingObjects)
        return self.pipeline.objects

    def push(self, data: bytes, document_id: str = "doc", filename: str = "papers.zip") -> str:
        """Register a document and put its bytes; its key."""
        key = f"uploads/{HANDBOOK}/{document_id}/{filename}"
        self.pipeline.ledger.create(
            NewDocument(HANDBOOK, document_id, filename, key, metadata={"year": 2026})
        )
        self.objects.put(key, data)
        return key

    def next_event(self) -> tuple[str, str, bool]:
        """Key, sequencer, and whether it was removed."""
        key, removed = self.objects.events.pop(0)
        self.order += 1
        return key, f"{self.order:04d}", removed

    def settle(self) -> None:
        """Deliver all events and messages until there are none."""
        while self.objects.events or self.busy:
            while self.objects.events:
                key, order, removed = self.next_event()
                if removed:
                    self.pipeline.removed(key, order)
                else:
                    self.pipeline.split(key, order)
            self.pipeline.run()

    @property
    def busy(self) -> bool:
        queues = self.pipeline.queues
        return bool(queues.parts or queues.pages or queues.ops)

    def take_in(self, data: bytes, document_id: str = "doc", filename: str = "papers.zip") -> None:
        self.push(data, document_id, filename)
        self.settle()

    def children(self, document_id: str = "doc") -> dict[str, Document]:
        """Path → the living document that came in this one."""
        ledger = self.pipeline.ledger
        known = (
            ledger.get("default", child.document_id)
            for child in ledger.children("default", document_id)
        )
        return {
            one.origin.path: one
            for one in known
            if one is not None and one.origin and one.status is not Status.DELETED
        }

    def skipped(self, document_id: str = "doc") -> dict[str, str]:
        """Path → the code of why it is no document."""
        found = self.pipeline.ledger.children("default", document_id)
        return {one.path: one.reason.code for one in found if one.reason}

    def answers(self, query: str) -> set[str]:
        """The ids of the documents that a query finds."""
        return {hit.passage.document_id for hit in self.pipeline.search(query)}
