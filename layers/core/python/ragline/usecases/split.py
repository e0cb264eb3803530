"""The splitter: an upload's bytes become chunks, kept in the bucket and announced on the queue."""

from __future__ import annotations

import time
from dataclasses import replace

from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import DuplicateContent, PermanentError
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import PageRange, Uploaded
from ragline.ports import Ledger, LocalFile, Objects, Reading
from ragline.usecases.cut import check_size, cut, fingerprint, plan
from ragline.usecases.failures import fail_document
from ragline.usecases.identify import identify
from ragline.usecases.record_cut import record_cut
from ragline.usecases.room import check_arrived
from ragline.usecases.settle import settle
from ragline.usecases.splitting import STAGE, Outcome, Splitting


def split_upload(
    key: str,
    sequencer: str,
    splitting: Splitting,
    *,
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
    upload, known = identify(key, splitting.ledger)
    size = splitting.objects.size(key) if size is None else size
    if size is None:
        return Outcome.GONE  # its ObjectRemoved event says what that means
    new = NewDocument(
        upload.partition,
        upload.document_id,
        upload.filename,
        key,
        size=size,
        trace_id=trace_id,
    )
    if not 0 < size <= splitting.limits.file_bytes:  # left unread
        if splitting.objects.size(key) is None:
            return Outcome.GONE
        return _split(new, sequencer, etag, known, None, splitting)
    with splitting.files.open(key, etag) as file:
        if file is None and splitting.objects.size(key) is None:
            return Outcome.GONE
        checksum = file.checksum if file else ""
        return _split(replace(new, checksum=checksum), sequencer, etag, known, file, splitting)


def _split(
    new: NewDocument,
    sequencer: str,
    etag: str,
    known: Document | None,
    file: LocalFile | None,
    splitting: Splitting,
) -> Outcome:
    """Begin the generation of these bytes and cut them; ``file`` None: another version came."""
    splitting = splitting.as_chosen(new.partition)
    ledger, limits = splitting.ledger, splitting.limits
    document = ledger.begin(new, sequencer, fingerprint(limits), known=known)
    if document is None:
        _clear_away(new, ledger, splitting.objects)
        return Outcome.STALE
    if document.terminal:
        settle(document, ledger=ledger, queues=splitting.queues)
        return Outcome.DONE_BEFORE
    try:
        check_size(document.filename, new.size, limits)
        if file is None:
            return Outcome.GONE
        check_arrived(document, known.size if known else 0, ledger)
        document = _claim(document, new.checksum, ledger)
        return _cut(document, etag, file, splitting)
    except PermanentError as error:
        fail_document(document, Reason.of(error, STAGE), ledger)
        return Outcome.FAILED


def _cut(document: Document, etag: str, file: LocalFile, splitting: Splitting) -> Outcome:
    """Cut the document whole, or announce the ranges that it is to be cut in."""
    limits, reader = splitting.limits, splitting.reader
    wanted = Reading(file, document.filename, time.monotonic() + limits.seconds)
    ranges = plan(reader.survey(wanted), document.filename, limits)
    if ranges:
        _send_ranges(document, ranges, etag, splitting)
        return Outcome.RANGES_SENT
    whole = cut(wanted, reader=reader, tokenizer=splitting.tokenizer, limits=limits)
    return record_cut(document, None, whole, splitting)


def split_range(message: PageRange, splitting: Splitting) -> Outcome:
    """Cut one page range of a big document. A range that cannot be read fails its document."""
    splitting = splitting.as_chosen(message.partition)
    ledger, limits = splitting.ledger, splitting.limits
    document = ledger.get(message.tenant, message.document_id)
    if document is None or not document.wants(message.generation):
        return Outcome.STALE
    if document.terminal:
        settle(document, ledger=ledger, queues=splitting.queues)
        return Outcome.STALE
    if document.fingerprint != fingerprint(limits):
        # Planned under other settings, before a deploy: the ranges of one generation are cut alike.
        splitting.queues.send_pages([_again(document, message)])
        return Outcome.RESTARTED
    with splitting.files.open(message.upload_key, message.etag) as file:
        if file is None:
            return Outcome.GONE
        try:
            wanted = Reading(
                file,
                document.filename,
                time.monotonic() + limits.seconds,
                first=message.first_page,
                last=message.last_page,
            )
            piece = cut(
                wanted,
                reader=splitting.reader,
                tokenizer=splitting.tokenizer,
                limits=limits,
                number=message.number,
            )
            return record_cut(document, message.number, piece, splitting)
        except PermanentError as error:
            fail_document(document, Reason.of(error, STAGE), ledger)
            return Outcome.FAILED


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
    document: Document, ranges: list[tuple[int, int]], etag: str, splitting: Splitting
) -> None:
    """Plan the ranges and announce them: only those not cut yet, when this is done again."""
    work = [
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
        for number, (first, last) in enumerate(ranges)
    ]
    ledger = splitting.ledger
    done = ledger.work(document).ranges if document.progress.ranges_total else {}
    ledger.plan_ranges(document, len(work), work[-1].last_page)
    splitting.queues.send_pages([one for one in work if one.number not in done] or work)


def _again(document: Document, message: PageRange) -> Uploaded:
    return Uploaded(
        trace_id=message.trace_id,
        key=message.upload_key,
        sequencer=document.sequencer,
        etag=message.etag,
    )
