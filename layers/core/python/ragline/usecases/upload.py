"""Taking in a document: registered in the ledger first, then its bytes go to its upload key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ulid import ULID

from ragline.domain.documents import (
    Document,
    Origin,
    Partition,
    Status,
    check_document_id,
    check_name,
    is_sha256,
)
from ragline.domain.errors import (
    Conflict,
    EmptyFile,
    InvalidRequest,
    LimitExceeded,
    QuotaExceeded,
)
from ragline.domain.keys import clean_filename, upload_key
from ragline.domain.ledger import Multipart, NewDocument
from ragline.domain.lifecycle import owns
from ragline.domain.metadata import check_metadata
from ragline.domain.passwords import check_password
from ragline.domain.tenants import Caps, Holdings, held_by
from ragline.ports import Ledger, Objects, Passwords
from ragline.usecases.multipart import open_upload
from ragline.usecases.passwords import keep

DEFAULT_TYPE = "application/octet-stream"
_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]{0,126}/[\w.+-]{1,127}(;[ -~]{1,100})?", re.ASCII)

MULTIPART_OVER = 100_000_000
"""Bytes of a file that is brought in parts, unless the caller asks for another way: one that breaks
off need not be sent again from its beginning.
"""


class Way(StrEnum):
    """How the bytes are brought. ``auto``: by ``put``, or in parts if they are many."""

    AUTO = "auto"
    PUT = "put"
    POST = "post"
    MULTIPART = "multipart"


@dataclass(frozen=True, slots=True)
class Limits:
    """How big a file may be, in bytes, and how long a presigned upload lives, in seconds.

    ``spent``: what a tenant's use costs so far this month, in dollars; asked if that is capped.
    """

    file_bytes: int
    upload_expires: int
    spent: Callable[[str], float] = lambda tenant: 0.0


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What a caller says of a document. ``checksum``: SHA-256 in hexadecimal, or ''.

    ``document_id``: the caller's own, or '' for a new one. ``trace_id``: the request's.
    ``webhook``: the id of one that is told of it, whatever collections it names; or ''.
    ``origin``: where it lies, if it came within another document. ``password`` opens it, should it
    be encrypted; it is kept until it is split.
    """

    partition: Partition
    filename: str
    size: int
    content_type: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    checksum: str = ""
    document_id: str = ""
    allow_duplicate: bool = False
    way: Way = Way.AUTO
    trace_id: str = ""
    webhook: str = ""
    origin: Origin | None = None
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class PresignedPut:
    """One PUT of the bytes, with these headers, within ``expires`` seconds.

    ``url`` is a secret while it lives: it is left out of the repr, so that no log shows it.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str]
    expires: int


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """One POST of a form within ``expires`` seconds: these fields, and then ``file``, the bytes.

    ``url`` and ``fields`` are secrets while they live, and in no repr.
    """

    url: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    expires: int


@dataclass(frozen=True, slots=True)
class Registered:
    """``duplicate``: another call brought these bytes before. ``upload`` is None if they are here.

    A duplicate whose bytes never arrived has both: whoever comes next may bring them.
    """

    document: Document
    duplicate: bool
    upload: PresignedPut | PresignedPost | Multipart | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A document that is recorded. ``duplicate``: another call brought its bytes before, maybe as
    another document. ``open``: its bytes, of this ``checksum``, are still to be brought.
    """

    document: Document
    duplicate: bool
    open: bool
    checksum: str


def register(
    request: UploadRequest,
    *,
    ledger: Ledger,
    objects: Objects,
    limits: Limits,
    passwords: Passwords | None = None,
) -> Registered:
    """Record a document and say where its bytes go.

    With a checksum, bytes that a document of the collection already holds are not taken again,
    unless ``allow_duplicate``. The id of an existing document replaces that document's bytes.
    ``passwords`` is needed where the request has one.

    Raises:
        InvalidRequest: a name, the checksum, the type or the metadata is malformed.
        EmptyFile, LimitExceeded: the size is 0, or above the limit.
        QuotaExceeded: the tenant has no room for it, or used as much as it may this month.
        Conflict: the id belongs to a document of another collection, filename or metadata.
    """
    entry = enter(request, ledger, limits)
    if not entry.open:
        return Registered(entry.document, entry.duplicate, None)
    keep(request.password, entry.document, passwords)
    upload = _upload(request, entry, ledger, objects, limits.upload_expires)
    return Registered(entry.document, entry.duplicate, upload)


def _upload(
    request: UploadRequest, entry: Entry, ledger: Ledger, objects: Objects, expires: int
) -> PresignedPut | PresignedPost | Multipart:
    """Where the bytes go, by the way that was asked for."""
    content_type, size = request.content_type or DEFAULT_TYPE, request.size
    many = request.way is Way.AUTO and size > MULTIPART_OVER
    if many or request.way is Way.MULTIPART:
        return open_upload(
            entry.document, size, entry.checksum, content_type, ledger=ledger, objects=objects
        )
    presign = objects.presign_post if request.way is Way.POST else objects.presign_put
    url, carried = presign(
        entry.document.upload_key,
        content_type=content_type,
        size=size,
        checksum=entry.checksum,
        expires=expires,
    )
    made = PresignedPost if request.way is Way.POST else PresignedPut
    return made(url, carried, expires)


