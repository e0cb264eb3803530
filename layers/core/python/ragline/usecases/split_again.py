"""Having a file that is in the bucket split once more, by the queue of the splitter."""

from __future__ import annotations

from ragline.domain.documents import Document
from ragline.domain.keys import just_after
from ragline.domain.messages import Uploaded, new_nonce
from ragline.ports import Queues


def split_again(document: Document, queues: Queues) -> None:
    """Have the same generation split: what was cut before is not cut again."""
    _send(document, document.sequencer, queues)


def start_over(document: Document, queues: Queues) -> None:
    """Have the bytes that are in the bucket split as the next generation."""
    _send(document, just_after(document.sequencer), queues)


def started_over(document: Document) -> Uploaded:
    """The message by which ``start_over`` does that."""
    return _again(document, just_after(document.sequencer))


def _send(document: Document, sequencer: str, queues: Queues) -> None:
    queues.send_pages([_again(document, sequencer)])


def _again(document: Document, sequencer: str) -> Uploaded:
    return Uploaded(
        trace_id=document.trace_id,
        nonce=new_nonce(),
        key=document.upload_key,
        sequencer=sequencer,
    )
