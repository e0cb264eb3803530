"""The splitter: an upload's bytes become chunks, kept in the bucket and announced on the queue."""

from __future__ import annotations

from enum import StrEnum

from ragline import parsing
from ragline.domain.chunks import Part
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import LimitExceeded, PermanentError
from ragline.domain.keys import part_key
from ragline.domain.ledger import NewDocument
from ragline.domain.messages import PageRange
from ragline.ports import Ledger, Objects, Queues, Tokenizer
from ragline.usecases.cut import Cut, Limits, check_size, cut, fingerprint, page_ranges
from ragline.usecases.failures import fail_document, note
from ragline.usecases.identify import identify
from ragline.usecases.parts import cut_parts, write_part
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


def split_upload(
    key: str,
    sequencer: str,
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    tokenizer: Tokenizer,
    limits: Limits,
) -> Outcome:
    """Take one ObjectCreated event to stored and announced chunks, or to a recorded failure.

    Repeating it is safe at every step: the generation belongs to the sequencer, parts and ledger
    records are written by name, and messages may be sent again.

    Raises:
        MalformedMessage: the key is not an upload's.
    """
    upload = identify(key, ledger)
    size = objects.size(key)
    if size is None:
        return Outcome.GONE  # its ObjectRemoved event says what that means
    new = NewDocument(upload.partition, upload.document_id, upload.filename, key, size=size)
    document = ledger.begin(new, sequencer, fingerprint(limits))
    if document is None:
        return Outcome.STALE
    if document.terminal:
        settle(document, ledger=ledger, queues=queues)
        return Outcome.DONE_BEFORE
    try:
        check_size(document.filename, size, limits)
        data = objects.get(key)
        if data is None:
            return Outcome.GONE
        kind = parsing.sniff(data, document.filename)
        ranges = _ranges(document, key, page_ranges(data, kind, document.filename, limits))
        if ranges:
            ledger.plan_ranges(document, len(ranges), ranges[-1].last_page)
            queues.send_ranges(ranges)
            return Outcome.RANGES_SENT
        whole = cut(data, kind, document.filename, tokenizer=tokenizer, limits=limits)
        ledger.plan_ranges(document, 1, whole.pages)
        return _record(document, 0, whole, ledger, objects, queues, limits)
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
    data = objects.get(message.upload_key)
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


def _ranges(document: Document, key: str, pages: list[tuple[int, int]]) -> list[PageRange]:
    return [
        PageRange(
            tenant=document.partition.tenant,
            collection=document.partition.collection,
            document_id=document.document_id,
            generation=document.generation,
            number=number,
            first_page=first,
            last_page=last,
            upload_key=key,
        )
        for number, (first, last) in enumerate(pages)
    ]


def _record(
    document: Document,
    number: int,
    piece: Cut,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    limits: Limits,
) -> Outcome:
    """Chunks first, then the ledger's count of them, then the messages: a crash between any two
    is mended by the redelivery, which writes the same again."""
    base = Part(document.partition, document.document_id, document.generation, 0, 0)
    parts = []
    for part, run in cut_parts(base, piece.chunks):
        write_part(objects, part, run)
        parts.append(part)
    ledger.record_range(document, number, len(piece.chunks), piece.pages)
    now = ledger.get(document.partition.tenant, document.document_id)
    if now is None or now.status is Status.DELETED:
        # The removal may have been worked on before these were written.
        objects.delete(map(part_key, parts))
        return Outcome.STALE
    _check_total(now, document.generation, limits)
    queues.send_parts(parts)
    settled = settle(document, ledger=ledger, queues=queues, advice=piece.advice)
    if settled is not None and settled.status is Status.EMPTY:
        reason = Reason("no_text", f"no text was found in {document.filename}.", STAGE)
        note(document, reason, ledger)
    return Outcome.SPLIT


def _check_total(now: Document, generation: int, limits: Limits) -> None:
    """The ranges of a document share its limit, and are cut by workers that do not meet."""
    total = now.progress.chunks_total
    if now.generation == generation and total > limits.chunks:
        raise LimitExceeded(
            f"{now.filename} has more than {total - 1:,} chunks; max_chunks is {limits.chunks:,}. "
            "Split the file."
        )
