"""A document's life: which events change it, and into what. Pure; every ledger keeps these rules.

awaiting_upload ─▶ splitting ─▶ processing ─▶ indexed | partial | failed
   ▲    │              ├─ (no chunks) ──────▶ empty        │         │
   │    └─ (expired) ──┴─ (unreadable) ────▶ failed ─ retried ─▶ splitting or processing
   └─ created again ── deleted ◀─ from anywhere               (dropped again ─▶ splitting)

Each rule takes the record as it was read and returns the record to write, the very record it was
given when there is nothing to write, or None when the event is refused.

Deletion and late events. The bucket's sequencers order the versions of one object, but a deletion
asked for through the API has none. So it keeps the last sequencer seen, and is *requested*. A
document that was dropped into the bucket stays so until the bucket's own ObjectRemoved brings the
sequencer that closes the deleted upload's history: only a newer ObjectCreated revives it then. One
that was registered stays so until it is registered again: a presigned URL may outlive the deletion.

Leases. A document that has to move on by itself holds a lease from its last change of status. So
does one that was deleted, or is not the first of its id, until what was before is cleared away.
Counts do not renew a lease, they move ``updated_at``, the heartbeat; whoever finds a lease that is
over looks at that first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from ragline.domain.documents import SEARCHABLE, Document, Partition, Progress, Reason, Status
from ragline.domain.errors import InvalidRequest, MalformedMessage, WriteConflict
from ragline.domain.keys import normal_sequencer
from ragline.domain.ledger import ChunkState, Multipart, NewDocument, RangeRecord, counts_of
from ragline.domain.pages import PageCounts
from ragline.domain.times import later

MAX_FAILURES = 1_000
"""Failures that one document shows."""

MAX_FIELDS = 500
"""Metadata fields that one collection may have: their names are kept in one place."""

MAX_MESSAGE = 2_000
"""Characters of a reason that are kept."""


WORK_LEASE = timedelta(minutes=20)
"""Longer than a splitter's three attempts: 300 s each, one and two minutes apart."""

UPLOAD_GRACE = timedelta(hours=1)
"""For an upload that began just before its URL expired."""

TROUBLED = frozenset({Status.FAILED, Status.PARTIAL})
"""Statuses that a retry can mend."""


@dataclass(frozen=True, slots=True)
class Record:
    """A document, and what only its ledger needs to know of it.

    ``lease_until`` ('' for none): see above. ``chunk_reason``: why the chunk that failed last did;
    it becomes the document's reason if the generation ends with failed chunks. ``repairs``: how
    often it was set going again since its status last changed. ``upload``: the one in parts that is
    open; it is over when an object has come.
    """

    document: Document
    chunk_reason: Reason | None = None
    lease_until: str = ""
    repairs: int = 0
    upload: Multipart | None = None


def created(old: Record | None, new: NewDocument, now: str) -> Record:
    """A document that awaits its upload; one that is not deleted stays as it is."""
    lease = later(now, timedelta(seconds=new.upload_seconds) + UPLOAD_GRACE)
    if old is None:
        return Record(_fresh(new, now), lease_until=lease)
    if old.document.status is not Status.DELETED:
        return old
    again = replace(
        _fresh(new, now),
        generation=old.document.generation,
        sequencer=old.document.sequencer,
        delete_requested=old.document.delete_requested,
        children=old.document.children,
    )
    return Record(again, lease_until=lease)


def begun(
    old: Record | None, new: NewDocument, sequencer: str, fingerprint: str, now: str
) -> Record | None:
    """The next generation, for an object version newer than all that were seen.

    The same version again is the same generation, unless it is unfinished and the splitter's
    settings (``fingerprint``) have changed: two ways of cutting must not mix.

    Raises:
        MalformedMessage: the id belongs to a live document of another collection.
        WriteConflict: the object that was there before is being deleted; try again.
    """
    order = normal_sequencer(sequencer)
    if old is None:
        return _started(_fresh(new, now), order, fingerprint, now)
    document = old.document
    if document.status is not Status.DELETED and document.partition != new.partition:
        raise MalformedMessage(
            f"object {new.upload_key!r}: document {new.document_id!r} belongs to collection "
            f"{document.partition.collection!r}; use another id."
        )
    if order == document.sequencer:
        # In these two statuses the sequencer is that of an upload that was deleted.
        if document.status in {Status.AWAITING_UPLOAD, Status.DELETED}:
            return None
        changed = bool(fingerprint) and fingerprint != document.fingerprint
        if changed and not document.terminal:
            return _started(document, order, fingerprint, now)
        return old
    if order < document.sequencer:
        return None
    if document.status is Status.DELETED:
        if document.delete_requested and not document.dropped:
            return None
        if document.delete_requested:
            raise WriteConflict(f"document {document.document_id} is still being deleted.")
        revived = replace(
            _fresh(new, now), generation=document.generation, children=document.children
        )
        return _started(revived, order, fingerprint, now)
    return _started(_updated(document, new), order, fingerprint, now)


