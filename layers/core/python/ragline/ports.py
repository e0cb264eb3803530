"""What the use cases need of the world, and nothing more. Adapters implement these.

Every method may raise ``TransientError`` (retrying can help) besides what it documents; adapters
translate foreign exceptions, so nothing else crosses these lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ragline.domain.chunks import Candidate, Filter, Part, Row
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.ledger import Audit, ChunkState, DocumentPage, Failure, NewDocument, Work
from ragline.domain.lifecycle import Record
from ragline.domain.messages import IndexOp, PageWork

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Tokenizer(Protocol):
    """The embedding model's own tokenizer.

    One that says ``by_word: bool`` of itself, and says True, gives every word between white space
    the tokens that it has by itself: then the counts of parts add up, and are not checked.
    """

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """The character span ``(start, end)`` of each token, special tokens left out."""


class Embedder(Protocol):
    """Text to vectors."""

    @property
    def fingerprint(self) -> str:
        """Names model, version and precision; ``[a-z0-9-]``. Vectors of two never mix."""

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Passages: ``(len(texts), dimensions)`` float32, each row of Euclidean length 1.

        Texts longer than the model reads are truncated to its window.
        """

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """A query: ``(dimensions,)`` float32 of length 1. Some models read it unlike a passage.

        It may be shared with other callers: not to be written to.
        """

    def fluency(self, text: str) -> float:
        """How well the model reads the language of a text: 0 not at all, 1 as its own."""


