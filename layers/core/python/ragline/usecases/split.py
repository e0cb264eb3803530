"""The splitter: an upload's bytes become chunks, kept in the bucket and announced on the queue."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from enum import StrEnum

from ragline import parsing
from ragline.domain.chunks import Part
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import DuplicateContent, LimitExceeded, PermanentError
from ragline.domain.keys import part_key
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import PageRange, Uploaded
from ragline.ports import Ledger, Objects, Queues, Tokenizer
from ragline.usecases.cut import Cut, Limits, check_size, cut, fingerprint, page_ranges
from ragline.usecases.failures import fail_document, note
from ragline.usecases.identify import identify
from ragline.usecases.parts import cut_parts, write_part
from ragline.usecases.room import check_arrived, check_chunks
from ragline.usecases.settle import settle

STAGE = "split"


class Outcome(StrEnum):
    """What came of an event or message."""

    SPLIT = "split"
    RANGES_SENT = "ranges_sent"
    FAILED = "failed"
    STALE = "stale"
    GONE = "gone"
    DONE_BEFORE = "done_before"
    RESTARTED = "restarted"


def split_upload(
    key: str,
    sequencer: str,
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    tokenizer: Tokenizer,
    limits: Limits,
    etag: str = "",
    size: int | None = None,
    trace_id: str = "",
) -> Outcome:
    """Take one ObjectCreated event to stored and announced chunks, or to a recorded failure.

    Repeating it is safe at every step: the generation belongs to the sequencer, parts and ledger
    records are written by name, and messages may be sent again. ``etag`` is the version that the
    event tells of, and ``size`` its bytes, None to have the bucket asked; once another version has
    taken its place, that one's event is waited for. ``trace_id`` is for a document that has none.

    Raises:
        MalformedMessage: the key is not an upload's.
    """
    upload, known = identify(key, ledger)
    size = objects.size(key) if size is None else size
    data = None if size is None else _read(key, etag, size, objects, limits)
    if size is None or (not data and objects.size(key) is None):
        return Outcome.GONE  # its ObjectRemoved event says what that means
    new = NewDocument(
        upload.partition,
        upload.document_id,
        upload.filename,
        key,
        size=size,
        checksum=hashlib.sha256(data).hexdigest() if data else "",
        trace_id=trace_id,
    )
    document = ledger.begin(new, sequencer, fingerprint(limits), known=known)
    if document is None:
        _clear_away(new, ledger, objects)
        return Outcome.STALE
    if document.terminal:
        settle(document, ledger=ledger, queues=queues)
        return Outcome.DONE_BEFORE
    try:
        if data is None:
            return Outcome.GONE
        check_size(document.filename, size, limits)
        check_arrived(document, known.size if known else 0, ledger)
        document = _claim(document, new.checksum, ledger)
        kind = parsing.sniff(data, document.filename)
        pages = page_ranges(data, kind, document.filename, limits)
        if pages:
            _send_ranges(document, pages, etag, ledger, queues)
            return Outcome.RANGES_SENT
        whole = cut(data, kind, document.filename, tokenizer=tokenizer, limits=limits)
        return _record(document, None, whole, ledger, objects, queues, limits)
    except PermanentError as error:
        fail_document(document, Reason.of(error, STAGE), ledger)
        return Outcome.FAILED


def split_range(
    message: PageRange,
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    tokenizer: Tokenizer,
    limits: Limits,
) -> Outcome:
    """Cut one page range of a big document. A range that cannot be read fails its document."""
    document = ledger.get(message.tenant, message.document_id)
    if document is None or not document.wants(message.generation):
        return Outcome.STALE
    if document.terminal:
        settle(document, ledger=ledger, queues=queues)
        return Outcome.STALE
    if document.fingerprint != fingerprint(limits):
        # Planned under other settings, before a deploy: the ranges of one generation are cut alike.
        queues.send_pages([_again(document, message)])
        return Outcome.RESTARTED
    data = objects.get(message.upload_key, message.etag)
    if data is None:
        return Outcome.GONE
    try:
        piece = cut(
            data,
            parsing.sniff(data, document.filename),
            document.filename,
            tokenizer=tokenizer,
            limits=limits,
            number=message.number,
            pages=(message.first_page, message.last_page),
        )
        return _record(document, message.number, piece, ledger, objects, queues, limits)
    except PermanentError as error:
        fail_document(document, Reason.of(error, STAGE), ledger)
        return Outcome.FAILED


def _read(key: str, etag: str, size: int, objects: Objects, limits: Limits) -> bytes | None:
    """The upload's bytes, left unread where there are too many; None if this version is gone."""
    return objects.get(key, etag) if 0 < size <= limits.file_bytes else b""