def uploading(
    old: Record | None, upload: Multipart | None, seconds: int, now: str
) -> Record | None:
    """Its bytes come in parts, within so many seconds; or, with None, no longer do."""
    if old is None or old.document.status is Status.DELETED:
        return None
    lease = old.lease_until
    if upload is not None and old.document.status is Status.AWAITING_UPLOAD:
        lease = max(lease, later(now, timedelta(seconds=seconds) + UPLOAD_GRACE))
    return replace(old, upload=upload, lease_until=lease)


def identified(old: Record | None, generation: int, checksum: str, now: str) -> Record | None:
    """What bytes the generation is of."""
    if old is None or not old.document.wants(generation):
        return None
    if old.document.checksum == checksum:
        return old
    return replace(old, document=replace(old.document, checksum=checksum, updated_at=now))


def counted_children(old: Record | None, generation: int, children: int, now: str) -> Record | None:
    """How many files came in it."""
    if old is None or not old.document.wants(generation):
        return None
    if old.document.children == children:
        return old
    return replace(old, document=replace(old.document, children=children, updated_at=now))


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
    return _moved(old, _reached(document, Status.PROCESSING, "split", now))


def cut_whole(
    old: Record | None, generation: int, chunks: int, pages: PageCounts, now: str
) -> Record | None:
    """Planned as one range, that range recorded, and on its way: all of it, or None.

    Only where nothing of the generation is recorded yet.
    """
    if old is None or old.document.status is not Status.SPLITTING:
        return None
    if old.document.progress != Progress() or not old.document.wants(generation):
        return None
    counts = range_moves(None, RangeRecord(chunks, pages))
    progress = Progress(pages_total=pages.total, ranges_total=1, **counts)
    cut = replace(old, document=replace(old.document, progress=progress, updated_at=now))
    return split(cut, generation, now) or cut


def range_moves(was: RangeRecord | None, now: RangeRecord | None) -> dict[str, int]:
    """By how much each count changes when the record of a range does; zeros left out.

    Nothing does where a range that was cut is cut again, or said to be lost: what was cut stays.
    One that was lost may be cut after all, or (None) be opened to be tried again.
    """
    if was is not None and now is not None and (now.lost or not was.lost):
        return {}
    before = _counts_of(was)
    return {name: by for name, n in _counts_of(now).items() if (by := n - before[name])}


def settled(
    old: Record | None,
    generation: int,
    advice: str,
    now: str,
    unread: Callable[[], Reason | None] = lambda: None,
) -> Record | None:
    """The terminal status that complete counts mean.

    A generation that has no text replaces the one before it too: what was in it is gone. One that
    ended as partial or failed ends again, better, when failed chunks came through after all.
    ``unread`` tells why the first page that could not be read was not; it is asked if there is one.
    """
    if old is None or not old.document.wants(generation):
        return None
    document = old.document
    if not document.progress.complete:
        return None
    outcome = document.progress.outcome()
    better = outcome in SEARCHABLE and document.status in TROUBLED
    better |= outcome is Status.EMPTY and document.status is Status.FAILED
    if document.status is outcome or (document.terminal and not better):
        return None
    searchable = outcome in SEARCHABLE
    live = generation if outcome is not Status.FAILED else document.live_generation
    ended = replace(
        _reached(document, outcome, "indexed" if searchable else outcome.value, now),
        live_generation=live,
        reason=_why(old, unread),
        advice=advice if outcome is Status.EMPTY else "",
    )
    return _moved(old, _still_answering(ended) if outcome is Status.FAILED else ended)