def store(
    request: UploadRequest,
    data: bytes,
    *,
    ledger: Ledger,
    objects: Objects,
    limits: Limits,
    passwords: Passwords | None = None,
) -> Registered:
    """Record a document and put its bytes; the bucket's event does the rest. Raises as register.

    Size and checksum are those of ``data``, whatever the request says.
    """
    request = replace(request, size=len(data), checksum=hashlib.sha256(data).hexdigest())
    entry = enter(request, ledger, limits)
    if entry.open:
        keep(request.password, entry.document, passwords)
        objects.put(entry.document.upload_key, data, request.content_type or DEFAULT_TYPE)
    return Registered(entry.document, entry.duplicate, None)


def enter(request: UploadRequest, ledger: Ledger, limits: Limits) -> Entry:
    """Record a document, its bytes to be put where its upload key says. Raises as ``register``."""
    new = _new_document(request, limits)
    known = ledger.get(new.partition.tenant, new.document_id) if request.document_id else None
    # Before the claim below: a refused request must leave no claim behind.
    _refuse_mismatch(known, new)
    caps = _room(new, known, ledger, limits)
    owner = new.document_id
    if new.checksum and not request.allow_duplicate:
        owner = ledger.claim_content(new.partition, new.checksum, owner)
    # If the owner claimed these bytes and is not recorded yet, this records it on its behalf: two
    # uploads of the same bytes at once become one document, whichever of the two goes on.
    key = upload_key(new.partition, owner, new.filename)
    theirs = owner != new.document_id
    origin = None if theirs else new.origin  # where these bytes came first, no one knows here
    document = ledger.create(replace(new, document_id=owner, upload_key=key, origin=origin), caps)
    if not theirs:
        _refuse_mismatch(document, new)
    if document.status is Status.AWAITING_UPLOAD:
        return Entry(document, theirs, True, document.checksum or new.checksum)
    here = bool(new.checksum) and document.checksum == new.checksum
    if theirs or (here and not request.allow_duplicate and document.status is not Status.FAILED):
        return Entry(document, True, False, document.checksum)
    return Entry(document, False, True, new.checksum)


def _new_document(request: UploadRequest, limits: Limits) -> NewDocument:
    check_name(request.partition.collection, "collection")
    filename = clean_filename(request.filename)
    check_password(request.password)
    document_id = check_document_id(request.document_id) if request.document_id else str(ULID())
    _check_size(request.size, filename, limits)
    checksum = request.checksum.lower()
    if checksum and not is_sha256(checksum):
        raise InvalidRequest("checksum is no SHA-256: give its 64 hexadecimal digits.")
    if request.content_type and not _TYPE.fullmatch(request.content_type):
        raise InvalidRequest("content_type is no media type: give one like 'application/pdf'.")
    return NewDocument(
        partition=request.partition,
        document_id=document_id,
        filename=filename,
        upload_key=upload_key(request.partition, document_id, filename),
        content_type=request.content_type or DEFAULT_TYPE,
        size=request.size,
        metadata=check_metadata(request.metadata),
        checksum=checksum,
        allow_duplicate=request.allow_duplicate,
        upload_seconds=limits.upload_expires,
        trace_id=request.trace_id,
        webhook=request.webhook,
        origin=request.origin,
    )


def _room(new: NewDocument, known: Document | None, ledger: Ledger, limits: Limits) -> Caps:
    """The tenant's caps; they are asked again in the write that takes the room.

    Raises:
        QuotaExceeded: they leave none, and the bytes are not here yet. A document needs at least
            one chunk; one that is replaced, only what it grows by.
    """
    tenant = ledger.tenant(new.partition.tenant)
    there = held_by(known)
    more = Holdings(1, new.size, 1) - Holdings(there.documents, there.bytes, there.documents)
    try:
        tenant.check_room(more, new.filename)
        tenant.check_cost(limits.spent)
    except QuotaExceeded:
        if not _here(new, ledger):
            raise
    return tenant.caps


def _here(new: NewDocument, ledger: Ledger) -> bool:
    """Whether another document of the collection has these bytes, or awaits them."""
    if not new.checksum or new.allow_duplicate:
        return False
    owner = ledger.content_owner(new.partition, new.checksum)
    document = ledger.get(new.partition.tenant, owner) if owner else None
    return document is not None and owns(document, new.partition, new.checksum, arrived=False)


def _check_size(size: int, filename: str, limits: Limits) -> None:
    if size < 0:
        raise InvalidRequest("size is negative; give the file's size in bytes.")
    if size == 0:
        raise EmptyFile(f"{filename} has no bytes; there is nothing to index.")
    if size > limits.file_bytes:
        raise LimitExceeded(
            f"{filename} is {size:,} bytes; at most {limits.file_bytes:,} bytes a file."
        )


def _refuse_mismatch(document: Document | None, new: NewDocument) -> None:
    """An id names one upload key for ever: S3 orders the versions of one key, not of two."""
    if document is None or document.status is Status.DELETED:
        return
    known = f"document {new.document_id!r}"
    if document.partition != new.partition:
        raise Conflict(f"{known} is in another collection; choose another id.")
    if document.upload_key != new.upload_key:
        raise Conflict(
            f"{known} is named {document.filename!r}; replace it under that filename, or delete it."
        )
    if new.metadata and dict(document.metadata) != dict(new.metadata):
        raise Conflict(f"{known} has other metadata; delete it first, or leave metadata out.")
    if new.origin:
        # It has whatever bytes lie there now; and it cannot lie in two places.
        if document.parent != new.origin.parent:
            raise Conflict(f"{known} did not come in document {new.origin.parent!r}.")
        return
    awaiting = document.status is Status.AWAITING_UPLOAD
    if awaiting and document.checksum and new.checksum not in ("", document.checksum):
        raise Conflict(f"{known} awaits other bytes; delete it first, or choose another id.")