def _claim(document: Document, checksum: str, ledger: Ledger) -> Document:
    """Take these bytes for this document, unless another one of the collection holds them.

    Known first, claimed then: whoever meets the claim can tell that it stands. A generation that
    begins now knows its bytes from the start; one that an earlier delivery began may not.

    Raises:
        DuplicateContent: another one does, and the upload did not ask for a copy.
    """
    if document.checksum != checksum:
        ledger.identify(document, checksum)
    owner = ledger.claim_content(document.partition, checksum, document.document_id, arrived=True)
    if owner != document.document_id and not document.allow_duplicate:
        raise DuplicateContent(
            f"{document.filename} has the same bytes as document {owner!r} of this collection. "
            "Delete that one and retry, or upload with allow_duplicate to have both."
        )
    return replace(document, checksum=checksum)


def _clear_away(new: NewDocument, ledger: Ledger, objects: Objects) -> None:
    """Bytes put by a URL that outlived its document belong to nobody, and may not stay."""
    now = ledger.get(new.partition.tenant, new.document_id)
    if now is None or now.status is not Status.DELETED or now.upload_key != new.upload_key:
        return
    if now.delete_requested and not now.dropped:
        objects.delete([new.upload_key])


def _send_ranges(
    document: Document, pages: list[tuple[int, int]], etag: str, ledger: Ledger, queues: Queues
) -> None:
    """Plan the ranges and announce them: only those not cut yet, when this is done again."""
    ranges = [
        PageRange(
            trace_id=document.trace_id,
            tenant=document.partition.tenant,
            collection=document.partition.collection,
            document_id=document.document_id,
            generation=document.generation,
            number=number,
            first_page=first,
            last_page=last,
            upload_key=document.upload_key,
            etag=etag,
        )
        for number, (first, last) in enumerate(pages)
    ]
    done = ledger.work(document).ranges if document.progress.ranges_total else {}
    ledger.plan_ranges(document, len(ranges), ranges[-1].last_page)
    queues.send_pages([one for one in ranges if one.number not in done] or ranges)


def _again(document: Document, message: PageRange) -> Uploaded:
    return Uploaded(
        trace_id=message.trace_id,
        key=message.upload_key,
        sequencer=document.sequencer,
        etag=message.etag,
    )


def _record(
    document: Document,
    number: int | None,
    piece: Cut,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    limits: Limits,
) -> Outcome:
    """Chunks first, then the ledger's count of them, then the messages: a crash between any two
    is mended by the redelivery, which writes the same again. ``number`` is None for a document
    that was cut whole."""
    check_chunks(document, number or 0, len(piece.chunks), ledger)
    base = Part(document.partition, document.document_id, document.generation, 0, 0)
    parts = []
    for part, run in cut_parts(base, piece.chunks):
        write_part(objects, part, run)
        parts.append(part)
    now = _recorded(document, number, piece, ledger)
    if now is None or not now.wants(document.generation):
        if now is None or now.live_generation != document.generation:
            # What clears a dead generation away may have come before these were written.
            objects.delete(map(part_key, parts))
        return Outcome.STALE
    _check_total(now, limits)
    queues.send_parts(parts, trace_id=document.trace_id)
    if not (now.progress.complete or now.terminal):
        return Outcome.SPLIT  # whoever finishes its last chunk ends it
    advice = piece.advice(now.progress.ranges_total)
    settled = settle(document, ledger=ledger, queues=queues, advice=advice)
    if settled is not None and settled.status is Status.EMPTY:
        reason = Reason("no_text", f"no text was found in {document.filename}.", STAGE)
        note(document, reason, ledger)
    return Outcome.SPLIT


def _recorded(
    document: Document, number: int | None, piece: Cut, ledger: Ledger
) -> Document | None:
    """Have the ledger count what was cut; the document as it is then."""
    chunks = len(piece.chunks)
    if number is None:
        return ledger.record_whole(document, chunks, piece.pages)
    ledger.record_range(document, number, chunks, piece.pages)
    return ledger.get(document.partition.tenant, document.document_id)


def _check_total(now: Document, limits: Limits) -> None:
    """The ranges of a document share its limit, and are cut by workers that do not meet."""
    total = now.progress.chunks_total
    if total > limits.chunks:
        raise LimitExceeded(
            f"{now.filename} has more than {total - 1:,} chunks; max_chunks is {limits.chunks:,}. "
            "Split the file."
        )
