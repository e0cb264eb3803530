"""Deleting a document: the ledger first, so that it is gone from answers at once; then the rest."""

from __future__ import annotations

from ragline.domain.documents import Document, Status
from ragline.domain.messages import Delete
from ragline.ports import Ledger, Queues
from ragline.usecases.identify import identify


def is_removal(event_name: str) -> bool:
    """Whether an event of the bucket tells that an object went: removed, or expired by a rule."""
    return event_name.startswith(("ObjectRemoved", "LifecycleExpiration"))


def remove_upload(key: str, sequencer: str, *, ledger: Ledger, queues: Queues) -> Document | None:
    """Follow one ObjectRemoved event: the document whose upload is gone is deleted.

    An event for an upload that was since replaced, under this or another name, is ignored.

    Raises:
        MalformedMessage: the key is not an upload's.
    """
    upload = identify(key, ledger)
    document = ledger.get(upload.partition.tenant, upload.document_id)
    if document is None or document.upload_key != key:
        return None
    return remove(upload.partition.tenant, upload.document_id, sequencer, ledger, queues)


def remove(
    tenant: str, document_id: str, sequencer: str, ledger: Ledger, queues: Queues
) -> Document | None:
    """Mark a document deleted and order its rows, chunks and vectors away.

    Safe to repeat: a document that was marked before has its removal ordered again, so a crash
    between the two is mended by the retry. None if it is unknown, or the event was a late one.
    """
    ledger.delete(tenant, document_id, sequencer)
    document = ledger.get(tenant, document_id)
    if document is None or document.status is not Status.DELETED:
        return None
    queues.send_ops([delete_op(document, below=document.generation + 1)])
    return document


def delete_op(document: Document, *, below: int, nonce: str = "") -> Delete:
    """The operation that drops all generations of a document below ``below``."""
    return Delete(
        nonce=nonce,
        tenant=document.partition.tenant,
        collection=document.partition.collection,
        document_id=document.document_id,
        generation=max(1, document.generation),
        below=below,
    )