def failed(
    old: Record | None, generation: int, reason: Reason, advice: str, now: str
) -> Record | None:
    """Failed, with its reason; what has ended already stays as it ended.

    A generation that answered before it was retried answers still: it is partial, as it was.
    """
    if old is None or not old.document.wants(generation) or old.document.terminal:
        return None
    answers = old.document.live_generation == generation
    status = Status.PARTIAL if answers else Status.FAILED
    ended = _reached(old.document, status, status.value, now)
    ended = replace(ended, reason=bounded(reason), advice=advice)
    return _moved(old, ended if advice else _still_answering(ended))


def retried(
    old: Record | None, generation: int, left: Reason | None, now: str, split: bool = False
) -> Record | None:
    """Under way again, in the same generation: what failed is to be tried once more.

    A generation that failed while it was split is split again, and one of which ranges are tried
    again (``split``); else its chunks are all there. ``left`` is why those chunks failed that are
    not tried again, None if there are none.
    """
    if old is None or not old.document.wants(generation) or old.document.status not in TROUBLED:
        return None
    progress, reason = old.document.progress, old.document.reason
    unread = not progress.complete and reason is not None and reason.stage == "split"
    cut = progress.split and progress.chunks_total and not unread
    status = Status.PROCESSING if cut and not split else Status.SPLITTING
    again = _reached(old.document, status, "retried", now)
    moved = _moved(old, replace(again, reason=None, advice=""))
    return replace(moved, chunk_reason=left or old.chunk_reason)


def expired(old: Record | None, reason: Reason, now: str) -> Record | None:
    """Failed, since its upload never came; an upload that comes after all starts it.

    As a generation of its own: the last one may be that of a deleted document, which stays dead.
    """
    if old is None or old.document.status is not Status.AWAITING_UPLOAD or old.lease_until > now:
        return None
    ended = _reached(old.document, Status.FAILED, Status.FAILED.value, now)
    ended = replace(ended, generation=ended.generation + 1, size=0, reason=bounded(reason))
    return replace(_moved(old, ended), upload=None)


def renewed(old: Record | None, generation: int, repaired: bool, now: str) -> Record | None:
    """A new lease for what is not at its end; ``repaired`` if it was set going again."""
    if old is None or old.document.generation != generation or not old.lease_until:
        return None
    repairs = repairs_in_vain(old) + 1 if repaired else old.repairs
    return replace(old, lease_until=later(now, WORK_LEASE), repairs=repairs)


def removed(old: Record | None, sequencer: str, now: str) -> Record | None:
    """Deleted; or, if it is already, the sequencer that no older upload can pass any more."""
    if old is None:
        return None
    document = old.document
    order = normal_sequencer(sequencer) if sequencer else ""
    if order and order <= document.sequencer:
        return None
    created_again = document.status is Status.AWAITING_UPLOAD and document.delete_requested
    if order and (created_again or document.status is Status.DELETED):
        requested = document.delete_requested and not document.dropped
        seen = replace(document, sequencer=order, updated_at=now, delete_requested=requested)
        return replace(old, document=seen)
    if document.status is Status.DELETED:
        return None
    deleted = replace(
        document,
        status=Status.DELETED,
        live_generation=0,
        sequencer=order or document.sequencer,
        delete_requested=not order,
        updated_at=now,
    )
    return _moved(old, deleted)


def purged(old: Record | None, generation: int) -> Record | None:
    """All of these generations is gone: no lease any more, if that was all there was to clear."""
    if old is None or not old.document.terminal or not old.lease_until:
        return None
    if generation + 1 < dead_below(old.document):
        return None
    return replace(old, lease_until="", repairs=0)


def dead_below(document: Document) -> int:
    """All generations below it, but the live one, count no more and are to be cleared away."""
    over = document.status in {Status.DELETED, Status.AWAITING_UPLOAD}
    return document.generation + 1 if over else document.generation


def recounted(old: Record | None, generation: int, counts: Mapping[str, int]) -> Record | None:
    """The generation's counts as its records say; when and what moved last is left alone.

    One that awaits its upload may have the number of a deleted one: those records are not its own.
    """
    if old is None or not old.document.wants(generation):
        return None
    progress = replace(old.document.progress, **counts)
    return replace(old, document=replace(old.document, progress=progress))


