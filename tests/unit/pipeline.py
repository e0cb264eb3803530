"""The whole pipeline in one process, on the fakes: what the queues would do, done by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ragline.adapters.memory import MemoryLedger, MemoryObjects, MemoryQueues
from ragline.adapters.memory_index import MemoryIndex
from ragline.domain.documents import Document, Partition
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import Delete, PageRange, PartReady, Upsert
from ragline.embedding.hashing import HashEmbedder
from ragline.ports import Embedder
from ragline.usecases.cut import Limits
from ragline.usecases.embed import embed_parts
from ragline.usecases.index import apply_ops
from ragline.usecases.search import Hit, SearchRequest, search
from ragline.usecases.split import Outcome, split_range, split_upload

HANDBOOK = Partition("default", "handbook")
LIMITS = Limits(
    file_bytes=1_000_000,
    pages=50,
    chunks=1_000,
    pages_per_range=10,
    chunk_tokens=16,
    overlap_tokens=2,
)


class WordTokenizer:
    """One token per word or mark."""

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)]


@dataclass
class Pipeline:
    """``drop`` is the bucket's event; each other method delivers messages to one function."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    index: MemoryIndex = field(default_factory=MemoryIndex)
    embedder: Embedder = field(default_factory=HashEmbedder)
    limits: Limits = LIMITS

    def drop(
        self,
        text: str | bytes,
        document_id: str = "doc",
        sequencer: str = "1",
        filename: str = "doc.md",
    ) -> Outcome:
        """Register the document, put its bytes, and let the bucket tell the splitter."""
        data = text.encode() if isinstance(text, str) else text
        key = f"uploads/{HANDBOOK}/{document_id}/{filename}"
        self.ledger.create(NewDocument(HANDBOOK, document_id, filename, key))
        self.objects.put(key, data)
        return self.split(key, sequencer)

    def split(self, key: str, sequencer: str) -> Outcome:
        return split_upload(
            key,
            sequencer,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
            tokenizer=WordTokenizer(),
            limits=self.limits,
        )

    def split_range(self, message: PageRange) -> Outcome:
        return split_range(
            message,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
            tokenizer=WordTokenizer(),
            limits=self.limits,
        )

    def embed(self, messages: Sequence[PartReady]) -> set[int]:
        """The positions that must be delivered again."""
        failed = embed_parts(
            messages,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
            embedder=self.embedder,
        )
        return set(failed)

    def apply(self, ops: Sequence[Upsert | Delete]) -> int:
        """How many operations from the front are done."""
        done, _ = apply_ops(
            HANDBOOK,
            ops,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
            index=self.index,
        )
        return done

    def waiting_parts(self) -> list[PartReady]:
        """Take everything off the Chunks queue."""
        parts, self.queues.parts = self.queues.parts, []
        return [PartReady.of(part) for part in parts]

    def waiting_ops(self) -> list[Upsert | Delete]:
        """Take everything off the IndexOps queue."""
        ops, self.queues.ops = self.queues.ops, []
        return list(ops)

    def run(self) -> None:
        """Deliver until every queue is empty."""
        while self.queues.parts or self.queues.ranges or self.queues.ops:
            ranges, self.queues.ranges = self.queues.ranges, []
            for message in ranges:
                self.split_range(message)
            self.embed(self.waiting_parts())
            self.apply(self.waiting_ops())

    def document(self, document_id: str = "doc") -> Document:
        found = self.ledger.get("default", document_id)
        assert found is not None
        return found

    def search(self, query: str, **options: object) -> Sequence[Hit]:
        request = SearchRequest(HANDBOOK, query, **options)  # type: ignore[arg-type]
        return search(request, embedder=self.embedder, index=self.index, ledger=self.ledger).hits
