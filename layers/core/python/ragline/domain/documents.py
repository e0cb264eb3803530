"""A document, its statuses, and how far it has come."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ragline.domain.errors import InvalidRequest, PermanentError
from ragline.domain.pages import PageCounts

Scalar = str | int | float | bool
Metadata = Mapping[str, Scalar]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DOCUMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class Status(StrEnum):
    """Where a document stands. Every document ends in one of ``TERMINAL``."""

    AWAITING_UPLOAD = "awaiting_upload"
    SPLITTING = "splitting"
    PROCESSING = "processing"
    INDEXED = "indexed"
    PARTIAL = "partial"
    FAILED = "failed"
    EMPTY = "empty"
    DELETED = "deleted"


TERMINAL = frozenset({Status.INDEXED, Status.PARTIAL, Status.FAILED, Status.EMPTY, Status.DELETED})
SEARCHABLE = frozenset({Status.INDEXED, Status.PARTIAL})


@dataclass(frozen=True, slots=True)
class Partition:
    """One tenant's collection: the unit of index ordering (one writer) and of search."""

    tenant: str
    collection: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.collection}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something failed: a stable ``code``, one sentence, and where."""

    code: str
    message: str
    stage: str
    page: int | None = None
    chunk: int | None = None

    @classmethod
    def of(cls, error: PermanentError, stage: str) -> Reason:
        return cls(error.code, str(error), stage, error.page, error.chunk)


@dataclass(frozen=True, slots=True)
class Progress:
    """Exact counts for one generation.

    A document is split in one or more page ranges; ``chunks_total`` grows with each range that is
    done, so it is final once ``ranges_done == ranges_total``. ``ranges_failed`` of those done could
    not be read. ``embedded`` counts the chunks that are embedded and not yet indexed or failed; the
    three states of a chunk exclude one another. Each page done is of one kind, see ``PageKind``.
    """

    pages_total: int = 0
    pages_done: int = 0
    ranges_total: int = 0
    ranges_done: int = 0
    chunks_total: int = 0
    embedded: int = 0
    indexed: int = 0
    failed: int = 0
    pages_text: int = 0
    pages_ocr: int = 0
    pages_image: int = 0
    pages_blank: int = 0
    pages_failed: int = 0
    ranges_failed: int = 0

    @property
    def page_counts(self) -> PageCounts:
        """What became of the pages done."""
        return PageCounts(
            self.pages_text,
            self.pages_ocr,
            self.pages_image,
            self.pages_blank,
            self.pages_failed,
        )

    @property
    def split(self) -> bool:
        """True once every page range has been cut into chunks."""
        return 0 < self.ranges_total == self.ranges_done

    @property
    def complete(self) -> bool:
        """True once every chunk is indexed or failed, and no more chunks can appear."""
        return self.split and self.indexed + self.failed >= self.chunks_total

    @property
    def percent(self) -> int:
        """0-100; embedding counts for half of a chunk's way. 100 only when complete."""
        if self.complete:
            return 100
        if not self.chunks_total or not self.ranges_total:
            return 0
        done = (self.embedded + 2 * (self.indexed + self.failed)) / (2 * self.chunks_total)
        return min(99, int(100 * done * self.ranges_done / self.ranges_total))

    def outcome(self) -> Status:
        """The terminal status that these counts mean; only asked once ``complete``."""
        if not self.chunks_total:
            return Status.FAILED if self.unread else Status.EMPTY
        if not self.indexed:
            return Status.FAILED
        return Status.PARTIAL if self.failed or self.unread else Status.INDEXED

    @property
    def unread(self) -> bool:
        """Whether some of the document could not be read."""
        return bool(self.pages_failed or self.ranges_failed)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document lies that came within another one, such as an archive or a mail.

    ``parent`` is that one's id and ``filename`` its name, ``path`` the place in there, as shown to
    people, ``depth`` how many documents lie around it. Out of it, in turn, at most so many
    ``files`` and ``bytes`` may be taken, all levels together.
    """

    parent: str
    filename: str
    path: str
    depth: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the ledger knows it. Times are ISO 8601, UTC.

    ``generation`` is the one being worked on (0 before the first upload), ``live_generation`` the
    one that queries see (0 for none). ``progress`` counts ``generation``. ``checksum`` is the
    SHA-256 of the bytes of ``generation`` in hexadecimal, '' until it is known.
    ``delete_requested``: it was deleted through the API, not by the bucket. ``live_chunks``
    and ``live_checksum``: how many chunks the live generation has, and of what bytes it is, while
    another one is worked on. ``trace_id`` finds what
    every function logged of it since its bytes were announced, or came. ``webhook``: the id of one
    that is told of it in any case, '' for none. ``origin``: None unless it came within another
    document. ``children``: how many files came in it, each a document of its own or named among its
    failures; 0 only if no such document can be left.
    """

    partition: Partition
    document_id: str
    filename: str
    status: Status
    created_at: str
    updated_at: str
    content_type: str = ""
    size: int = 0
    metadata: Metadata = field(default_factory=dict)
    checksum: str = ""
    allow_duplicate: bool = False
    generation: int = 0
    live_generation: int = 0
    sequencer: str = ""
    upload_key: str = ""
    progress: Progress = field(default_factory=Progress)
    reason: Reason | None = None
    advice: str = ""
    fingerprint: str = ""
    delete_requested: bool = False
    live_chunks: int = 0
    live_checksum: str = ""
    timings: Mapping[str, str] = field(default_factory=dict)
    trace_id: str = ""
    webhook: str = ""
    origin: Origin | None = None
    children: int = 0

    @property
    def parent(self) -> str:
        """The id of the document that it came in; '' if it came by itself."""
        return self.origin.parent if self.origin else ""

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def dropped(self) -> bool:
        """Whether it came by the bucket, unannounced: then its id is made of its key."""
        return self.document_id == dropped_id(self.upload_key)

    def shows(self, generation: int) -> bool:
        """Whether a query may return chunks of this generation."""
        return self.status is not Status.DELETED and generation == self.live_generation > 0

    def wants(self, generation: int) -> bool:
        """Whether work on this generation still matters: not deleted, not replaced.

        Nothing is wanted while an upload is awaited: after a deletion the id may be in use again,
        and its last generation is the deleted one.
        """
        idle = self.status in {Status.DELETED, Status.AWAITING_UPLOAD}
        return not idle and generation == self.generation


def dropped_id(key: str) -> str:
    """The id of a document that no one registered: dropping its key again replaces it."""
    return f"s3-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def check_name(value: str, what: str) -> str:
    """A tenant or collection name: lower-case letters, digits, ``-`` and ``_``, at most 63."""
    if not _NAME.fullmatch(value):
        raise InvalidRequest(
            f"{what} {value!r} is not a valid name: use 1 to 63 lower-case letters, digits, "
            "'-' or '_', starting with a letter or digit."
        )
    return value


def is_sha256(value: str) -> bool:
    """Whether it is one in lower-case hexadecimal."""
    return bool(_SHA256.fullmatch(value))


def is_document_id(value: str) -> bool:
    return bool(_DOCUMENT_ID.fullmatch(value))


def check_document_id(value: str) -> str:
    if not is_document_id(value):
        raise InvalidRequest(
            f"document_id {value!r} is not valid: use 1 to 128 letters, digits, '-' or '_', "
            "starting with a letter or digit."
        )
    return value
