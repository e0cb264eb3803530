"""Reconciling: what a crash left at a standstill is found by its lease, and set going again."""

from __future__ import annotations

import math
import time
from collections import Counter
from datetime import datetime, timedelta
from enum import StrEnum

from ragline.domain import lifecycle
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.keys import just_after
from ragline.domain.lifecycle import Record
from ragline.domain.messages import new_nonce
from ragline.domain.times import iso, later
from ragline.ports import Backlog, Ledger, Objects, Queues
from ragline.usecases.failures import fail_document
from ragline.usecases.remove import (
    clear_dead,
    clear_leftover,
    follow_removal,
    remove_children,
)
from ragline.usecases.resume import resume
from ragline.usecases.split_again import start_over

MAX_REPAIRS = 3
"""Fruitless repairs before a document is given up; a queue's own attempts lie in each."""

MAX_STARVED = timedelta(hours=6)
"""However deep the queues are: a message may be lost among the many that wait."""

UPLOAD_EXPIRED = "upload_expired"
STALLED = "stalled"


class Verdict(StrEnum):
    """What was found of a document whose lease is over, and done about it."""

    MOVING = "moving"
    STARVED = "starved"
    REPAIRED = "repaired"
    EXPIRED = "expired"
    REMOVED = "removed"
    GAVE_UP = "gave_up"


def reconcile(
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    now: datetime,
    deadline: float = math.inf,
) -> Counter[Verdict]:
    """Look at every document whose lease is over; how many there were of each verdict.

    Moving: it has progressed since. Starved: its messages wait behind others, which is no fault of
    its own. Stuck is what is neither: it is repaired, a few times, and failed if that is in vain.
    What is not looked at by ``deadline``, in seconds of ``time.monotonic``, waits for the next run;
    so does what fails, and the first such error is raised when all others are done.
    """
    found: Counter[Verdict] = Counter()
    errors: list[Exception] = []
    seen: set[tuple[str, str]] = set()
    backlog: Backlog | None = None
    while late := [one for one in ledger.overdue() if _name(one) not in seen]:
        backlog = backlog or queues.backlog()
        for record in late:
            if time.monotonic() > deadline:
                return found
            seen.add(_name(record))
            try:
                found[_look(record, backlog, iso(now), ledger, objects, queues)] += 1
            except Exception as error:  # one document does not keep the others waiting
                errors.append(error)
    if errors:
        raise errors[0]
    return found


def _look(
    record: Record, backlog: Backlog, now: str, ledger: Ledger, objects: Objects, queues: Queues
) -> Verdict:
    document, verdict = record.document, _verdict(record, backlog, now)
    if verdict is Verdict.REPAIRED:
        verdict = _repair(document, ledger, objects, queues)
    elif verdict is Verdict.GAVE_UP:
        message = f"it stood still after {MAX_REPAIRS} repairs; retry it, or read the logs."
        stage = "split" if document.status is Status.SPLITTING else "embed"
        fail_document(document, Reason(STALLED, message, stage), ledger)
    if verdict not in {Verdict.EXPIRED, Verdict.REMOVED, Verdict.GAVE_UP}:
        ledger.renew(document, repaired=verdict is Verdict.REPAIRED)
    return verdict


def _name(record: Record) -> tuple[str, str]:
    return record.document.partition.tenant, record.document.document_id


def _verdict(record: Record, backlog: Backlog, now: str) -> Verdict:
    document = record.document
    if not lifecycle.overdue(record, now):
        return Verdict.MOVING
    starving = now < later(document.updated_at, MAX_STARVED)
    if starving and _waiting(document, backlog):
        return Verdict.STARVED
    under_way = document.status in {Status.SPLITTING, Status.PROCESSING}
    if under_way and lifecycle.repairs_in_vain(record) >= MAX_REPAIRS:
        return Verdict.GAVE_UP
    return Verdict.REPAIRED


def _waiting(document: Document, backlog: Backlog) -> int:
    """How many messages are before or among those that this document waits for."""
    match document.status:
        case Status.SPLITTING:
            return backlog.pages
        case Status.PROCESSING:
            # Ranges may be split once more while chunks of the others are under way.
            pages = 0 if document.progress.split else backlog.pages
            return pages + backlog.chunks + backlog.index_ops
        case Status.AWAITING_UPLOAD:
            return 0
        case _:
            return backlog.index_ops


def _repair(document: Document, ledger: Ledger, objects: Objects, queues: Queues) -> Verdict:
    match document.status:
        case Status.AWAITING_UPLOAD:
            return _await_no_longer(document, ledger, objects, queues)
        case Status.DELETED:
            if document.delete_requested:
                clear_leftover(document, ledger=ledger, objects=objects, queues=queues)
            remove_children(document, ledger=ledger, objects=objects, queues=queues)
            clear_dead(document, queues=queues, nonce=new_nonce())
        case _ if document.terminal:
            clear_dead(document, queues=queues, nonce=new_nonce())
        case _ if not document.progress.split and objects.size(document.upload_key) is None:
            # Its removal was told of before the document was known, or was lost.
            removed, nonce = just_after(document.sequencer), new_nonce()
            follow_removal(
                document, removed, ledger=ledger, objects=objects, queues=queues, nonce=nonce
            )
            return Verdict.REMOVED
        case _:
            resume(document, ledger=ledger, queues=queues)
    return Verdict.REPAIRED


def _await_no_longer(
    document: Document, ledger: Ledger, objects: Objects, queues: Queues
) -> Verdict:
    if objects.size(document.upload_key) is not None:
        start_over(document, queues)  # it is here, and its event was lost
        return Verdict.REPAIRED
    message = "its bytes did not arrive in time; register it again, or push the file again."
    reason = Reason(UPLOAD_EXPIRED, message, "upload")
    ledger.expire(document.partition.tenant, document.document_id, reason)
    if document.generation:  # of the time before it was deleted and registered again
        clear_dead(document, queues=queues, nonce=new_nonce())
    return Verdict.EXPIRED
