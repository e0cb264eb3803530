"""Retrying a document: just what failed, from what is stored; the status follows by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ragline.domain.children import ChildState
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.errors import (
    PERMANENT_CODES,
    Conflict,
    EncryptedDocument,
    RaglineError,
    StoredDataLost,
)
from ragline.domain.lifecycle import TROUBLED
from ragline.domain.passwords import check_password
from ragline.ports import Ledger, Objects, Passwords, Queues
from ragline.usecases import documents
from ragline.usecases.passwords import keep
from ragline.usecases.reconcile import UPLOAD_EXPIRED
from ragline.usecases.resume import resume_these
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
    """``chunks``: failed ones to be made pending, ``ranges``: lost ones; ``left``: why one of the
    other chunks failed.

    ``split``: the file is to be split again, in the same generation, or ``over`` in the next one,
    because what is stored of this one is not enough.
    """

    chunks: list[int]
    ranges: list[int]
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
    password: str = "",
    passwords: Passwords | None = None,
) -> Retried:
    """Try again what failed of a document; of one ``code`` only, if that is given.

    What failed for good is left unless ``force``; with a ``password``, which ``passwords`` then
    keeps, not what failed for the want of one. The document is under way before anything is
    announced, so a crash in between leaves it to the reconciler, never at a standstill.

    Raises:
        InvalidRequest: this can be nobody's password.
        NotFound: the tenant has no such document.
        Conflict: nothing of it can be tried again as it is; says why.
    """
    check_password(password)
    document = documents.get(tenant, document_id, ledger=ledger)
    if _left_inside(document, ledger, code, force):
        _check_upload(document, objects)
        if not dry_run:
            keep(password, document, passwords)
            start_over(document, queues)
        return Retried(document, 0, split_again=True)
    if document.status not in {*TROUBLED, Status.SPLITTING, Status.PROCESSING}:
        raise Conflict(f"document {document_id!r} is {_standing(document)}: nothing to retry.")
    final = frozenset() if force else PERMANENT_CODES
    if password:
        final -= {EncryptedDocument.code}
    plan = _plan(document, ledger, code, final)
    if plan.split or plan.over:
        _check_upload(document, objects)
    retried = Retried(document, len(plan.chunks), plan.split or plan.over)
    if dry_run:
        return retried
    _check_bytes(document, ledger)
    keep(password, document, passwords)
    if plan.over:
        start_over(document, queues)
        return retried
    # One that is under way may be so by a retry that was cut short here.
    split = plan.split
    again = ledger.retry(document, plan.left, split=split) if document.terminal else document
    if again is None or not _reopened(again, plan, ledger):
        raise Conflict(f"document {document_id!r} has moved meanwhile; look at it again.")
    if split:
        split_again(document, queues)
    resume_these(again, plan.chunks, ledger=ledger, queues=queues)
    return Retried(again, retried.chunks, retried.split_again)


def _left_inside(document: Document, ledger: Ledger, code: str, force: bool) -> bool:
    """Whether the document is done, but files that came in it could not become documents, for a
    reason that may have gone; what is a document already is not touched by a new version."""
    if not document.children or document.status not in {Status.INDEXED, Status.EMPTY}:
        return False
    came = ledger.children(document.partition.tenant, document.document_id)
    why = [one.reason.code for one in came if one.state is ChildState.SKIPPED and one.reason]
    return any((not code or one == code) and (force or one not in PERMANENT_CODES) for one in why)


def _reopened(document: Document, plan: _Plan, ledger: Ledger) -> bool:
    opened = ledger.reopen(document, plan.chunks)
    return opened and (not plan.ranges or ledger.reopen_ranges(document, plan.ranges))


def _plan(document: Document, ledger: Ledger, code: str, final: frozenset[str]) -> _Plan:
    """``final``: the codes that no other try would change."""
    # Failed as a whole: before all of its chunks were there, or had come to an end.
    whole = None if document.progress.complete else document.reason

    def chosen(reason: Reason) -> bool:
        return (not code or reason.code == code) and reason.code not in final

    unknown = Reason(RaglineError.code, "no reason was recorded.", "")
    reasons = {n: reason or unknown for n, reason in ledger.failed(document).items()}
    chunks = [n for n, reason in reasons.items() if chosen(reason)]
    unread = _unread(document, ledger, unknown)
    ranges = [n for n, reason in unread.lost.items() if chosen(reason)]
    if not document.terminal and not (chunks or ranges):
        what = f"document {document.document_id!r} is {_standing(document)}"
        raise Conflict(f"{what}: nothing to retry.")
    failed = [*reasons.values(), *unread.lost.values(), *unread.torn]
    if not failed and not whole:  # it came through after all, and nobody has said so yet
        return _Plan([], [], None, split=False, over=False)
    torn = document.terminal and any(map(chosen, unread.torn))
    if (whole and not chosen(whole)) or not (whole or chunks or ranges or torn):
        raise Conflict(
            f"document {document.document_id!r}: {_why_not([whole] if whole else failed, code)}"
        )
    gone = any(reasons[n].code == StoredDataLost.code for n in chunks)
    again = not document.progress.split or (whole is not None and whole.stage == SPLIT)
    return _Plan(
        chunks,
        ranges,
        left=next((reason for reason in reasons.values() if not chosen(reason)), None),
        split=bool(ranges) or (document.terminal and again),
        over=gone or torn or (whole is not None and whole.code == UPLOAD_EXPIRED),
    )


@dataclass(frozen=True, slots=True)
class _Unread:
    """Why ranges are ``lost``, by their numbers; and why pages of ranges that were cut are not in
    their chunks (``torn``): these cannot be tried again alone."""

    lost: Mapping[int, Reason]
    torn: Sequence[Reason]


def _unread(document: Document, ledger: Ledger, unknown: Reason) -> _Unread:
    if not document.progress.unread:
        return _Unread({}, ())
    ranges = ledger.ranges(document)
    lost = {n: one.reason or unknown for n, one in ranges.items() if one.lost}
    torn = [one.reason for one in ranges.values() if one.reason and not one.lost]
    return _Unread(dict(sorted(lost.items())), torn)


def _why_not(failed: Iterable[Reason], code: str) -> str:
    codes = Counter(reason.code for reason in failed)
    told = ", ".join(f"{name} ({times})" for name, times in sorted(codes.items()))
    if code and code not in codes:
        return f"nothing failed with {code!r}, but: {told}."
    what = "its password, or force," if EncryptedDocument.code in codes else "force"
    return f"it failed for good: {told}. Only {what} tries that again."


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
