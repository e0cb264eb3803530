"""Keeping what was cut: chunks into the bucket, counts into the ledger, parts onto the queue."""

from __future__ import annotations

from ragline.domain.chunks import Part
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import LimitExceeded, NoText
from ragline.domain.keys import part_key
from ragline.ports import Ledger
from ragline.usecases.cut import Cut, Limits
from ragline.usecases.failures import note
from ragline.usecases.parts import cut_parts, write_part
from ragline.usecases.room import check_chunks
from ragline.usecases.settle import settle
from ragline.usecases.splitting import STAGE, Outcome, Splitting
from ragline.usecases.turns import each

_AT_ONCE, _FEW = 8, 16
"""Parts that are written at the same time; so few are written one after the other."""


def record_cut(document: Document, number: int | None, piece: Cut, splitting: Splitting) -> Outcome:
    """Chunks first, then the ledger's count of them, then the messages: a crash between any two
    is mended by the redelivery, which writes the same again. ``number`` is None for a document
    that was cut whole.

    Raises:
        LimitExceeded: the document, or its tenant, has too many chunks by now.
    """
    ledger, objects = splitting.ledger, splitting.objects
    _check_total(document, len(piece.chunks), splitting.limits)
    check_chunks(document, number or 0, len(piece.chunks), ledger)
    base = Part(document.partition, document.document_id, document.generation, 0, 0)
    cut = list(cut_parts(base, piece.chunks))
    # A range of megabytes has hundreds of parts, and S3 takes some 20 ms for each.
    at_once = _AT_ONCE if len(cut) > _FEW else 1
    each(lambda one: write_part(objects, *one), cut, at_once=at_once)
    parts = [part for part, _ in cut]
    reason = _note_trouble(document, piece, ledger)
    counted, now = _recorded(document, number, piece, reason, ledger)
    if now is None or not now.wants(document.generation):
        if now is None or now.live_generation != document.generation:
            # What clears a dead generation away may have come before these were written.
            objects.delete(map(part_key, parts))
        return Outcome.STALE
    if not counted:
        return Outcome.STALE  # it had been given up, and the document has ended without it
    _check_total(now, now.progress.chunks_total, splitting.limits)
    splitting.queues.send_parts(parts, trace_id=document.trace_id)
    if now.progress.complete and not now.terminal:  # else whoever finishes its last chunk ends it
        _end(now, splitting)
    return Outcome.SPLIT


def _note_trouble(document: Document, piece: Cut, ledger: Ledger) -> Reason | None:
    """Keep the failures for people to read; that of the first page."""
    first: Reason | None = None
    for trouble in sorted(piece.trouble, key=lambda one: one.page):
        reason = Reason(trouble.code, trouble.message, STAGE, page=trouble.page)
        note(document, reason, ledger)
        first = first or reason
    return first


def _recorded(
    document: Document, number: int | None, piece: Cut, reason: Reason | None, ledger: Ledger
) -> tuple[bool, Document | None]:
    """Have the ledger count what was cut: whether it did, and the document as it is then."""
    chunks = len(piece.chunks)
    if number is None:
        return True, ledger.record_whole(document, chunks, piece.pages, reason)
    counted = ledger.record_range(document, number, chunks, piece.pages, reason)
    return counted, ledger.get(document.partition.tenant, document.document_id)


def _check_total(document: Document, chunks: int, limits: Limits) -> None:
    """The ranges of a document share its limit, and are cut by workers that do not meet."""
    if chunks > limits.chunks:
        what = f"{document.filename} has {chunks:,} chunks or more"
        raise LimitExceeded(f"{what}; max_chunks is {limits.chunks:,}.")


def _end(now: Document, splitting: Splitting) -> None:
    """End a document that has no chunk at all."""
    advice = _advice(now, recognised=splitting.ocr is not None)
    settled = settle(now, ledger=splitting.ledger, queues=splitting.queues, advice=advice)
    if settled is not None and settled.status is Status.EMPTY:
        reason = Reason.of(NoText(f"no text was found in {now.filename}."), STAGE)
        note(now, reason, splitting.ledger)


def _advice(now: Document, *, recognised: bool) -> str:
    """What to do where no text was found. ``recognised``: pictures were shown to an engine."""
    counts = now.progress.page_counts
    if not counts.image:
        return "The file holds no text. Upload a version that does."
    pictures = f"{counts.image:,} of {counts.total:,} pages hold only a picture"
    if not recognised:
        return (
            f"{pictures}, and OCR is off: have it switched on (parameter Ocr), or upload a version "
            "that has text."
        )
    return (
        f"{pictures}, in which no text was found: upload a better scan, or a version that has text."
    )
