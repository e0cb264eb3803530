"""What the use cases need of the world, and nothing more. Adapters implement these.

Every method may raise ``TransientError`` (retrying can help) besides what it documents; adapters
translate foreign exceptions, so nothing else crosses these lines.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ragline.domain.access import KeyRecord, Plan, Principal, Rates
from ragline.domain.changes import Change
from ragline.domain.chunks import Candidate, Filter, Part, Passage, Row
from ragline.domain.connections import Connection, Topic
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.ledger import (
    Audit,
    ChunkState,
    DocumentPage,
    Failure,
    Multipart,
    NewDocument,
    Work,
)
from ragline.domain.lifecycle import Record
from ragline.domain.messages import IndexOp, PageWork
from ragline.domain.tenants import NO_CAPS, Caps, Tenant
from ragline.domain.usage import Usage
from ragline.domain.webhooks import Delivery, SigningSecrets, Undelivered, Webhook

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


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of an upload that has arrived. ``checksum``: its SHA-256 in hexadecimal, or ''."""

    number: int
    size: int
    etag: str
    checksum: str = ""


class Uploads(Protocol):
    """Where callers bring bytes themselves. URLs and form fields are secrets while they live.

    Of what they sign: ``size`` in bytes, ``checksum`` a SHA-256 in hexadecimal, ``expires`` in
    seconds.
    """

    def presign_put(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        """A URL that takes one PUT of exactly these bytes, and the headers that it must carry.

        ``checksum`` may be ''.
        """

    def presign_post(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        """A URL that takes exactly these bytes as the last field, ``file``, of a form, and the
        fields before it. ``checksum`` may be ''."""

    def start_parts(self, key: str, content_type: str) -> str:
        """Open an upload in parts; its name."""

    def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        """As ``presign_put``, of one part, numbered from 1. It may be sent again."""

    def parts(self, key: str, upload_id: str) -> Sequence[StoredPart] | None:
        """Those that arrived, by number; None if there is no such upload (any more)."""

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> bool:
        """Make them the object, and end the upload; False if there is none (any more)."""

    def drop_parts(self, key: str, upload_id: str) -> None:
        """End the upload and delete its parts; an absent one is no error."""

    def open_uploads(self, prefix: str) -> Iterable[tuple[str, str]]:
        """Key and name of each upload in parts that was not ended, of keys that begin so."""


class Objects(Uploads, Protocol):
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

    def list(self, prefix: str, *, since: str = "") -> Iterable[str]:
        """The keys that start with ``prefix``, in order; those before ``since`` left out."""

    def folders(self, prefix: str) -> Iterable[str]:
        """What of keys goes from ``prefix`` to the next slash, with it; each once, in order."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages that wait, are held back or are in hand, by queue; the counts are approximate."""

    pages: int = 0
    chunks: int = 0
    index_ops: int = 0


class Queues(Protocol):
    """The queues that the pipeline writes to. A send that fails in part is retried, then raises."""

    def send_parts(self, parts: Sequence[Part], *, nonce: str = "", trace_id: str = "") -> None:
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

    def passages(self, partition: Partition, candidates: Sequence[Candidate]) -> dict[str, Passage]:
        """What the rows hold that ``dense`` or ``bm25`` has just found, by chunk id.

        Those of rows that are gone by now are left out. A leg names many rows and few are shown:
        so what is long is read here, and only of those.
        """

    def count(self, partition: Partition, document_id: str | None = None) -> int:
        """Rows of the partition, or of one document in it; 0 for a partition never written."""

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


class KnownKeys(Protocol):
    """What is asked of keys for every request."""

    def find(self, digest: str) -> KeyRecord | None:
        """The record of a key, revoked and expired ones too."""

    def plan(self, tenant: str) -> Plan | None:
        """The tenant's own usage plan."""


class Keys(KnownKeys, Protocol):
    """The records of API keys and of usage plans. No key is ever in them, only its SHA-256.

    ``find`` and ``plan`` are strongly consistent.
    """

    def add(self, record: KeyRecord) -> None:
        """Keep a new key's record.

        Raises:
            Conflict: there is one of the same digest.
        """

    def of(self, tenant: str) -> Sequence[KeyRecord]:
        """A tenant's, newest first; one made or changed a moment ago may be missing or old."""

    def revoke(self, digest: str, at: str) -> KeyRecord | None:
        """Close a key; the record as it is then. One that was revoked keeps its time."""

    def drop(self, digest: str) -> None:
        """Remove the record of one key; an absent one is no error."""

    def keep_plan(self, plan: Plan) -> None: ...

    def forget(self, tenant: str) -> None:
        """Remove every record of a tenant's keys, and its plan's; none is no error."""


class Tokens(Protocol):
    """Bearer tokens of an identity provider."""

    def principal(self, token: str) -> Principal:
        """Whose token it is.

        Raises:
            Unauthorised: it is not one of the issuer's for this API, or it is over.
            Forbidden: it is, and says no tenant or no role that we know.
        """


class UsagePlans(Protocol):
    """What the gateway lets a tenant's callers ask."""

    def set(self, tenant: str, rates: Rates, plan: Plan | None) -> Plan:
        """Make the tenant's plan, or give ``plan`` these rates; what is None in them stays."""

    def remove(self, plan: Plan) -> None:
        """An absent one is no error."""


class UsageBook(Protocol):
    """What tenants used, by month and function; see ``domain.usage``."""

    def add(self, tenant: str, month: str, function: str, counts: Mapping[str, float]) -> None:
        """Add to what is there; ``STACK`` in a tenant's place for what is nobody's."""

    def of(self, tenant: str, month: str) -> Sequence[Usage]:
        """By function, in the order of their names."""

    def everyone(self, month: str) -> Iterator[tuple[str, Usage]]:
        """Tenant and usage, of all tenants and the stack, in no order; reads the whole ledger."""


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


class Webhooks(Protocol):
    """The tenants' webhooks, and what each could not be told."""

    def put(self, webhook: Webhook) -> None:
        """Keep it, over what is known of its id."""

    def get(self, tenant: str, webhook_id: str) -> Webhook | None: ...

    def of(self, tenant: str) -> Sequence[Webhook]:
        """Oldest first; strongly consistent."""

    def remove(self, tenant: str, webhook_id: str) -> None:
        """An absent one is no error. What it could not be told ends by itself."""

    def disable(self, tenant: str, webhook_id: str, why: str) -> None:
        """Send it nothing more; one that is gone stays gone."""

    def keep(self, undelivered: Undelivered) -> None:
        """Remember it for ``KEPT_DAYS``; the same event again replaces what was kept."""

    def undelivered(self, tenant: str, webhook_id: str, limit: int = 100) -> Sequence[Undelivered]:
        """Those of the newest events first."""

    def delivered(self, delivery: Delivery) -> None:
        """It is delivered after all: forget that it was not."""


class WebhookSecrets(Protocol):
    """What webhooks are signed with."""

    def put(self, tenant: str, webhook_id: str, secrets: SigningSecrets) -> None: ...

    def get(self, tenant: str, webhook_id: str) -> SigningSecrets:
        """What was put; a change may show only after a minute.

        Raises:
            SetupError: there is none.
        """

    def remove(self, tenant: str, webhook_id: str) -> None:
        """An absent one is no error."""


class Deliveries(Protocol):
    """The queue of what webhooks are to be told."""

    def send(self, deliveries: Sequence[Delivery]) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: a status of HTTP, or 0 and ``trouble`` if none came.

    ``retry_after`` is in seconds, None if it did not say.
    """

    status: int = 0
    trouble: str = ""
    retry_after: int | None = None


class Receivers(Protocol):
    """The servers that webhooks name."""

    def check(self, url: str) -> None:
        """Raises:
        InvalidRequest: we would not send there; says why.
        """

    def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        """One attempt, of bounded time. Redirects are not followed.

        Raises:
            InvalidRequest: we do not send there; nothing was sent.
        """


class EventBus(Protocol):
    """Where the account's own rules listen."""

    def put(self, changes: Sequence[Change], detail: Callable[[Change], str]) -> None:
        """One event for each; ``detail`` is its JSON."""


class Connections(Protocol):
    """Who is connected by WebSocket, and what each follows. All of it ends by itself."""

    def open(self, connection: Connection) -> None: ...

    def find(self, connection_id: str) -> Connection | None: ...

    def follow(self, connection: Connection, topic: Topic) -> None: ...

    def unfollow(self, connection: Connection, topic: Topic) -> None: ...

    def close(self, connection_id: str) -> None:
        """Forget it, and what it follows; an unknown one is no error."""

    def audience(self, tenant: str) -> Mapping[Topic, frozenset[str]]:
        """What the tenant's connections follow: topic → connection ids; strongly consistent."""

    def may_tell(self, document: Document) -> bool:
        """Whether progress of the document may be told: at most once in ``PROGRESS_SECONDS``."""


class Sockets(Protocol):
    """The open WebSocket connections."""

    def send(self, connection_id: str, text: str) -> bool:
        """False if the connection is gone."""

    def cut(self, connection_id: str) -> None:
        """End it; one that is gone is no error."""


class Tickets(Protocol):
    """What lets a caller connect by WebSocket once, within ``TICKET_SECONDS``."""

    def put(self, digest: str, caller: Principal) -> None: ...

    def take(self, digest: str) -> Principal | None:
        """Whose it is, the first time it is asked for; None afterwards, and when it is over."""


class TenantSecrets(Protocol):
    """The secrets that are kept for a tenant, by their names alone."""

    def of(self, tenant: str) -> Sequence[str]: ...

    def remove(self, names: Sequence[str]) -> None:
        """Absent ones are no error."""
