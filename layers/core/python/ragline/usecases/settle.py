"""Ending a generation: whoever finishes its last chunk does, and clears away what it replaced."""

from __future__ import annotations

from ragline.domain.documents import Document
from ragline.ports import Ledger, Queues
from ragline.usecases.remove import clear_dead


def settle(
    document: Document,
    *,
    ledger: Ledger,
    queues: Queues,
    advice: str = "",
    known: Document | None = None,
) -> Document | None:
    """End the document's generation if it is complete; the document if this very call ended it.

    Once a generation is live, the rows, chunks and vectors of the ones before it may go. Every
    later call orders that again: a crash between the two is mended by the redelivery, and what goes
    astray by the reconciler. ``known``: as ``ports.Ledger.settle`` says.
    """
    tenant, document_id = document.partition.tenant, document.document_id
    ended = ledger.settle(tenant, document_id, document.generation, advice=advice, known=known)
    if document.generation > 1:
        now = ended or ledger.get(tenant, document_id)
        if now is not None and now.terminal and now.shows(document.generation):
            clear_dead(now, queues=queues)
    return ended