def repairs_in_vain(record: Record) -> int:
    """How often it was set going again and nothing moved."""
    renewed_at = later(record.lease_until, -WORK_LEASE)
    return 0 if record.document.updated_at > renewed_at else record.repairs


def overdue(record: Record, now: str) -> bool:
    """Whether its lease is over, and nothing has moved for as long as a lease."""
    if not record.lease_until or record.lease_until > now:
        return False
    document = record.document
    if document.status is Status.AWAITING_UPLOAD:
        return True
    return later(document.updated_at, WORK_LEASE) <= now


def deletes(old: Record, new: Record) -> bool:
    """Whether this change deleted the document, or only learned more about its deletion."""
    return Status.DELETED is new.document.status is not old.document.status


def owns(owner: Document | None, partition: Partition, checksum: str, arrived: bool) -> bool:
    """Whether the document that claimed some content still stands for it.

    One that is not known does: its claim comes first, and whoever meets it may create it. But what
    was only announced gives way to bytes that have ``arrived``. One that failed stands for what its
    older generation still answers with.
    """
    if owner is None or owner.status is Status.AWAITING_UPLOAD:
        announced = owner is None or (owner.partition, owner.checksum) == (partition, checksum)
        return announced and not arrived
    if owner.status is Status.DELETED or owner.partition != partition:
        return False
    if owner.status is Status.FAILED:
        return bool(owner.live_generation) and owner.live_checksum == checksum
    return owner.checksum == checksum


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
        allow_duplicate=new.allow_duplicate,
        upload_key=new.upload_key,
        trace_id=new.trace_id,
        webhook=new.webhook,
        origin=new.origin,
    )


def _updated(document: Document, new: NewDocument) -> Document:
    """What the object's event says goes; what it cannot say is kept from ``create``.

    A checksum is only kept for the first upload: it says nothing of the bytes that replace them.
    So is the trace, which the upload's registration began.
    """
    awaited = document.status is Status.AWAITING_UPLOAD
    answering = document.live_generation == document.generation > 0
    return replace(
        document,
        live_checksum=document.checksum if answering else document.live_checksum,
        filename=new.filename,
        upload_key=new.upload_key,
        size=new.size or document.size,
        content_type=new.content_type or document.content_type,
        metadata=dict(new.metadata or document.metadata),
        checksum=new.checksum or (document.checksum if awaited else ""),
        trace_id=(document.trace_id if awaited else "") or new.trace_id,
    )


def _started(document: Document, order: str, fingerprint: str, now: str) -> Record:
    answering = document.live_generation == document.generation
    started = replace(
        document,
        live_chunks=document.progress.chunks_total if answering else document.live_chunks,
        status=Status.SPLITTING,
        generation=document.generation + 1,
        sequencer=order,
        delete_requested=False,
        fingerprint=fingerprint,
        progress=Progress(),
        reason=None,
        advice="",
        timings={"uploaded": now},
        updated_at=now,
    )
    return Record(started, lease_until=later(now, WORK_LEASE))


def _counts_of(one: RangeRecord | None) -> dict[str, int]:
    return counts_of([one] if one else [], {})


def _why(old: Record, unread: Callable[[], Reason | None]) -> Reason | None:
    """Why a generation did not come through whole; that of a page says more than of a chunk."""
    progress = old.document.progress
    why = unread() if progress.unread else None
    return why or (old.chunk_reason if progress.failed else None)


def _reached(document: Document, status: Status, mark: str, now: str) -> Document:
    return replace(document, status=status, updated_at=now, timings={**document.timings, mark: now})


def _moved(old: Record, document: Document) -> Record:
    """The record with a new status: a new lease, unless there is nothing more to come."""
    before = document.generation > 1 or document.status is Status.DELETED
    lease = later(document.updated_at, WORK_LEASE) if before or not document.terminal else ""
    return replace(old, document=document, lease_until=lease, repairs=0)


def _still_answering(document: Document) -> Document:
    """A generation that failed leaves the one before it in place, and says so."""
    if not document.live_generation or document.live_generation == document.generation:
        return document
    return replace(
        document, advice=f"Generation {document.live_generation} is still there and answers."
    )
