"""The ledger: documents, chunks, tenants."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from ragline.domain.children import Child
from ragline.domain.collections import CollectionSettings
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.ledger import (
    Audit,
    ChunkState,
    DocumentPage,
    Failure,
    Multipart,
    NewDocument,
    RangeRecord,
    Work,
)
from ragline.domain.lifecycle import Record
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import NO_CAPS, Caps, Tenant


class LedgerWatch(Protocol):
    """Is told what a ledger wrote, once each, when it is written. For metrics; it never raises."""

    def moved(self, document: Document) -> None:
        """The document has another status than before."""

    def counted(self, state: ChunkState, chunks: int) -> None:
        """So many chunks have reached this state."""


class Ledger(Protocol):
    """The truth about documents and chunks. Repeating any write changes nothing."""

    def create(self, new: NewDocument, caps: Caps = NO_CAPS) -> Document:
        """Record a document that awaits its upload; an existing live one is returned unchanged.

        A deleted document's id may be used again: its generations go on counting.

        Raises:
            QuotaExceeded: what its tenant holds would pass a cap on documents or bytes.
        """

    def content_owner(self, partition: Partition, checksum: str) -> str:
        """The id that last claimed these bytes in this collection; '' if nobody did."""

    def open_upload(self, document: Document, upload: Multipart | None, seconds: int = 0) -> bool:
        """Keep the upload in parts that is open, for so long; None closes it.

        It is over by itself once an object has come. False if the document is deleted.
        """

    def upload(self, tenant: str, document_id: str) -> Multipart | None:
        """The document's upload in parts that is open."""

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

    def begin(
        self,
        new: NewDocument,
        sequencer: str,
        fingerprint: str,
        *,
        known: Document | None = None,
    ) -> Document | None:
        """Start the generation that an object version means; status becomes ``splitting``.

        The same sequencer again returns the document as it is (a redelivery); None if the event is
        older than one already seen, or the document was deleted after the object was written.
        Creates the document if it is unknown (a file dropped by any S3 client). Another
        ``fingerprint`` than an unfinished generation's starts the next one; '' is no other.
        ``known`` is the document as it was read a moment ago: it need not be read again.

        Raises:
            MalformedMessage, WriteConflict: as ``lifecycle.begun`` says.
        """

    def identify(self, document: Document, checksum: str) -> None:
        """Record what bytes the generation is of: their SHA-256 in hexadecimal."""

    def plan_ranges(self, document: Document, ranges: int, pages: int) -> None:
        """Record in how many page ranges (≥ 1) and pages (0: none) the generation is split."""

    def record_range(
        self,
        document: Document,
        number: int,
        chunks: int,
        pages: PageCounts,
        reason: Reason | None = None,
    ) -> bool:
        """Record, once, that range ``number`` (from 0) was cut into ``chunks`` chunks, and what
        became of its pages; ``reason`` is why the first that failed did.

        Status becomes ``processing`` when this was the last range and there are chunks. A range
        that was lost is cut after all, unless the document has ended meanwhile. False if it is not
        recorded as cut: for that, or since the generation is not wanted any more.
        """

    def lose_range(self, document: Document, number: int, pages: int, reason: Reason) -> None:
        """Record, once, that nothing of range ``number`` could be read: all its pages failed.

        One that was cut stays so. The others go on without it, and it can be tried again.
        """

    def reopen_ranges(self, document: Document, numbers: Collection[int]) -> bool:
        """Make lost ranges undone again, exactly once each; others are left.

        False if the generation is not under way: then nothing, or not all, was done.
        """

    def ranges(self, document: Document) -> Mapping[int, RangeRecord]:
        """What came of the ranges of the document's generation that are done, by their numbers."""

    def record_whole(
        self,
        document: Document,
        chunks: int,
        pages: PageCounts,
        reason: Reason | None = None,
    ) -> Document | None:
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
        self,
        tenant: str,
        document_id: str,
        generation: int,
        *,
        advice: str = "",
        known: Document | None = None,
    ) -> Document | None:
        """If the generation is complete, give the document its terminal status, exactly once.

        Returns the document when this very call ended it (the generation is then live if
        searchable), else None. ``advice`` is kept with a document that turns out empty. ``known``
        is the document as it is now if the caller alone worked on it: if it is so indeed, it need
        not be read.
        """

    def fail(
        self, tenant: str, document_id: str, generation: int, reason: Reason, *, advice: str = ""
    ) -> None:
        """End a generation as failed with its reason; a live older generation stays live."""

    def retry(
        self, document: Document, left: Reason | None = None, *, split: bool = False
    ) -> Document | None:
        """Set a failed or partial generation under way again; None if it is neither any more.

        ``left`` is why those chunks failed that are not tried again, None if there are none.
        ``split``: some of the file is to be split again.
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

    def work(self, document: Document, number: int | None = None) -> Work:
        """The records of the document's generation, or of one of its ranges, strongly consistent.

        All of them take some hundred bytes a chunk: too much of a huge document for a function.
        """

    def failed(self, document: Document) -> Mapping[int, Reason | None]:
        """The failed chunks of the document's generation: ordinal → why, where that is known."""

    def states(self, document: Document, ordinals: Collection[int]) -> Mapping[int, ChunkState]:
        """How far these chunks of the document's generation are; those pending are left out."""

    def record_failure(self, tenant: str, document_id: str, failure: Failure) -> None:
        """Keep a failure for people to read; the same stage, code and place once, counted.

        A ``failure.letter`` that was recorded last is not counted again.
        """

    def failures(self, tenant: str, document_id: str) -> Sequence[Failure]: ...

    def delete(self, tenant: str, document_id: str, sequencer: str = "") -> Document | None:
        """Mark deleted; the document as it was, or None if unknown or already deleted.

        With a ``sequencer`` (the object was removed) an event older than the latest is ignored.
        """

    def delete_many(self, tenant: str, document_ids: Collection[str]) -> None:
        """As ``delete``, of many; in far less time than one after the other."""

    def count_children(self, document: Document, children: int) -> None:
        """Record how many files came in the document; before the first of them is recorded."""

    def record_child(self, document: Document, child: Child) -> bool:
        """Keep what became of a file that came in the document, over what was known of it.

        False if it was seen in a later generation of the document: then that stays.
        """

    def children(
        self, tenant: str, document_id: str, *, after: str = "", limit: int | None = None
    ) -> Sequence[Child]:
        """The files that came in the document, by ``place``, those behind ``after``; some of them
        may be of an earlier generation. Strongly consistent."""

    def forget(
        self,
        tenant: str,
        document_id: str,
        below: int,
        keep: int = 0,
        *,
        deadline: float = math.inf,
    ) -> None:
        """Drop the records of chunks, ranges and children of generations below ``below``, but not
        of ``keep``.

        Where that was all there was to clear away, nothing of it is pending any more.

        Raises:
            OutOfTime: ``deadline``, of ``time.monotonic``, passed; what was dropped is dropped.
        """

    def audit(self) -> Iterator[Audit]:
        """Every document of every tenant, deleted ones too, with all its records."""

    def recount(self, document: Document) -> None:
        """Set the generation's counts to what its records say, if nothing moves meanwhile."""

    def tenant(self, tenant: str) -> Tenant:
        """A tenant's caps and what it holds, strongly consistent; nothing of one never heard of.

        What it holds moves in the very writes that change its documents: see ``held_by``.
        """

    def tenants(self) -> Sequence[str]:
        """Those that ever had a document or a cap, sorted."""

    def cap(self, tenant: str, caps: Caps) -> None:
        """Set a tenant's caps, all of them."""

    def recount_tenant(self, tenant: str) -> bool:
        """Set what a tenant holds to what its documents say; False if they moved meanwhile."""

    def metadata_fields(self, partition: Partition) -> frozenset[str]:
        """The names of all metadata fields that documents of the collection have or had."""

    def collection(self, partition: Partition) -> CollectionSettings:
        """A collection's settings, strongly consistent; a blank one if it has none."""

    def keep_collection(self, collection: CollectionSettings) -> CollectionSettings | None:
        """Write settings over those with the same stamp, or over none; as they are then.

        None if they were written meanwhile: nothing is done. A blank one is no longer listed.
        """

    def collections(self, tenant: str) -> Sequence[str]:
        """The names of a tenant's collections that have settings; a new one may be missing."""


class Records(Protocol):
    """All that the ledger holds, record by record: for backups, and for erasing a tenant.

    A record is a line of JSON, opaque to whoever carries it. Reading is no snapshot: what is
    written meanwhile may be in it or not.
    """

    def all(self) -> Iterator[str]:
        """Every record, in no order."""

    def put(self, records: Iterable[str]) -> int:
        """Write them, over what has the same keys; how many there were.

        Raises:
            InvalidRequest: one is no record; says which, counted from 1.
        """

    def empty(self) -> bool:
        """Whether there is none but of use, which functions count as soon as they run."""

    def documents(self, tenant: str) -> Iterator[str]:
        """The ids of a tenant's documents, deleted ones too."""

    def of(self, tenant: str) -> Mapping[str, int]:
        """How many records of which kind are a tenant's; those that keep it closed are not."""

    def erase(self, tenant: str) -> int:
        """Delete every record of a tenant but those that keep it closed; how many there were."""
