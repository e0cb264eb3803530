"""A Ragline in memory, and what stands in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragline.adapters.memory.analyses import MemoryAnalyses, MemoryOrders
from ragline.adapters.memory.index import MemoryIndex, MemoryIndexes
from ragline.adapters.memory.keys import MemoryKeys
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.memory.passwords import MemoryPasswords
from ragline.adapters.memory.push import (
    MemoryBus,
    MemoryReceivers,
    MemorySecrets,
    MemoryTickets,
    MemoryWebhooks,
)
from ragline.adapters.memory.queues import MemoryQueues
from ragline.adapters.memory.usage import MemoryUsageBook
from ragline.domain.chunks import CHUNKS_PER_PART, Chunk, Part, Row
from ragline.domain.documents import Document, Metadata, Partition, Reason, Status
from ragline.domain.ledger import ChunkState, Failure, NewDocument
from ragline.domain.pages import PageCounts
from ragline.embedding.hashing import HashEmbedder
from ragline.embedding.model import Card
from ragline.ports import Reranker
from ragline.settings import Settings
from ragline.usecases.parts import cut_parts, write_part

EVENTS = Path(__file__).parents[3] / "events"


@dataclass
class World:
    """Fakes behind every port; ``asked`` names those that were built, in order."""

    config: Settings = field(default_factory=lambda: Settings(max_file_bytes=10_000_000))
    the_ledger: MemoryLedger = field(default_factory=MemoryLedger)
    the_objects: MemoryObjects = field(default_factory=MemoryObjects)
    the_queues: MemoryQueues = field(default_factory=MemoryQueues)
    the_indexes: MemoryIndexes = field(default_factory=MemoryIndexes)
    the_embedder: HashEmbedder = field(default_factory=HashEmbedder)
    the_reranker: Reranker | None = None
    the_keys: MemoryKeys = field(default_factory=MemoryKeys)
    the_usage: MemoryUsageBook = field(default_factory=MemoryUsageBook)
    the_webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    the_webhook_secrets: MemorySecrets = field(default_factory=MemorySecrets)
    the_receivers: MemoryReceivers = field(default_factory=MemoryReceivers)
    the_deliveries: MemoryBus = field(default_factory=MemoryBus)
    the_tickets: MemoryTickets = field(default_factory=MemoryTickets)
    the_passwords: MemoryPasswords = field(default_factory=MemoryPasswords)
    the_orders: MemoryOrders = field(default_factory=MemoryOrders)
    asked: list[str] = field(default_factory=list)
    broken: dict[str, Exception] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.the_analyses = MemoryAnalyses(self.the_ledger)

    def settings(self) -> Settings:
        self._ask("settings")
        return self.config

    def ledger(self) -> MemoryLedger:
        self._ask("ledger")
        return self.the_ledger

    def objects(self) -> MemoryObjects:
        self._ask("objects")
        return self.the_objects

    def queues(self) -> MemoryQueues:
        self._ask("queues")
        return self.the_queues

    def index(self) -> MemoryIndex:
        self._ask("index")
        return self.the_index

    def indexes(self) -> MemoryIndexes:
        self._ask("indexes")
        return self.the_indexes

    @property
    def the_index(self) -> MemoryIndex:
        return self.the_indexes.of(self.the_embedder.fingerprint)

    def embedder(self) -> HashEmbedder:
        self._ask("embedder")
        return self.the_embedder

    def reranker(self) -> Reranker | None:
        self._ask("reranker")
        return self.the_reranker

    def webhooks(self) -> MemoryWebhooks:
        self._ask("webhooks")
        return self.the_webhooks

    def webhook_secrets(self) -> MemorySecrets:
        self._ask("webhook_secrets")
        return self.the_webhook_secrets

    def receivers(self) -> MemoryReceivers:
        self._ask("receivers")
        return self.the_receivers

    def deliveries(self) -> MemoryBus:
        self._ask("deliveries")
        return self.the_deliveries

    def tickets(self) -> MemoryTickets:
        self._ask("tickets")
        return self.the_tickets

    def passwords(self) -> MemoryPasswords:
        self._ask("passwords")
        return self.the_passwords

    def analyses(self) -> MemoryAnalyses:
        self._ask("analyses")
        return self.the_analyses

    def analysis_orders(self) -> MemoryOrders:
        self._ask("analysis_orders")
        return self.the_orders

    def keys(self) -> MemoryKeys:
        self._ask("keys")
        return self.the_keys

    def usage_book(self) -> MemoryUsageBook:
        self._ask("usage_book")
        return self.the_usage

    def model(self) -> Card:
        self._ask("model")
        return Card("mini", "int8", 384, 256, "mini-1-int8", "", "")

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if name in self.broken:
            raise self.broken[name]

    def indexed(
        self,
        *texts: str,
        document_id: str = "guide",
        collection: str = "handbook",
        tenant: str = "default",
        metadata: Metadata | None = None,
        failed: int = 0,
        code: str = "",
    ) -> Document:
        """A document that went all the way, one chunk for each text, two chunks a page.

        The first ``failed`` of them failed, with ``code``.
        """
        partition = Partition(tenant, collection)
        key = f"uploads/{partition}/{document_id}/guide.md"
        new = NewDocument(
            partition, document_id, "guide.md", key, "text/markdown", 9, metadata=metadata or {}
        )
        self.the_ledger.create(new)
        self.the_objects.put(key, b"the bytes")
        before = self.the_ledger.get(tenant, document_id)
        sequencer = f"{(before.generation if before else 0) + 1:X}"
        document = self.the_ledger.begin(new, sequencer, "parser-1")
        assert document
        chunks = [
            Chunk(n, text, 5, n * 10, n * 10 + len(text), ("Top",), n // 2 + 1, n // 2 + 1)
            for n, text in enumerate(texts)
        ]
        base = Part(partition, document_id, document.generation, 0, CHUNKS_PER_PART)
        for part, run in cut_parts(base, chunks):
            write_part(self.the_objects, part, run)
        self.the_ledger.plan_ranges(document, 1, 3)
        self.the_ledger.record_range(document, 0, len(chunks), PageCounts(text=3))
        vectors = self.the_embedder.embed(texts)
        self.the_index.upsert(
            partition,
            [
                Row(document_id, document.generation, chunk, "guide.md", vector, metadata or {})
                for chunk, vector in zip(chunks[failed:], vectors[failed:], strict=True)
            ],
        )
        done = range(failed, len(chunks))
        self.the_ledger.record_chunks(document, done, ChunkState.INDEXED)
        for ordinal in range(failed):
            reason = Reason(code, "it failed.", "embed", chunk=ordinal)
            self.the_ledger.record_chunks(document, [ordinal], ChunkState.FAILED, reason)
            self.the_ledger.record_failure(
                tenant, document_id, Failure(document.generation, reason)
            )
        settled = self.the_ledger.settle(tenant, document_id, document.generation)
        assert settled
        return settled

    def partial(self, *texts: str, code: str, **parts: Any) -> Document:
        """A document whose first chunk failed with ``code``."""
        document = self.indexed(*texts, failed=1, code=code, **parts)
        assert document.status is Status.PARTIAL
        return document

    def corrupt(self, document_id: str, tenant: str = "default") -> Document:
        """A document that could not be read, and never will be."""
        partition = Partition(tenant, "handbook")
        key = f"uploads/{partition}/{document_id}/scan.pdf"
        self.the_objects.put(key, b"the bytes")
        new = NewDocument(partition, document_id, "scan.pdf", key)
        self.the_ledger.begin(new, "1", "parser-1")
        self.the_ledger.fail(tenant, document_id, 1, Reason("corrupt", "it is.", "split"))
        document = self.the_ledger.get(tenant, document_id)
        assert document
        return document
