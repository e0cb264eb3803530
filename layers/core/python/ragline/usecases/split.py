"""The splitter: an upload's bytes become chunks, kept in the bucket and announced on the queue."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ragline import chunking, parsing
from ragline.domain.chunks import ORDINALS_PER_RANGE, Chunk, Extraction, Part
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import EmptyFile, LimitExceeded, PermanentError
from ragline.domain.keys import part_key
from ragline.domain.ledger import Failure, NewDocument
from ragline.domain.messages import PageRange
from ragline.ports import Ledger, Objects, Queues, Tokenizer
from ragline.usecases.identify import identify
from ragline.usecases.parts import cut_parts, write_part
from ragline.usecases.settle import settle

STAGE = "split"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may be. ``seconds`` is how long the splitter may work on one range."""

    file_bytes: int
    pages: int
    chunks: int
    pages_per_range: int
    chunk_tokens: int
    overlap_tokens: int
    seconds: float = 240.0


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
        return _split(document, key, size, ledger, objects, queues, tokenizer, limits)
    except PermanentError as error:
        fail(document, error, ledger=ledger)
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
        pages = (message.first_page, message.last_page)
        extraction = _extract(data, document.filename, pages, limits)
        return _record(
            document, message.number, extraction, ledger, objects, queues, tokenizer, limits
        )
    except PermanentError as error:
        fail(document, error, ledger=ledger)
        return Outcome.FAILED


def fingerprint(limits: Limits) -> str:
    """Names the parser, the chunker and its parameters: another one means another generation."""
    size = f"{limits.chunk_tokens}-{limits.overlap_tokens}"
    return f"{parsing.PARSER_FINGERPRINT}/{chunking.CHUNKER_VERSION}-{size}"


def fail(document: Document, error: PermanentError, *, ledger: Ledger) -> None:
    """End a document's generation with the reason for it."""
    reason = Reason.of(error, STAGE)
    ledger.record_failure(
        document.partition.tenant, document.document_id, Failure(document.generation, reason)
    )
    ledger.fail(document.partition.tenant, document.document_id, document.generation, reason)


def _split(
    document: Document,
    key: str,
    size: int,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    tokenizer: Tokenizer,
    limits: Limits,
) -> Outcome:
    if size == 0:
        raise EmptyFile(f"{document.filename} has no bytes; upload it again.")
    if size > limits.file_bytes:
        raise LimitExceeded(
            f"{document.filename} has {size:,} bytes; max_file_bytes is {limits.file_bytes:,}."
        )
    data = objects.get(key)
    if data is None:
        return Outcome.GONE
    kind = parsing.sniff(data, document.filename)
    pages = parsing.page_count(data, kind)
    if pages > limits.pages:
        raise LimitExceeded(
            f"{document.filename} has {pages:,} pages; max_pages is {limits.pages:,}. Split it."
        )
    if pages > limits.pages_per_range:
        ranges = _ranges(document, key, pages, limits.pages_per_range)
        ledger.plan_ranges(document, len(ranges), pages)
        queues.send_ranges(ranges)
        return Outcome.RANGES_SENT
    extraction = _extract(data, document.filename, (1, None), limits)
    ledger.plan_ranges(document, 1, extraction.pages)
    return _record(document, 0, extraction, ledger, objects, queues, tokenizer, limits)


def _ranges(document: Document, key: str, pages: int, per_range: int) -> list[PageRange]:
    return [
        PageRange(
            tenant=document.partition.tenant,
            collection=document.partition.collection,
            document_id=document.document_id,
            generation=document.generation,
            number=number,
            first_page=first,
            last_page=min(first + per_range - 1, pages),
            upload_key=key,
        )
        for number, first in enumerate(range(1, pages + 1, per_range))
    ]


def _extract(
    data: bytes, filename: str, pages: tuple[int, int | None], limits: Limits
) -> Extraction:
    first, last = pages
    return parsing.extract(
        data,
        parsing.sniff(data, filename),
        filename=filename,
        first_page=first,
        last_page=last,
        deadline=time.monotonic() + limits.seconds,
    )


def _record(
    document: Document,
    number: int,
    extraction: Extraction,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    tokenizer: Tokenizer,
    limits: Limits,
) -> Outcome:
    """Chunks first, then the ledger's count of them, then the messages: a crash between any two
    is mended by the redelivery, which writes the same again."""
    chunks = _number(extraction, number, tokenizer, limits)
    base = Part(document.partition, document.document_id, document.generation, 0, 0)
    parts = []
    for part, run in cut_parts(base, chunks):
        write_part(objects, part, run)
        parts.append(part)
    ledger.record_range(document, number, len(chunks), extraction.pages)
    now = ledger.get(document.partition.tenant, document.document_id)
    if now is None or now.status is Status.DELETED:
        # The removal may have been worked on before these were written.
        objects.delete(map(part_key, parts))
        return Outcome.STALE
    _check_total(now, document.generation, limits)
    queues.send_parts(parts)
    settled = settle(document, ledger=ledger, queues=queues, advice=_advice(extraction))
    if settled is not None and settled.status is Status.EMPTY:
        reason = Reason("no_text", f"no text was found in {document.filename}.", STAGE)
        ledger.record_failure(
            document.partition.tenant, document.document_id, Failure(document.generation, reason)
        )
    return Outcome.SPLIT


def _check_total(now: Document, generation: int, limits: Limits) -> None:
    """The ranges of a document share its limit, and are cut by workers that do not meet."""
    total = now.progress.chunks_total
    if now.generation == generation and total > limits.chunks:
        raise LimitExceeded(
            f"{now.filename} has more than {total - 1:,} chunks; max_chunks is {limits.chunks:,}. "
            "Split the file."
        )


def _number(
    extraction: Extraction, number: int, tokenizer: Tokenizer, limits: Limits
) -> Sequence[Chunk]:
    chunks = list(
        chunking.chunk(
            extraction,
            tokenizer=tokenizer,
            max_tokens=limits.chunk_tokens,
            overlap_tokens=limits.overlap_tokens,
        )
    )
    most = min(limits.chunks, ORDINALS_PER_RANGE)
    if len(chunks) > most:
        raise LimitExceeded(
            f"{len(chunks):,} chunks in one range of pages; at most {most:,}. Split the file."
        )
    base = number * ORDINALS_PER_RANGE
    return [replace(chunk, ordinal=base + chunk.ordinal) for chunk in chunks]


def _advice(extraction: Extraction) -> str:
    if not extraction.bare_pages:
        return "The file holds no text. Upload a version that does."
    return (
        f"{len(extraction.bare_pages)} of {extraction.pages} pages are images without a text layer:"
        " run OCR over the file and upload the result."
    )
