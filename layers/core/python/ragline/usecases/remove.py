"""Deleting a document: the ledger first, so that it is gone from answers at once; then the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace

from ragline.domain.documents import Document, Status
from ragline.domain.keys import just_after
from ragline.domain.lifecycle import dead_below
from ragline.domain.messages import Delete
from ragline.ports import Ledger, Objects, Queues
from ragline.usecases.identify import identify
from ragline.usecases.split_again import start_over

_PIECE = 8 * 1024 * 1024
"""Bytes of an upload that are in memory at once."""


def is_removal(event_name: str) -> bool:
    """Whether an event of the bucket tells that an object went: removed, or expired by a rule."""
    return event_name.startswith(("ObjectRemoved", "LifecycleExpiration"))


def remove_upload(
    key: str, sequencer: str, *, ledger: Ledger, objects: Objects, queues: Queues
) -> Document | None:
    """Follow one ObjectRemoved event: the document whose upload is gone is deleted.

    An event for an upload that was since replaced, under this or another name, is ignored.

    Raises:
        MalformedMessage: the key is not an upload's.
    """
    upload, known = identify(key, ledger)
    document = known or ledger.get(upload.partition.tenant, upload.document_id)
    if document is None or document.upload_key != key:
        return None
    return follow_removal(document, sequencer, ledger=ledger, objects=objects, queues=queues)


def follow_removal(
    document: Document,
    sequencer: str,
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    nonce: str = "",
) -> Document | None:
    """Mark a document deleted, since its upload is gone, and clear away what it was made of.

    None if the removal was of an older upload than the one that is there.
    """
    tenant, document_id = document.partition.tenant, document.document_id
    ledger.delete(tenant, document_id, sequencer)
    deleted = ledger.get(tenant, document_id)
    if deleted is None or deleted.status is not Status.DELETED:
        return None
    remove_children(deleted, ledger=ledger, objects=objects, queues=queues)
    clear_dead(deleted, queues=queues, nonce=nonce)
    return deleted


def remove(
    tenant: str, document_id: str, *, ledger: Ledger, objects: Objects, queues: Queues
) -> None:
    """Mark a document deleted, with all that came in it, and clear away what they were made of.

    Safe to repeat: what was marked before is cleared away again, so a crash half way is mended by
    the caller's retry, or else by the reconciler.
    """
    upload = ledger.upload(tenant, document_id)
    ledger.delete(tenant, document_id)
    document = ledger.get(tenant, document_id)
    if document is not None and document.status is Status.DELETED:
        # Once what it was made of is gone, the ledger looks after the document no more: that last.
        remove_children(document, ledger=ledger, objects=objects, queues=queues)
        if upload is not None:
            objects.drop_parts(document.upload_key, upload.upload_id)
        objects.delete([document.upload_key])
        clear_dead(document, queues=queues)


def remove_children(
    document: Document, *, ledger: Ledger, objects: Objects, queues: Queues
) -> None:
    """Delete all documents that came in this one, however deep they lie. Safe to repeat.

    All are marked first, so that none answers any more, and cleared away then.
    """
    if document.children:
        came = ledger.children(document.partition.tenant, document.document_id)
        inside = [child.document_id for child in came]
        remove_inside(document, inside, ledger=ledger, objects=objects, queues=queues)


def remove_inside(
    document: Document,
    document_ids: Collection[str],
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
) -> None:
    """As ``remove_children``, of those that are named; one that came elsewhere is left alone."""
    tenant, gone = document.partition.tenant, list[Document]()
    level = dict.fromkeys(document_ids, document.document_id)
    while level:
        known = ledger.get_many(tenant, level.keys()).values()
        found = [one.document_id for one in known if one.parent == level[one.document_id]]
        ledger.delete_many(tenant, found)
        now = ledger.get_many(tenant, found).values()
        deleted = [one for one in now if one.status is Status.DELETED]
        gone += deleted
        level = {
            child.document_id: one.document_id
            for one in deleted
            if one.children
            for child in ledger.children(tenant, one.document_id)
        }
    objects.delete(one.upload_key for one in gone)
    queues.send_ops([_removal(one) for one in gone])


def clear_dead(document: Document, *, queues: Queues, nonce: str = "") -> None:
    """Order away the rows, chunks and vectors of all generations that count no more.

    ``nonce`` marks an order that is given again, after the first may have gone astray.
    """
    queues.send_ops([_removal(document, nonce)])


def _removal(document: Document, nonce: str = "") -> Delete:
    return Delete(
        trace_id=document.trace_id,
        nonce=nonce,
        tenant=document.partition.tenant,
        collection=document.partition.collection,
        document_id=document.document_id,
        generation=max(1, document.generation),
        below=dead_below(document),
        keep=document.live_generation,
    )


def clear_leftover(document: Document, *, ledger: Ledger, objects: Objects, queues: Queues) -> None:
    """Delete what a document left in its place in the bucket when it was deleted on request.

    Other bytes than its own are no leftover. Where anyone may drop files they are a new file, whose
    event waited for the word of a removal that never came: it waits no longer.
    """
    there = _checksum(document.upload_key, objects)
    if there is None:
        return
    theirs = document.checksum in {"", there}
    if theirs or not document.dropped:
        objects.delete([document.upload_key])
        return
    closed = just_after(document.sequencer)
    ledger.delete(document.partition.tenant, document.document_id, closed)
    start_over(replace(document, sequencer=closed), queues)


def _checksum(key: str, objects: Objects) -> str | None:
    """The SHA-256 of an object, in hexadecimal, read piece by piece; None if it is gone."""
    size = objects.size(key)
    if size is None:
        return None
    digest = hashlib.sha256()
    for at in range(0, size, _PIECE):
        data = objects.read(key, at, min(at + _PIECE, size))
        if data is None:
            return None
        digest.update(data)
    return digest.hexdigest()
