"""The whole pipeline in one process, on the fakes: what the queues would do, done by hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from ragline.adapters.local_files import LocalFiles
from ragline.adapters.memory.index import MemoryIndex, MemoryIndexes
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.memory.passwords import MemoryPasswords
from ragline.adapters.memory.queues import MemoryQueues
from ragline.domain.documents import Document, Partition
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import IndexOp, PageRange, PageWork, PartReady
from ragline.embedding.hashing import HashEmbedder
from ragline.parsing.here import ReaderHere
from ragline.ports import Embedder, Ocr
from ragline.usecases import dead_letters
from ragline.usecases.cut import Limits
from ragline.usecases.doctor import Finding, Report, examine
from ragline.usecases.documents import delete
from ragline.usecases.embed import embed_parts
from ragline.usecases.fusion import Hit
from ragline.usecases.index import apply_ops
from ragline.usecases.page_work import work_on
from ragline.usecases.reconcile import Verdict, reconcile
from ragline.usecases.redrive import RedrivePage, Selection, redrive
from ragline.usecases.remove import remove_upload
from ragline.usecases.repair import repair
from ragline.usecases.retry import Retried, retry
from ragline.usecases.search import SearchRequest, search
from ragline.usecases.split import split_upload
from ragline.usecases.split_ranges import split_range
from ragline.usecases.splitting import Outcome, Splitting

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


class Clock:
    """The time, moved on at will."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def move(self, **by: float) -> None:
        """Later, by what ``timedelta`` takes."""
        self._ahead += timedelta(**by)


@dataclass
class Pipeline:
    """``drop`` is the bucket's event; each other method delivers messages to one function."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    indexes: MemoryIndexes = field(default_factory=MemoryIndexes)
    embedder: Embedder = field(default_factory=HashEmbedder)
    limits: Limits = LIMITS
    clock: Clock = field(default_factory=Clock)
    passwords: MemoryPasswords = field(default_factory=MemoryPasswords)
    ocr: Ocr | None = None

    @property
    def index(self) -> MemoryIndex:
        """That of the model which embeds."""
        return self.indexes.of(self.embedder.fingerprint)

    @property
    def splitting(self) -> Splitting:
        return Splitting(
            ledger=self.ledger,
            objects=self.objects,
            files=LocalFiles(self.objects),
            queues=self.queues,
            reader=ReaderHere(),
            tokenizer=WordTokenizer(),
            limits=self.limits,
            passwords=self.passwords,
            ocr=self.ocr,
        )

    @classmethod
    def timed(cls, **options: Any) -> Pipeline:
        """One whose ledger goes by ``clock``."""
        clock = Clock()
        return cls(ledger=MemoryLedger(clock), clock=clock, **options)

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

    def split(self, key: str, sequencer: str, etag: str = "", size: int | None = None) -> Outcome:
        return split_upload(key, sequencer, self.splitting, etag=etag, size=size)

    def split_range(self, message: PageRange) -> Outcome:
        return split_range(message, self.splitting)

    def split_work(self, message: PageWork) -> Outcome:
        """One message of the Pages queue."""
        return work_on(message, self.splitting)

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

    def apply(self, ops: Sequence[IndexOp]) -> int:
        """How many operations from the front are done; all are of the first one's partition."""
        done, _ = apply_ops(
            ops[0].partition if ops else HANDBOOK,
            ops,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
            indexes=self.indexes,
        )
        return done

    def waiting_parts(self) -> list[PartReady]:
        """Take everything off the Chunks queue."""
        parts, self.queues.parts = self.queues.parts, []
        return parts

    def waiting_pages(self) -> list[PageWork]:
        """Take everything off the Pages queue."""
        pages, self.queues.pages = self.queues.pages, []
        return pages

    def waiting_ops(self) -> list[Any]:
        """Take everything off the IndexOps queue: an ``IndexOp`` each."""
        ops, self.queues.ops = self.queues.ops, []
        return list(ops)

    def run(self) -> None:
        """Deliver until every queue is empty."""
        while self.queues.parts or self.queues.pages or self.queues.ops:
            for message in self.waiting_pages():
                self.split_work(message)
            self.embed(self.waiting_parts())
            for _, ops in groupby(self.waiting_ops(), key=lambda op: op.partition):
                self.apply(list(ops))

    def examine(self, now: datetime | None = None) -> Report:
        """What the doctor finds."""
        return examine(
            ledger=self.ledger,
            objects=self.objects,
            indexes=self.indexes,
            fingerprint=self.embedder.fingerprint,
            now=now or self.clock(),
        )

    def retry(
        self, document_id: str = "doc", *, tenant: str = "default", **options: Any
    ) -> Retried:
        return retry(
            tenant,
            document_id,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
            **options,
        )

    def redrive(
        self, selection: Selection, *, tenant: str = "default", **options: Any
    ) -> RedrivePage:
        return redrive(
            tenant,
            selection,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
            **options,
        )

    def reconcile(self, **options: Any) -> Counter[Verdict]:
        """The maintenance function's run, now."""
        return reconcile(
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
            now=self.clock(),
            **options,
        )

    def repair(self, findings: Sequence[Finding] | None = None) -> Sequence[Finding]:
        """Repair these findings, or all that the doctor has now; those that cannot be."""
        return repair(
            self.examine().findings if findings is None else findings,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
        )

    def delete(self, document_id: str = "doc") -> None:
        """What the API does; the bucket's event is ``removed``."""
        delete(
            "default",
            document_id,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
        )

    def removed(self, key: str, sequencer: str) -> Document | None:
        """The bucket's ObjectRemoved event."""
        return remove_upload(
            key,
            sequencer,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
        )

    def letter(self, source: str, body: str, message_id: str = "m1") -> str | None:
        """A dead letter of that queue."""
        return dead_letters.record(
            source,
            message_id,
            body,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
        )

    def document(self, document_id: str = "doc") -> Document:
        found = self.ledger.get("default", document_id)
        assert found is not None
        return found

    def search(self, query: str, **options: object) -> Sequence[Hit]:
        request = SearchRequest(HANDBOOK, query, **options)  # type: ignore[arg-type]
        return search(request, embedder=self.embedder, index=self.index, ledger=self.ledger).hits
