"""Setting a generation going again: whatever of it is not done yet is announced anew."""

from __future__ import annotations

from ragline.domain.documents import Document
from ragline.domain.messages import new_nonce
from ragline.ports import Ledger, Queues
from ragline.usecases.settle import settle
from ragline.usecases.split_again import split_again


def resume(document: Document, *, ledger: Ledger, queues: Queues) -> None:
    """Announce the page ranges and the parts that are not done, from the upload and stored chunks.

    Nothing is lost or done twice by it, however much of it was under way after all.
    """
    if not document.progress.split:
        split_again(document, queues)
    resume_chunks(document, ledger=ledger, queues=queues)


def resume_chunks(document: Document, *, ledger: Ledger, queues: Queues) -> None:
    """Announce the parts that hold pending chunks; end the generation if there are none."""
    work = ledger.work(document)
    parts = work.parts(document, work.unfinished)
    queues.send_parts(parts, nonce=new_nonce(), trace_id=document.trace_id)
    settle(document, ledger=ledger, queues=queues)
