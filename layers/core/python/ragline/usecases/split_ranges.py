"""Big documents: planned in ranges of pages or bytes, which many splitters cut at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

from ragline import parsing
from ragline.domain.documents import Document, Reason
from ragline.domain.errors import PermanentError
from ragline.domain.messages import PageRange, Uploaded
from ragline.ports import LocalFile, Reading, Survey
from ragline.usecases.cut import cut, fingerprint
from ragline.usecases.failures import fail_document
from ragline.usecases.lost import concerns_file, lose_range, reason_of
from ragline.usecases.passwords import unlocked
from ragline.usecases.recognise import recognising
from ragline.usecases.record_cut import record_cut
from ragline.usecases.settle import settle
from ragline.usecases.splitting import STAGE, Outcome, Splitting


def send_ranges(
    document: Document,
    survey: Survey,
    ranges: Sequence[tuple[int, int]],
    etag: str,
    splitting: Splitting,
) -> None:
    """Plan the ranges and announce them: only those not done yet, when this is done again."""
    work = [
        _message(document, survey, etag, number, first, last)
        for number, (first, last) in enumerate(ranges)
    ]
    ledger = splitting.ledger
    done = ledger.ranges(document) if document.progress.ranges_total else {}
    ledger.plan_ranges(document, len(work), survey.pages)
    splitting.queues.send_pages([one for one in work if one.number not in done] or work)


def _message(
    document: Document, survey: Survey, etag: str, number: int, first: int, last: int
) -> PageRange:
    whole = PageRange(
        trace_id=document.trace_id,
        tenant=document.partition.tenant,
        collection=document.partition.collection,
        document_id=document.document_id,
        generation=document.generation,
        number=number,
        upload_key=document.upload_key,
        etag=etag,
    )
    if survey.pages:
        return whole.model_copy(update={"first_page": first, "last_page": last})
    place = {"unit": "bytes", "first_byte": first, "last_byte": last, "format": survey.format}
    return whole.model_copy(update=place)


def split_range(message: PageRange, splitting: Splitting) -> Outcome:
    """Cut one range of a big document, which goes on without it if it cannot be read."""
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
    with unlocked(document, splitting) as splitting:
        return _split_range(document, message, splitting)


def _split_range(document: Document, message: PageRange, splitting: Splitting) -> Outcome:
    limits = splitting.limits
    with _opened(message, splitting) as file:
        if file is None:
            return Outcome.GONE
        try:
            with recognising(document, splitting) as ocr:
                piece = cut(
                    _reading(document, message, file, time.monotonic() + limits.reading_seconds),
                    reader=splitting.reader,
                    tokenizer=splitting.tokenizer,
                    limits=limits,
                    number=message.number,
                    ocr=ocr,
                )
        except PermanentError as error:
            return _cannot_be_read(document, message, error, splitting)
    try:
        return record_cut(document, message.number, piece, splitting)
    except PermanentError as error:
        fail_document(document, Reason.of(error, STAGE), splitting.ledger)
        return Outcome.FAILED


def _opened(message: PageRange, splitting: Splitting) -> AbstractContextManager[LocalFile | None]:
    """The upload, or of one that is read in slices what this slice is read from."""
    key, etag = message.upload_key, message.etag
    if message.unit == "pages":
        return splitting.files.open(key, etag)
    spans = parsing.slice_spans(message.format, message.first_byte, message.last_byte)
    return splitting.files.window(key, spans, etag)


def _reading(document: Document, message: PageRange, file: LocalFile, deadline: float) -> Reading:
    slices = message.unit == "bytes"
    return Reading(
        file,
        document.filename,
        deadline,
        first=message.first_byte if slices else message.first_page,
        last=message.last_byte if slices else message.last_page,
        slices=slices,
    )


def _cannot_be_read(
    document: Document, message: PageRange, error: PermanentError, splitting: Splitting
) -> Outcome:
    if concerns_file(error):
        fail_document(document, Reason.of(error, STAGE), splitting.ledger)
        return Outcome.FAILED
    reason = reason_of(error, message, STAGE)
    lose_range(document, message, reason, ledger=splitting.ledger, queues=splitting.queues)
    return Outcome.LOST


def _again(document: Document, message: PageRange) -> Uploaded:
    return Uploaded(
        trace_id=message.trace_id,
        key=message.upload_key,
        sequencer=document.sequencer,
        etag=message.etag,
    )
