"""What failed is recorded twice: for people to read, and in the document's status or counts."""

from __future__ import annotations

from collections.abc import Sequence

from ragline.domain.documents import Document, Reason
from ragline.domain.ledger import ChunkState, Failure
from ragline.ports import Ledger


def note(document: Document, reason: Reason, ledger: Ledger) -> None:
    """Keep the failure for people to read; nothing else changes."""
    failure = Failure(document.generation, reason)
    ledger.record_failure(document.partition.tenant, document.document_id, failure)


def fail_document(document: Document, reason: Reason, ledger: Ledger) -> None:
    """End a document's generation with the reason for it, and what to do about it."""
    note(document, reason, ledger)
    tenant = document.partition.tenant
    ledger.fail(tenant, document.document_id, document.generation, reason)


def fail_chunks(
    document: Document, ordinals: Sequence[int], reason: Reason, ledger: Ledger
) -> None:
    """Set chunks apart with the reason for it; the document goes on without them."""
    note(document, reason, ledger)
    ledger.record_chunks(document, ordinals, ChunkState.FAILED, reason)
