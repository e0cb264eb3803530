"""Setting a generation going again: whatever of it is not done yet is announced anew."""

from __future__ import annotations

from collections.abc import Sequence

from ragline.domain.documents import Document
from ragline.domain.ledger import Work
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
    """Announce the parts that hold pending chunks; end the generation if there are none.

    Range by range: of a huge document, the records of all its chunks are too much at once.
    """
    nonce = new_nonce()
    for number, done in sorted(ledger.ranges(document).items()):
        work = ledger.work(document, number) if done.chunks else Work()
        parts = work.parts(document, work.unfinished)
        queues.send_parts(parts, nonce=nonce, trace_id=document.trace_id)
    settle(document, ledger=ledger, queues=queues)


def resume_these(
    document: Document, ordinals: Sequence[int], *, ledger: Ledger, queues: Queues
) -> None:
    """As ``resume_chunks``, for chunks that were just made pending: most often there are no others,
    as the counts tell without a look at each."""
    now = ledger.get(document.partition.tenant, document.document_id)
    counts = now.progress if now else document.progress
    if not ordinals or counts.chunks_total - counts.indexed - counts.failed != len(ordinals):
        resume_chunks(document, ledger=ledger, queues=queues)
        return
    parts = Work(ledger.ranges(document)).parts(document, ordinals)
    queues.send_parts(parts, nonce=new_nonce(), trace_id=document.trace_id)