class Objects(Protocol):
    """The documents bucket."""

    def get(self, key: str, etag: str = "") -> bytes | None:
        """The object's bytes; None if there is none, or it is not of the version ``etag``."""

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None if there is none."""

    def put(
        self, key: str, data: bytes, content_type: str = "application/octet-stream"
    ) -> None: ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete these keys; absent ones are no error."""

    def list(self, prefix: str) -> Iterable[str]:
        """The keys that start with ``prefix``, in order."""

    def presign_put(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        """A URL that takes one PUT of exactly these bytes, and the headers that it must carry.

        ``checksum`` is a SHA-256 in hexadecimal, or ''; ``expires`` is in seconds.
        """


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages that wait, are held back or are in hand, by queue; the counts are approximate."""

    pages: int = 0
    chunks: int = 0
    index_ops: int = 0


class Queues(Protocol):
    """The queues that the pipeline writes to. A send that fails in part is retried, then raises."""

    def send_parts(self, parts: Sequence[Part], *, nonce: str = "") -> None:
        """``nonce`` marks work that is asked for anew; see ``messages.Envelope``."""

    def send_pages(self, work: Sequence[PageWork]) -> None: ...

    def send_ops(self, ops: Sequence[IndexOp]) -> None:
        """In order within each partition."""

    def backlog(self) -> Backlog: ...


class VectorIndex(Protocol):
    """Rows by meaning and by keyword. A cache of the ledger: it may hold rows that are not live."""

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those with the same chunk_id. Idempotent."""

    def delete(
        self, partition: Partition, document_id: str, *, below: int | None = None, keep: int = 0
    ) -> None:
        """Delete a document's rows: all, or those of generations below ``below``, but not those of
        generation ``keep``. Idempotent."""

    def optimize(self, partition: Partition) -> None:
        """Housekeeping, if it is due; only speed and cost depend on it. It never raises and returns
        within a minute: call it when all that was written is recorded."""

    def dense(
        self, partition: Partition, vector: NDArray[np.float32], limit: int, where: Filter
    ) -> list[Candidate]:
        """Nearest rows by cosine similarity, best first, among those that pass the filter."""

    def bm25(self, partition: Partition, query: str, limit: int, where: Filter) -> list[Candidate]:
        """Best rows by BM25, best first; rows that match no term are left out."""

    def count(self, partition: Partition, document_id: str | None = None) -> int:
        """Rows of the partition, or of one document in it; 0 for a partition never written."""

    def partitions(self) -> list[Partition]:
        """Those that were ever written, sorted."""

    def entries(self, partition: Partition) -> Iterator[tuple[str, int, int]]:
        """``(document_id, generation, ordinal)`` of every row, in no order; repeated as it is."""


class Indexes(Protocol):
    """The vector indexes of one store: one for each embedding model, for vectors of two never mix.

    So a collection can be embedded anew beside the index that answers, and switched to when done.
    """

    def of(self, fingerprint: str) -> VectorIndex:
        """The index of that model's vectors, always the same object; it may hold nothing yet."""

    def fingerprints(self, partition: Partition) -> list[str]:
        """The models whose vectors of this partition were ever written, sorted."""

    def partitions(self) -> list[Partition]:
        """Those that were ever written with vectors of any model, sorted."""

    def length(self) -> int | None:
        """How many numbers every vector must have; None if each model's may have its own."""

    def drop(self, partition: Partition, fingerprint: str) -> None:
        """Remove all that is kept of a partition's rows of one model; none is no error."""


class Reranker(Protocol):
    """Reads question and passage together: finer than either leg, and too slow for all rows."""

    @property
    def name(self) -> str:
        """What it is, with its model; shown to people."""

    def weight(self, query: str) -> float:
        """Its share in the final order, 0 to 1; the rest is the legs'."""

    def scores(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """One score a passage, higher is better; comparable within one call only."""


class Ledger(Protocol):
    """The truth about documents and chunks. Repeating any write changes nothing."""

    def create(self, new: NewDocument) -> Document:
        """Record a document that awaits its upload; an existing live one is returned unchanged.

        A deleted document's id may be used again: its generations go on counting.
        """

    def claim_content(
        self, partition: Partition, checksum: str, document_id: str, *, arrived: bool = False
    ) -> str:
        """The id of the document that owns these bytes in this collection: the first to claim them.

        A claim whose document is deleted or failed passes to the new one; and to one whose bytes
        have ``arrived``, from one whose bytes were only announced.
        """

    def get(self, tenant: str, document_id: str) -> Document | None:
        """Strongly consistent; deleted documents are returned too, None if never known."""

    def get_many(self, tenant: str, document_ids: Collection[str]) -> dict[str, Document]:
        """The known ones of at most some hundreds of documents, strongly consistent."""

    def list(
        self,
        partition: Partition,
        *,
        status: Status | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DocumentPage:
        """Newest first, deleted left out; a page may hold fewer than ``limit`` and still go on.

        Raises:
            InvalidRequest: the cursor is not one that this method gave.
        """

    def begin(self, new: NewDocument, sequencer: str, fingerprint: str) -> Document | None:
        """Start the generation that an object version means; status becomes ``splitting``.

        The same sequencer again returns the document as it is (a redelivery); None if the event is
        older than one already seen, or the document was deleted after the object was written.
        Creates the document if it is unknown (a file dropped by any S3 client). Another
        ``fingerprint`` than an unfinished generation's starts the next one; '' is no other.

        Raises:
            MalformedMessage, WriteConflict: as ``lifecycle.begun`` says.
        """

    def identify(self, document: Document, checksum: str) -> None:
        """Record what bytes the generation is of: their SHA-256 in hexadecimal."""

    def plan_ranges(self, document: Document, ranges: int, pages: int) -> None:
        """Record in how many page ranges (≥ 1) and pages (0: none) the generation is split."""

    def record_range(self, document: Document, number: int, chunks: int, pages: int) -> None:
        """Record, once, that range ``number`` (from 0) was cut into ``chunks`` chunks.

        Status becomes ``processing`` when this was the last range and there are chunks.
        """

    def record_whole(self, document: Document, chunks: int, pages: int) -> Document | None:
        """Record, once, that the generation was cut whole: planned as one range, which is done.

        Returns the document as it is then; one that no longer wants the generation is left alone.
        """

    def record_chunks(
        self,
        document: Document,
        ordinals: Sequence[int],
        state: ChunkState,
        reason: Reason | None = None,
    ) -> None:
        """Move chunks to ``state``, exactly once each: the progress counts move with them.

        States only advance: embedded → failed → indexed; a chunk that is further along is left.
        A generation that is no longer wanted is left alone.
        """

    def settle(
        self, tenant: str, document_id: str, generation: int, *, advice: str = ""
    ) -> Document | None:
        """If the generation is complete, give the document its terminal status, exactly once.

        Returns the document when this very call ended it (the generation is then live if
        searchable), else None. ``advice`` is kept with a document that turns out empty.
        """

    def fail(
        self, tenant: str, document_id: str, generation: int, reason: Reason, *, advice: str = ""
    ) -> None:
        """End a generation as failed with its reason; a live older generation stays live."""

    def retry(self, document: Document, left: Reason | None = None) -> Document | None:
        """Set a failed or partial generation under way again; None if it is neither any more.

        ``left`` is why those chunks failed that are not tried again, None if there are none.
        """

    def reopen(self, document: Document, ordinals: Sequence[int]) -> bool:
        """Make failed chunks pending again, exactly once each; others are left.

        False if the generation is not under way: then nothing, or not all, was done.
        """

    def expire(self, tenant: str, document_id: str, reason: Reason) -> bool:
        """End as failed a document whose upload never came; False if it came, or may still."""

    def renew(self, document: Document, *, repaired: bool) -> None:
        """Prolong the lease of a document; ``repaired`` if it was set going again."""

    def overdue(self, limit: int = 100) -> Sequence[Record]:
        """Documents, of any tenant, whose lease is over; those over longest first."""

    def troubled(
        self, tenant: str, *, since: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> DocumentPage:
        """Failed and partial documents of a tenant, by the time they became so, latest first.

        So one that fails again while pages are turned comes before them, not again behind.

        Raises:
            InvalidRequest: the cursor is not one that this method gave, or ``since`` no time.
        """

    def work(self, document: Document) -> Work:
        """The records of the document's generation, strongly consistent."""

    def record_failure(self, tenant: str, document_id: str, failure: Failure) -> None:
        """Keep a failure for people to read; the same stage, code and place once, counted.

        A ``failure.letter`` that was recorded last is not counted again.
        """

    def failures(self, tenant: str, document_id: str) -> Sequence[Failure]: ...

    def delete(self, tenant: str, document_id: str, sequencer: str = "") -> Document | None:
        """Mark deleted; the document as it was, or None if unknown or already deleted.

        With a ``sequencer`` (the object was removed) an event older than the latest is ignored.
        """

    def forget(self, tenant: str, document_id: str, below: int, keep: int = 0) -> None:
        """Drop the chunk and range records of generations below ``below``, but not of ``keep``.

        Where that was all there was to clear away, nothing of it is pending any more.
        """

    def audit(self) -> Iterator[Audit]:
        """Every document of every tenant, deleted ones too, with all its records."""

    def recount(self, document: Document) -> None:
        """Set the generation's counts to what its records say, if nothing moves meanwhile."""

    def metadata_fields(self, partition: Partition) -> frozenset[str]:
        """The names of all metadata fields that documents of the collection have or had."""
