"""Retrying a document: just what failed, from what is stored; the status follows by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import PERMANENT_CODES, Conflict, RaglineError, StoredDataLost
from ragline.domain.lifecycle import TROUBLED
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases import documents
from ragline.usecases.reconcile import UPLOAD_EXPIRED
from ragline.usecases.resume import resume_chunks
from ragline.usecases.split_again import split_again, start_over
from ragline.usecases.splitting import STAGE as SPLIT


@dataclass(frozen=True, slots=True)
class Retried:
    """What is tried again: so many ``chunks``, and the file itself if ``split_again``."""

    document: Document
    chunks: int
    split_again: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """``chunks``: failed ones to be made pending; ``left``: why one of the others failed.

    ``split``: the file is to be split again, in the same generation, or ``over`` in the next one,
    because what is stored of this one is not enough.
    """

    chunks: list[int]
    left: Reason | None
    split: bool
    over: bool


def retry(
    tenant: str,
    document_id: str,
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    code: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> Retried:
    """Try again what failed of a document; of one ``code`` only, if that is given.

    What failed for good is left unless ``force``. The document is under way before anything is
    announced, so a crash in between leaves it to the reconciler, never at a standstill.

    Raises:
        NotFound: the tenant has no such document.
        Conflict: nothing of it can be tried again as it is; says why.
    """
    document = documents.get(tenant, document_id, ledger=ledger)
    if document.status not in {*TROUBLED, Status.SPLITTING, Status.PROCESSING}:
        raise Conflict(f"document {document_id!r} is {_standing(document)}: nothing to retry.")
    plan = _plan(document, ledger, code, force)
    if plan.split or plan.over:
        _check_upload(document, objects)
    retried = Retried(document, len(plan.chunks), plan.split or plan.over)
    if dry_run:
        return retried
    _check_bytes(document, ledger)
    if plan.over:
        start_over(document, queues)
        return retried
    # One that is under way may be so by a retry that was cut short here.
    again = ledger.retry(document, plan.left) if document.terminal else document
    if again is None or not ledger.reopen(again, plan.chunks):
        raise Conflict(f"document {document_id!r} has moved meanwhile; look at it again.")
    if plan.split:
        split_again(document, queues)
    resume_chunks(again, ledger=ledger, queues=queues)
    return Retried(again, retried.chunks, retried.split_again)


def _plan(document: Document, ledger: Ledger, code: str, force: bool) -> _Plan:
    work = ledger.work(document)
    # Failed as a whole: before all of its chunks were there, or had come to an end.
    whole = None if document.progress.complete else document.reason

    def chosen(reason: Reason) -> bool:
        return (not code or reason.code == code) and (force or reason.code not in PERMANENT_CODES)

    unknown = Reason(RaglineError.code, "no reason was recorded.", "")
    reasons = {n: work.reasons.get(n, unknown) for n in work.failed}
    chunks = [n for n, reason in reasons.items() if chosen(reason)]
    if not document.terminal and not chunks:
        what = f"document {document.document_id!r} is {_standing(document)}"
        raise Conflict(f"{what}: nothing to retry.")
    if not reasons and not whole:  # it came through after all, and nobody has said so yet
        return _Plan([], None, split=False, over=False)
    if (whole and not chosen(whole)) or not (whole or chunks):
        failed = [whole] if whole else list(reasons.values())
        raise Conflict(f"document {document.document_id!r}: {_why_not(failed, code)}")
    lost = any(reasons[n].code == StoredDataLost.code for n in chunks)
    return _Plan(
        chunks,
        left=next((reason for reason in reasons.values() if not chosen(reason)), None),
        split=document.terminal
        and (not document.progress.split or (whole is not None and whole.stage == SPLIT)),
        over=lost or (whole is not None and whole.code == UPLOAD_EXPIRED),
    )


def _why_not(failed: Iterable[Reason], code: str) -> str:
    codes = Counter(reason.code for reason in failed)
    told = ", ".join(f"{name} ({times})" for name, times in sorted(codes.items()))
    if code and code not in codes:
        return f"nothing failed with {code!r}, but: {told}."
    return f"it failed for good: {told}. Only force tries that again."


def _check_bytes(document: Document, ledger: Ledger) -> None:
    """Bytes that failed are free for others: they may be another document's by now."""
    if document.status is not Status.FAILED or not document.checksum or document.allow_duplicate:
        return
    owner = ledger.claim_content(
        document.partition, document.checksum, document.document_id, arrived=True
    )
    if owner != document.document_id:
        raise Conflict(
            f"document {document.document_id!r}: its bytes are document {owner!r} by now; delete "
            "one of the two."
        )


def _check_upload(document: Document, objects: Objects) -> None:
    if objects.size(document.upload_key) is None:
        raise Conflict(
            f"document {document.document_id!r}: its bytes are not in the bucket; upload it again."
        )


def _standing(document: Document) -> str:
    under_way = {Status.AWAITING_UPLOAD, Status.SPLITTING, Status.PROCESSING}
    return f"still {document.status}" if document.status in under_way else document.status.value
