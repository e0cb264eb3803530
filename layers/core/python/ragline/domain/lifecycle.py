"""A document's life: which events change it, and into what. Pure; every ledger keeps these rules.

awaiting_upload ─▶ splitting ─▶ processing ─▶ indexed | partial | failed
        ▲              └─ (no chunks) ──────▶ empty
        └─ created again ── deleted ◀─ from anywhere

Each rule takes the record as it was read and returns the record to write, the very record it was
given when there is nothing to write, or None when the event is refused.

Deletion and late events. The bucket's sequencers order the versions of one object, but a deletion
asked for through the API has none. So it keeps the last sequencer seen, and is *requested* until
the bucket's own ObjectRemoved brings the sequencer that closes the deleted upload's history. Until
then no ObjectCreated can revive the document (it may be the late event of the deleted upload),
afterwards a newer one does. ``create`` takes the id into use again at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from ragline.domain.documents import SEARCHABLE, Document, Partition, Progress, Reason, Status
from ragline.domain.errors import InvalidRequest, MalformedMessage
from ragline.domain.keys import normal_sequencer
from ragline.domain.ledger import ChunkState, NewDocument

MAX_FAILURES = 1_000
"""Failures that one document shows."""

MAX_FIELDS = 500
"""Metadata fields that one collection may have: their names are kept in one place."""

MAX_MESSAGE = 2_000
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class Record:
    """A document, and what only its ledger needs to know of it.

    ``delete_requested``: see above. ``chunk_reason``: why the chunk that failed last did; it
    becomes the document's reason if the generation ends with failed chunks.
    """

    document: Document
    delete_requested: bool = False
    chunk_reason: Reason | None = None


def created(old: Record | None, new: NewDocument, now: str) -> Record:
    """A document that awaits its upload; one that is not deleted stays as it is."""
    if old is None:
        return Record(_fresh(new, now))
    if old.document.status is not Status.DELETED:
        return old
    again = replace(
        _fresh(new, now), generation=old.document.generation, sequencer=old.document.sequencer
    )
    return Record(again, delete_requested=old.delete_requested)


def begun(
    old: Record | None, new: NewDocument, sequencer: str, fingerprint: str, now: str
) -> Record | None:
    """The next generation, for an object version newer than all that were seen.

    Raises:
        MalformedMessage: the id belongs to a live document of another collection.
    """
    order = normal_sequencer(sequencer)
    if old is None:
        return Record(_started(_fresh(new, now), order, fingerprint, now))
    document = old.document
    if document.status is not Status.DELETED and document.partition != new.partition:
        raise MalformedMessage(
            f"object {new.upload_key!r}: document {new.document_id!r} belongs to collection "
            f"{document.partition.collection!r}; use another id."
        )
    if order == document.sequencer:
        # In these two statuses the sequencer is that of an upload that was deleted.
        return None if document.status in {Status.AWAITING_UPLOAD, Status.DELETED} else old
    if order < document.sequencer:
        return None
    if document.status is Status.DELETED:
        if old.delete_requested:
            return None
        revived = replace(_fresh(new, now), generation=document.generation)
        return Record(_started(revived, order, fingerprint, now))
    return Record(_started(_updated(document, new), order, fingerprint, now))


def planned(
    old: Record | None, generation: int, ranges: int, pages: int, now: str
) -> Record | None:
    """The first plan of a generation counts: ranges recorded already belong to it."""
    if old is None or not old.document.wants(generation) or old.document.progress.ranges_total:
        return None
    progress = replace(old.document.progress, ranges_total=ranges, pages_total=pages)
    return replace(old, document=replace(old.document, progress=progress, updated_at=now))


def split(old: Record | None, generation: int, now: str) -> Record | None:
    """``processing``, once all page ranges are cut and there are chunks."""
    if old is None or not old.document.wants(generation):
        return None
    document = old.document
    if document.status is not Status.SPLITTING or not document.progress.split:
        return None
    if not document.progress.chunks_total:
        return None
    return replace(old, document=_reached(document, Status.PROCESSING, "split", now))


def settled(old: Record | None, generation: int, advice: str, now: str) -> Record | None:
    """The terminal status that complete counts mean.

    One that ended as partial or failed ends again, better, when failed chunks were retried.
    """
    if old is None or not old.document.wants(generation):
        return None
    document = old.document
    if not document.progress.complete:
        return None
    outcome = document.progress.outcome()
    better = outcome in SEARCHABLE and document.status in {Status.PARTIAL, Status.FAILED}
    if document.status is outcome or (document.terminal and not better):
        return None
    searchable = outcome in SEARCHABLE
    ended = _reached(document, outcome, "indexed" if searchable else outcome.value, now)
    return replace(
        old,
        document=replace(
            ended,
            live_generation=generation if searchable else document.live_generation,
            reason=old.chunk_reason if document.progress.failed else None,
            advice=advice if outcome is Status.EMPTY else "",
        ),
    )


def failed(
    old: Record | None, generation: int, reason: Reason, advice: str, now: str
) -> Record | None:
    """Failed, with its reason; what has ended already stays as it ended."""
    if old is None or not old.document.wants(generation) or old.document.terminal:
        return None
    ended = _reached(old.document, Status.FAILED, Status.FAILED.value, now)
    return replace(old, document=replace(ended, reason=bounded(reason), advice=advice))


def removed(old: Record | None, sequencer: str, now: str) -> Record | None:
    """Deleted; or, if it is already, the sequencer that no older upload can pass any more."""
    if old is None:
        return None
    document = old.document
    order = normal_sequencer(sequencer) if sequencer else ""
    if order and order <= document.sequencer:
        return None
    created_again = document.status is Status.AWAITING_UPLOAD and old.delete_requested
    if order and (created_again or document.status is Status.DELETED):
        seen = replace(document, sequencer=order, updated_at=now)
        return replace(old, document=seen, delete_requested=False)
    if document.status is Status.DELETED:
        return None
    deleted = replace(
        document,
        status=Status.DELETED,
        live_generation=0,
        sequencer=order or document.sequencer,
        updated_at=now,
    )
    return replace(old, document=deleted, delete_requested=not order)


def deletes(old: Record, new: Record) -> bool:
    """Whether this change deleted the document, or only learned more about its deletion."""
    return Status.DELETED is new.document.status is not old.document.status


def owns(owner: Document | None, partition: Partition, checksum: str) -> bool:
    """Whether the document that claimed some content still stands for it.

    One that is not known does: its claim comes first, and whoever meets it may create it. One
    whose bytes were replaced does not, even if the checksum of the new ones is not known.
    """
    if owner is None:
        return True
    if owner.status in {Status.DELETED, Status.FAILED} or owner.partition != partition:
        return False
    return owner.checksum == checksum or (not owner.checksum and owner.generation <= 1)


def listed(document: Document, partition: Partition, status: Status | None) -> bool:
    """Whether a listing shows the document; its index may lag behind a deletion or a move."""
    if document.status is Status.DELETED or document.partition != partition:
        return False
    return status is None or document.status is status


def new_fields(known: Collection[str], new: NewDocument) -> list[str]:
    """The names of metadata fields that are new to the collection, sorted.

    Raises:
        InvalidRequest: the collection would have more than ``MAX_FIELDS``.
    """
    added = sorted(set(new.metadata) - set(known))
    if added and len(known) + len(added) > MAX_FIELDS:
        raise InvalidRequest(
            f"metadata: collection {new.partition.collection!r} would have more than "
            f"{MAX_FIELDS} fields with {added[0]!r}; use fewer names."
        )
    return added


def bounded(reason: Reason) -> Reason:
    """The reason, its message cut: no record grows with what a document says."""
    if len(reason.message) <= MAX_MESSAGE:
        return reason
    return replace(reason, message=reason.message[: MAX_MESSAGE - 1] + "…")


def advancing(
    present: Mapping[int, ChunkState], ordinals: Iterable[int], state: ChunkState
) -> list[int]:
    """Those of ``ordinals`` that ``state`` is further than; a chunk that is absent is pending."""
    return [n for n in sorted(set(ordinals)) if n not in present or present[n] < state]


def deltas(
    present: Mapping[int, ChunkState], moving: Iterable[int], state: ChunkState
) -> dict[ChunkState, int]:
    """By how much each count changes when ``moving`` go to ``state``; zeros left out."""
    change = dict.fromkeys(ChunkState, 0)
    for ordinal in moving:
        change[state] += 1
        if ordinal in present:
            change[present[ordinal]] -= 1
    return {which: by for which, by in change.items() if by}


def _fresh(new: NewDocument, now: str) -> Document:
    return Document(
        partition=new.partition,
        document_id=new.document_id,
        filename=new.filename,
        status=Status.AWAITING_UPLOAD,
        created_at=now,
        updated_at=now,
        content_type=new.content_type,
        size=new.size,
        metadata=dict(new.metadata),
        checksum=new.checksum,
        upload_key=new.upload_key,
    )


def _updated(document: Document, new: NewDocument) -> Document:
    """What the object's event says goes; what it cannot say is kept from ``create``.

    A checksum is only kept for the first upload: it says nothing of the bytes that replace them.
    """
    return replace(
        document,
        filename=new.filename,
        upload_key=new.upload_key,
        size=new.size or document.size,
        content_type=new.content_type or document.content_type,
        metadata=dict(new.metadata or document.metadata),
        checksum=new.checksum
        or (document.checksum if document.status is Status.AWAITING_UPLOAD else ""),
    )


def _started(document: Document, order: str, fingerprint: str, now: str) -> Document:
    return replace(
        document,
        status=Status.SPLITTING,
        generation=document.generation + 1,
        sequencer=order,
        fingerprint=fingerprint,
        progress=Progress(),
        reason=None,
        advice="",
        timings={"uploaded": now},
        updated_at=now,
    )


def _reached(document: Document, status: Status, mark: str, now: str) -> Document:
    return replace(document, status=status, updated_at=now, timings={**document.timings, mark: now})
