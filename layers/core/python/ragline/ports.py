"""What the use cases need of the world, and nothing more. Adapters implement these.

Every method may raise ``TransientError`` (retrying can help) besides what it documents; adapters
translate foreign exceptions, so nothing else crosses these lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ragline.domain.chunks import Candidate, Filter, Part, Row
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.ledger import ChunkState, DocumentPage, Failure, NewDocument
from ragline.domain.messages import IndexOp, PageRange

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Tokenizer(Protocol):
    """The embedding model's own tokenizer."""

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
        """``(len(texts), dimensions)`` float32, each row of Euclidean length 1.

        Texts longer than the model reads are truncated to its window.
        """


class Objects(Protocol):
    """The documents bucket."""

    def get(self, key: str) -> bytes | None:
        """The object's bytes; None if there is none."""

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


class Queues(Protocol):
    """The queues that the pipeline writes to. A send that fails in part is retried, then raises."""

    def send_parts(self, parts: Sequence[Part]) -> None: ...

    def send_ranges(self, ranges: Sequence[PageRange]) -> None: ...

    def send_ops(self, ops: Sequence[IndexOp]) -> None:
        """In order within each partition."""


class VectorIndex(Protocol):
    """Rows by meaning and by keyword. A cache of the ledger: it may hold rows that are not live."""

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those with the same chunk_id. Idempotent."""

    def delete(self, partition: Partition, document_id: str, *, below: int | None = None) -> None:
        """Delete a document's rows: all, or those of generations below ``below``. Idempotent."""

    def optimize(self, partition: Partition) -> None:
        """Housekeeping, if it is due; only speed and cost depend on it. It may take long and never
        raises: call it when all that was written is recorded."""

    def dense(
        self, partition: Partition, vector: NDArray[np.float32], limit: int, where: Filter
    ) -> list[Candidate]:
        """Nearest rows by cosine similarity, best first, among those that pass the filter."""

    def bm25(self, partition: Partition, query: str, limit: int, where: Filter) -> list[Candidate]:
        """Best rows by BM25, best first; rows that match no term are left out."""

    def count(self, partition: Partition, document_id: str | None = None) -> int:
        """Rows of the partition, or of one document in it; 0 for a partition never written."""


class Ledger(Protocol):
    """The truth about documents and chunks. Repeating any write changes nothing."""

    def create(self, new: NewDocument) -> Document:
        """Record a document that awaits its upload; an existing live one is returned unchanged.

        A deleted document's id may be used again: its generations go on counting.
        """

    def claim_content(self, partition: Partition, checksum: str, document_id: str) -> str:
        """The id of the document that owns these bytes in this collection: the first to claim them.

        A claim whose document is deleted or failed passes to the new one.
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
        Creates the document if it is unknown (a file dropped by any S3 client).
        """

    def plan_ranges(self, document: Document, ranges: int, pages: int) -> None:
        """Record in how many page ranges (≥ 1) and pages (0: none) the generation is split."""

    def record_range(self, document: Document, number: int, chunks: int, pages: int) -> None:
        """Record, once, that range ``number`` (from 0) was cut into ``chunks`` chunks.

        Status becomes ``processing`` when this was the last range and there are chunks.
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

    def record_failure(self, tenant: str, document_id: str, failure: Failure) -> None:
        """Keep a failure for people to read; the same stage, code and place once, counted."""

    def failures(self, tenant: str, document_id: str) -> Sequence[Failure]: ...

    def delete(self, tenant: str, document_id: str, sequencer: str = "") -> Document | None:
        """Mark deleted; the document as it was, or None if unknown or already deleted.

        With a ``sequencer`` (the object was removed) an event older than the latest is ignored.
        """

    def metadata_fields(self, partition: Partition) -> frozenset[str]:
        """The names of all metadata fields that documents of the collection have or had."""
