"""Deleting a document: the ledger first, so that it is gone from answers at once; then the rest."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ragline.domain.documents import Document, Status
from ragline.domain.keys import just_after
from ragline.domain.lifecycle import dead_below
from ragline.domain.messages import Delete
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases.identify import identify
from ragline.usecases.split_again import start_over


def is_removal(event_name: str) -> bool:
    """Whether an event of the bucket tells that an object went: removed, or expired by a rule."""
    return event_name.startswith(("ObjectRemoved", "LifecycleExpiration"))


def remove_upload(key: str, sequencer: str, *, ledger: Ledger, queues: Queues) -> Document | None:
    """Follow one ObjectRemoved event: the document whose upload is gone is deleted.

    An event for an upload that was since replaced, under this or another name, is ignored.

    Raises:
        MalformedMessage: the key is not an upload's.
    """
    upload, known = identify(key, ledger)
    document = known or ledger.get(upload.partition.tenant, upload.document_id)
    if document is None or document.upload_key != key:
        return None
    return follow_removal(document, sequencer, ledger=ledger, queues=queues)


def follow_removal(
    document: Document, sequencer: str, *, ledger: Ledger, queues: Queues, nonce: str = ""
) -> Document | None:
    """Mark a document deleted, since its upload is gone, and clear away what it was made of.

    None if the removal was of an older upload than the one that is there.
    """
    tenant, document_id = document.partition.tenant, document.document_id
    ledger.delete(tenant, document_id, sequencer)
    deleted = ledger.get(tenant, document_id)
    if deleted is None or deleted.status is not Status.DELETED:
        return None
    clear_dead(deleted, queues=queues, nonce=nonce)
    return deleted


def remove(
    tenant: str, document_id: str, *, ledger: Ledger, objects: Objects, queues: Queues
) -> None:
    """Mark a document deleted, and clear away what it was made of.

    Safe to repeat: what was marked before is cleared away again, so a crash half way is mended by
    the caller's retry, or else by the reconciler.
    """
    upload = ledger.upload(tenant, document_id)
    ledger.delete(tenant, document_id)
    document = ledger.get(tenant, document_id)
    if document is not None and document.status is Status.DELETED:
        # The upload first: once all else is gone, the ledger looks after the document no more.
        if upload is not None:
            objects.drop_parts(document.upload_key, upload.upload_id)
        objects.delete([document.upload_key])
        clear_dead(document, queues=queues)


def clear_dead(document: Document, *, queues: Queues, nonce: str = "") -> None:
    """Order away the rows, chunks and vectors of all generations that count no more.

    ``nonce`` marks an order that is given again, after the first may have gone astray.
    """
    removal = Delete(
        trace_id=document.trace_id,
        nonce=nonce,
        tenant=document.partition.tenant,
        collection=document.partition.collection,
        document_id=document.document_id,
        generation=max(1, document.generation),
        below=dead_below(document),
        keep=document.live_generation,
    )
    queues.send_ops([removal])


def clear_leftover(document: Document, *, ledger: Ledger, objects: Objects, queues: Queues) -> None:
    """Delete what a document left in its place in the bucket when it was deleted on request.

    Other bytes than its own are no leftover. Where anyone may drop files they are a new file, whose
    event waited for the word of a removal that never came: it waits no longer.
    """
    data = objects.get(document.upload_key)
    if data is None:
        return
    theirs = not document.checksum or document.checksum == hashlib.sha256(data).hexdigest()
    if theirs or not document.dropped:
        objects.delete([document.upload_key])
        return
    closed = just_after(document.sequencer)
    ledger.delete(document.partition.tenant, document.document_id, closed)
    start_over(replace(document, sequencer=closed), queues)
