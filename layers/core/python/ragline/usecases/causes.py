"""What a message died of, told to the ledger while it is known: its dead letter only says so."""

from __future__ import annotations

from ragline.domain.documents import Reason
from ragline.domain.errors import RaglineError
from ragline.domain.ledger import Failure
from ragline.domain.messages import MAX_RECEIVES, Message, PartReady, Upsert
from ragline.ports import Ledger


def note_cause(
    message: Message, message_id: str, error: Exception, stage: str, *, ledger: Ledger
) -> None:
    """Keep the failure, at the first of the message's chunks; nothing else changes.

    The message will be a dead letter of the same id: that finds its cause by it.
    Of a foreign error only the type is kept: its text may be a document's.
    """
    document = ledger.get(message.tenant, message.document_id)
    if document is None or not document.wants(message.generation):
        return
    if isinstance(error, RaglineError):
        code, said = error.code, str(error)
    else:
        code, said = RaglineError.code, type(error).__name__
    reason = Reason(code, said, stage, chunk=_first_chunk(message))
    failure = Failure(message.generation, reason, MAX_RECEIVES, letter=message_id)
    ledger.record_failure(message.tenant, message.document_id, failure)


def _first_chunk(message: Message) -> int | None:
    if isinstance(message, Upsert):
        return message.ordinals[0]
    return message.first if isinstance(message, PartReady) else None
