"""Setting a generation going again: whatever of it is not done yet is announced anew."""

from __future__ import annotations

from ragline.domain.documents import Document
from ragline.domain.keys import just_after
from ragline.domain.messages import Uploaded, new_nonce
from ragline.ports import Ledger, Queues
from ragline.usecases.settle import settle


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
    queues.send_parts(work.parts(document, work.unfinished), nonce=new_nonce())
    settle(document, ledger=ledger, queues=queues)


def split_again(document: Document, queues: Queues) -> None:
    """Have the same generation split: what was cut before is not cut again."""
    _send(document, document.sequencer, queues)


def start_over(document: Document, queues: Queues) -> None:
    """Have the bytes that are in the bucket split as the next generation."""
    _send(document, just_after(document.sequencer), queues)


def _send(document: Document, sequencer: str, queues: Queues) -> None:
    again = Uploaded(nonce=new_nonce(), key=document.upload_key, sequencer=sequencer)
    queues.send_pages([again])
