"""The splitter: an upload's bytes become chunks, kept in the bucket and announced on the queue."""

from __future__ import annotations

import time
from dataclasses import replace

from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import DuplicateContent, PermanentError
from ragline.domain.ledger import NewDocument
from ragline.ports import Ledger, LocalFile, Reading
from ragline.usecases.cut import check_size, cut, fingerprint, plan
from ragline.usecases.failures import fail_document
from ragline.usecases.fan_out import fan_out
from ragline.usecases.identify import identify
from ragline.usecases.passwords import unlocked
from ragline.usecases.recognise import recognising
from ragline.usecases.record_cut import record_cut
from ragline.usecases.remove import remove_children
from ragline.usecases.room import check_arrived
from ragline.usecases.settle import settle
from ragline.usecases.split_ranges import send_ranges
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
        etag = etag or (file.etag if file else "")  # its ranges are of this very version
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
        _clear_away(new, splitting)
        return Outcome.STALE
    if document.terminal:
        settle(document, ledger=ledger, queues=splitting.queues)
        return Outcome.DONE_BEFORE
    with unlocked(document, splitting) as splitting:
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
    wanted = Reading(file, document.filename, time.monotonic() + limits.reading_seconds)
    survey = reader.survey(wanted)
    if stopped := fan_out(document, survey, wanted, splitting, etag):
        return stopped
    if ranges := plan(survey, file.size, document.filename, limits):
        send_ranges(document, survey, ranges, etag, splitting)
        return Outcome.RANGES_SENT
    with recognising(document, splitting) as ocr:
        whole = cut(wanted, reader=reader, tokenizer=splitting.tokenizer, limits=limits, ocr=ocr)
    return record_cut(document, None, whole, splitting)


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


def _clear_away(new: NewDocument, splitting: Splitting) -> None:
    """Bytes put by a URL that outlived its document belong to nobody, and may not stay.

    Nor may what was taken out of them by a worker that died as the document was deleted.
    """
    ledger, objects = splitting.ledger, splitting.objects
    now = ledger.get(new.partition.tenant, new.document_id)
    if now is None or now.status is not Status.DELETED or now.upload_key != new.upload_key:
        return
    remove_children(now, ledger=ledger, objects=objects, queues=splitting.queues)
    if now.delete_requested and not now.dropped:
        objects.delete([new.upload_key])
