"""Walking over all documents of a collection: a page for each message, until it is through.

Where a walk stands is in the collection's settings, and moves on only from where it was read: two
messages of one walk take no step twice, and a lost one is sent again by whoever asks again. What is
done to a document does nothing when it is done again.

The second pass is for documents that began just before the settings changed, under the old ones,
and were not listed yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from ragline.domain.collections import CollectionSettings, Walk, WalkKind
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.ledger import Failure
from ragline.domain.messages import CollectionWalk
from ragline.domain.times import iso, later, utc_now
from ragline.ports import Queues
from ragline.usecases.cut import fingerprint
from ragline.usecases.remove import remove
from ragline.usecases.split_again import started_over
from ragline.usecases.splitting import STAGE, Outcome, Splitting

PAGE = 25
"""Documents for each message: deleting one takes up to a dozen calls."""

CHECK_AFTER_SECONDS = 5
"""How long an index of the ledger may take to list a new document; mostly it is milliseconds."""

_BEGUN_BEFORE = timedelta(minutes=1)
"""A document that began under settings which it read before they changed, did so within this."""


def next_step(partition: Partition, walk: Walk, queues: Queues, delay: int = 0) -> None:
    """Have the walk go on. Sent twice, it goes on all the same."""
    message = CollectionWalk(
        tenant=partition.tenant, collection=partition.collection, walk_id=walk.walk_id
    )
    queues.send_pages([message], delay=delay)


def walk_on(message: CollectionWalk, splitting: Splitting) -> Outcome:
    """Take one step of a walk: one page of documents."""
    collection = splitting.ledger.collection(message.partition)
    walk = collection.walk
    if walk is None or walk.walk_id != message.walk_id or walk.ended_at:
        return Outcome.STALE
    page = splitting.ledger.list(message.partition, limit=PAGE, cursor=walk.cursor or None)
    if walk.kind is WalkKind.DELETE:
        changed, left = _delete(page.documents, walk, splitting), 0
    else:
        changed, left = _recut(page.documents, walk, splitting.as_chosen(message.partition))
    if not walk.checking:
        seen = walk.seen + len(page.documents)
        walk = replace(walk, seen=seen, changed=walk.changed + changed, left=walk.left + left)
    return _move_on(collection, walk, page.cursor, splitting)


def _move_on(
    collection: CollectionSettings, walk: Walk, cursor: str | None, splitting: Splitting
) -> Outcome:
    """Note where the walk is, and have it go on from there."""
    delay, before = 0, walk
    if cursor is not None:
        walk = replace(walk, cursor=cursor)
    elif not walk.checking:
        walk, delay = replace(walk, cursor="", checking=True), CHECK_AFTER_SECONDS
    else:
        walk = replace(walk, cursor="", ended_at=iso(utc_now()))
    gone = walk.kind is WalkKind.DELETE and bool(walk.ended_at)
    kept = splitting.ledger.keep_collection(replace(collection, walk=None if gone else walk))
    if kept is None:
        now = splitting.ledger.collection(collection.partition)
        if now.walk != collection.walk:
            return Outcome.STALE  # another message was faster, or asked for another walk
        return _move_on(now, before, cursor, splitting)  # the same cut was asked for in other words
    if walk.ended_at:
        return Outcome.WALKED
    next_step(collection.partition, walk, splitting.queues, delay)
    return Outcome.WALKING


def _delete(documents: Sequence[Document], walk: Walk, splitting: Splitting) -> int:
    """Delete those that were there when it was asked for; how many."""
    found = [one for one in documents if one.created_at <= walk.started_at]
    for document in found:
        remove(
            document.partition.tenant,
            document.document_id,
            ledger=splitting.ledger,
            objects=splitting.objects,
            queues=splitting.queues,
        )
    return len(found)


def _recut(documents: Sequence[Document], walk: Walk, splitting: Splitting) -> tuple[int, int]:
    """Have those cut anew that are cut otherwise; how many, and how many cannot be."""
    wanted = fingerprint(splitting.limits)
    behind = [one for one in documents if _behind(one, wanted, walk)]
    there = [one for one in behind if splitting.objects.size(one.upload_key) is not None]
    splitting.queues.send_pages([started_over(one) for one in there])
    for document in behind:
        if document not in there:
            _note_lost(document, splitting)
    return len(there), len(behind) - len(there)


def _behind(document: Document, wanted: str, walk: Walk) -> bool:
    """Whether passages of it, live or to come, are cut otherwise than is wanted.

    What is under way in the second pass was set going by the first, unless it began meanwhile.
    """
    if document.fingerprint == wanted or document.status is Status.AWAITING_UPLOAD:
        return False
    if walk.checking and document.updated_at < later(walk.started_at, -_BEGUN_BEFORE):
        return False
    # Chunks that all failed may come through by a retry.
    passages = document.live_generation > 0 or document.progress.chunks_total > 0
    return passages or not document.terminal


def _note_lost(document: Document, splitting: Splitting) -> None:
    """It stays as it is: what was made of its bytes is there, they are not."""
    message = (
        f"{document.filename} could not be cut as its collection now asks for: its bytes are not "
        "in the bucket. It answers as it was cut before; upload it again."
    )
    failure = Failure(document.generation, Reason("stored_data_lost", message, STAGE))
    tenant = document.partition.tenant
    splitting.ledger.record_failure(tenant, document.document_id, failure)
