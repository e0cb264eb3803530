"""Whether a tenant's caps leave room for what the splitter has in hand.

What was registered has its room since then. What was dropped into the bucket, or is bigger than was
registered, is there already: it ends as failed, and its bytes are held, until it is deleted or room
is made.
"""

from __future__ import annotations

from ragline.domain.documents import Document
from ragline.domain.tenants import Holdings
from ragline.ports import Ledger


def check_arrived(document: Document, registered: int, ledger: Ledger) -> None:
    """Raises QuotaExceeded if a document that had no room from its registration has passed a cap.

    It had none if no one registered it, or fewer bytes (``registered``) than came; whether they
    were fewer is forgotten by the time that it is tried again. Of several that come at once and
    together pass a cap, all may be refused.
    """
    had_room = document.size <= registered and "retried" not in document.timings
    if document.progress.ranges_total or (had_room and not document.dropped):
        return
    tenant = ledger.tenant(document.partition.tenant)
    if tenant.capped:
        mine = Holdings(int(document.dropped), document.size)
        tenant.without(mine).check_room(mine, document.filename)


def check_chunks(document: Document, number: int, chunks: int, ledger: Ledger) -> None:
    """Raises QuotaExceeded if the tenant has no room for the chunks of page range ``number``.

    Ranges that are cut at once do not see one another's chunks: together they may pass the cap,
    by no more than they are.
    """
    tenant = ledger.tenant(document.partition.tenant)
    if tenant.caps.chunks is None or tenant.holds.chunks + chunks <= tenant.caps.chunks:
        return
    before = ledger.ranges(document).get(number)
    if before and not before.lost:
        return  # cut before: they are counted
    tenant.check_room(Holdings(chunks=chunks), document.filename)
