"""Whether a tenant's caps leave room for what the splitter has in hand.

What was registered has its room since then. What was dropped into the bucket is there already: it
ends as failed, and its bytes are held, until it is deleted or room is made.
"""

from __future__ import annotations

from ragline.domain.documents import Document
from ragline.domain.tenants import Holdings
from ragline.ports import Ledger


def check_dropped(document: Document, ledger: Ledger) -> None:
    """Raises QuotaExceeded if a document that no one registered has passed a cap.

    Of several that are dropped at once and together pass it, all may be refused.
    """
    if not document.dropped or document.progress.ranges_total:
        return
    tenant = ledger.tenant(document.partition.tenant)
    if tenant.capped:
        mine = Holdings(1, document.size)
        tenant.without(mine).check_room(mine, document.filename)


def check_chunks(document: Document, number: int, chunks: int, ledger: Ledger) -> None:
    """Raises QuotaExceeded if the tenant has no room for the chunks of page range ``number``.

    Ranges that are cut at once do not see one another's chunks: together they may pass the cap,
    by no more than they are.
    """
    tenant = ledger.tenant(document.partition.tenant)
    if tenant.caps.chunks is None or tenant.holds.chunks + chunks <= tenant.caps.chunks:
        return
    if number in ledger.work(document).ranges:
        return  # cut before: they are counted
    tenant.check_room(Holdings(chunks=chunks), document.filename)
