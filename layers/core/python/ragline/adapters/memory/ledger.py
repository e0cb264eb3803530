"""The ledger in memory, by the same rules as the real one (`domain.lifecycle`).

It forgets everything with the process. Each method is atomic, so threads may share it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ragline.adapters.cursors import decode_cursor, encode_cursor, sort_key, trouble_key
from ragline.adapters.memory.children import KeptChildren
from ragline.domain import lifecycle
from ragline.domain.children import Child
from ragline.domain.chunks import ORDINALS_PER_RANGE
from ragline.domain.collections import CollectionSettings
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.errors import OutOfTime
from ragline.domain.ledger import (
    Audit,
    ChunkState,
    DocumentPage,
    Failure,
    Multipart,
    NewDocument,
    RangeRecord,
    Work,
    first_trouble,
)
from ragline.domain.lifecycle import MAX_FAILURES, TROUBLED, Record
from ragline.domain.messages import new_nonce
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import NO_CAPS, Caps, Holdings, Tenant, held_by
from ragline.domain.times import check_time, iso, utc_now

_Document = tuple[str, str]
_Generation = tuple[str, str, int]


class MemoryLedger:
    """``ports.Ledger``."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._clock = now
        self._lock = threading.RLock()
        self._records: dict[_Document, Record] = {}
        self._chunks: dict[_Generation, dict[int, ChunkState]] = {}
        self._reasons: dict[_Generation, dict[int, Reason]] = {}
        self._ranges: dict[_Generation, dict[int, RangeRecord]] = {}
        self._failures: dict[_Document, dict[tuple[object, ...], Failure]] = {}
        self._claims: dict[tuple[Partition, str], str] = {}
        self._fields: dict[Partition, set[str]] = {}
        self._children = KeptChildren()
        self._settings: dict[Partition, CollectionSettings] = {}
        self._caps: dict[str, Caps] = {}
        # What tenants are said to hold beside what their documents have: a fault, and no use of
        # ours makes one.
        self._drift: dict[str, Holdings] = {}
        self._forgotten: list[Callable[[str, str], None]] = []

    def on_forgotten(self, tell: Callable[[str, str], None]) -> None:
        """Have ``tell(tenant, document_id)`` called when the records of a deleted one go."""
        self._forgotten.append(tell)

    def create(self, new: NewDocument, caps: Caps = NO_CAPS) -> Document:
        with self._lock:
            _, record = self._change(
                new.partition.tenant,
                new.document_id,
                lambda old: lifecycle.created(old, new, self._now()),
                new,
                caps,
            )
            assert record is not None  # noqa: S101 - the rule never refuses
            return record.document

    def claim_content(
        self, partition: Partition, checksum: str, document_id: str, *, arrived: bool = False
    ) -> str:
        with self._lock:
            owner = self._claims.get((partition, checksum), document_id)
            holder = self.get(partition.tenant, owner)
            if not lifecycle.owns(holder, partition, checksum, arrived):
                owner = document_id
            self._claims[partition, checksum] = owner
            return owner

    def content_owner(self, partition: Partition, checksum: str) -> str:
        with self._lock:
            return self._claims.get((partition, checksum), "")

    def open_upload(self, document: Document, upload: Multipart | None, seconds: int = 0) -> bool:
        _, record = self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.uploading(old, upload, seconds, self._now()),
        )
        return record is not None

    def upload(self, tenant: str, document_id: str) -> Multipart | None:
        with self._lock:
            record = self._records.get((tenant, document_id))
            return record.upload if record else None

    def get(self, tenant: str, document_id: str) -> Document | None:
        with self._lock:
            record = self._records.get((tenant, document_id))
            return record.document if record else None

    def get_many(self, tenant: str, document_ids: Collection[str]) -> dict[str, Document]:
        found = ((one, self.get(tenant, one)) for one in set(document_ids))
        return {one: document for one, document in found if document}

    def list(
        self,
        partition: Partition,
        *,
        status: Status | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DocumentPage:
        """As the port says, of ``since <= created_at < until``."""
        low = check_time(since, "since") if since else ""
        high = check_time(until, "until") if until else "9"
        before = decode_cursor(partition, cursor)[0] if cursor else "9"
        with self._lock:
            documents = [record.document for record in self._records.values()]
        found = sorted(
            (
                document
                for document in documents
                if lifecycle.listed(document, partition, status)
                and low <= sort_key(document) < min(high, before)
            ),
            key=sort_key,
            reverse=True,
        )
        more = len(found) > limit
        last = encode_cursor(partition, sort_key(found[limit - 1])) if more else None
        return DocumentPage(found[:limit], last)

    def begin(
        self,
        new: NewDocument,
        sequencer: str,
        fingerprint: str,
        *,
        known: Document | None = None,
    ) -> Document | None:
        _, record = self._change(
            new.partition.tenant,
            new.document_id,
            lambda old: lifecycle.begun(old, new, sequencer, fingerprint, self._now()),
            new,
        )
        return record.document if record else None

    def identify(self, document: Document, checksum: str) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.identified(old, document.generation, checksum, self._now()),
        )

    def plan_ranges(self, document: Document, ranges: int, pages: int) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.planned(old, document.generation, ranges, pages, self._now()),
        )

    def record_range(
        self,
        document: Document,
        number: int,
        chunks: int,
        pages: PageCounts,
        reason: Reason | None = None,
    ) -> bool:
        return self._record(document, number, RangeRecord(chunks, pages, _bounded(reason)))

    def lose_range(self, document: Document, number: int, pages: int, reason: Reason) -> None:
        lost = RangeRecord(0, PageCounts(failed=pages), _bounded(reason), lost=True)
        self._record(document, number, lost)

    def _record(self, document: Document, number: int, new: RangeRecord) -> bool:
        with self._lock:
            if not self._wanted(document):
                return False
            done = self._ranges.setdefault(_generation(document), {})
            was = done.get(number)
            if was and was.lost and not new.lost and self._ended(document):
                return False
            if moves := lifecycle.range_moves(was, new):
                done[number] = new
                self._count(document, **moves)
            self._change(
                document.partition.tenant,
                document.document_id,
                lambda old: lifecycle.split(old, document.generation, self._now()),
            )
            return True

    def reopen_ranges(self, document: Document, numbers: Collection[int]) -> bool:
        with self._lock:
            if self._ended(document):
                return False
            done = self._ranges.setdefault(_generation(document), {})
            for number in sorted({one for one in numbers if one in done and done[one].lost}):
                self._count(document, **lifecycle.range_moves(done.pop(number), None))
            return True

    def ranges(self, document: Document) -> Mapping[int, RangeRecord]:
        with self._lock:
            return dict(self._ranges.get(_generation(document), {}))

    def record_whole(
        self,
        document: Document,
        chunks: int,
        pages: PageCounts,
        reason: Reason | None = None,
    ) -> Document | None:
        with self._lock:
            self.plan_ranges(document, 1, pages.total)
            self.record_range(document, 0, chunks, pages, reason)
            return self.get(document.partition.tenant, document.document_id)

    def record_chunks(
        self,
        document: Document,
        ordinals: Sequence[int],
        state: ChunkState,
        reason: Reason | None = None,
    ) -> None:
        with self._lock:
            if not self._wanted(document):
                return
            present = self._chunks.setdefault(_generation(document), {})
            moving = lifecycle.advancing(present, ordinals, state)
            if not moving:
                return
            by = lifecycle.deltas(present, moving, state)
            present.update(dict.fromkeys(moving, state))
            self._count(document, **{which.name.lower(): change for which, change in by.items()})
            if reason and state is ChunkState.FAILED:
                cause = lifecycle.bounded(reason)
                reasons = self._reasons.setdefault(_generation(document), {})
                reasons.update(dict.fromkeys(moving, cause))
                where = (document.partition.tenant, document.document_id)
                self._records[where] = replace(self._records[where], chunk_reason=cause)

    def settle(
        self,
        tenant: str,
        document_id: str,
        generation: int,
        *,
        advice: str = "",
        known: Document | None = None,
    ) -> Document | None:
        _, record = self._change(
            tenant,
            document_id,
            lambda old: lifecycle.settled(
                old, generation, advice, self._now(), lambda: self._why_unread(old)
            ),
        )
        return record.document if record else None

    def fail(
        self, tenant: str, document_id: str, generation: int, reason: Reason, *, advice: str = ""
    ) -> None:
        self._change(
            tenant,
            document_id,
            lambda old: lifecycle.failed(old, generation, reason, advice, self._now()),
        )

    def retry(
        self, document: Document, left: Reason | None = None, *, split: bool = False
    ) -> Document | None:
        _, record = self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.retried(old, document.generation, left, self._now(), split),
        )
        return record.document if record else None

    def reopen(self, document: Document, ordinals: Sequence[int]) -> bool:
        with self._lock:
            if self._ended(document):
                return False
            present = self._chunks.setdefault(_generation(document), {})
            moving = [n for n in set(ordinals) if present.get(n) is ChunkState.FAILED]
            for ordinal in moving:
                del present[ordinal]
                self._reasons.get(_generation(document), {}).pop(ordinal, None)
            if moving:
                self._count(document, failed=-len(moving))
            return True

    def expire(self, tenant: str, document_id: str, reason: Reason) -> bool:
        _, record = self._change(
            tenant, document_id, lambda old: lifecycle.expired(old, reason, self._now())
        )
        return record is not None

    def renew(self, document: Document, *, repaired: bool) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.renewed(old, document.generation, repaired, self._now()),
        )

    def overdue(self, limit: int = 100) -> Sequence[Record]:
        with self._lock:
            leased = [one for one in self._records.values() if one.lease_until]
        now = self._now()
        late = [one for one in leased if one.lease_until <= now]
        return sorted(late, key=lambda one: one.lease_until)[:limit]

    def troubled(
        self, tenant: str, *, since: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> DocumentPage:
        everywhere = Partition(tenant, "")
        low = check_time(since, "since") if since else ""
        before = decode_cursor(everywhere, cursor)[0] if cursor else "9"
        with self._lock:
            documents = [
                one.document for (owner, _), one in self._records.items() if owner == tenant
            ]
        found = sorted(
            (
                one
                for one in documents
                if one.status in TROUBLED and low <= trouble_key(one) < before
            ),
            key=trouble_key,
            reverse=True,
        )
        more = len(found) > limit
        last = encode_cursor(everywhere, trouble_key(found[limit - 1])) if more else None
        return DocumentPage(found[:limit], last)

    def work(self, document: Document, number: int | None = None) -> Work:
        with self._lock:
            whole = self._work(_generation(document))
        return whole if number is None else _of_range(whole, number)

    def failed(self, document: Document) -> Mapping[int, Reason | None]:
        work = self.work(document)
        return {n: work.reasons.get(n) for n in work.failed}

    def states(self, document: Document, ordinals: Collection[int]) -> Mapping[int, ChunkState]:
        known = self.work(document).chunks
        return {n: known[n] for n in ordinals if n in known}

    def record_failure(self, tenant: str, document_id: str, failure: Failure) -> None:
        now, reason = self._now(), lifecycle.bounded(failure.reason)
        kind = (failure.generation, reason.stage, reason.code, reason.page, reason.chunk)
        with self._lock:
            kinds = self._failures.setdefault((tenant, document_id), {})
            before = kinds.get(kind)
            if before and failure.letter and before.letter == failure.letter:
                return
            kinds[kind] = Failure(
                failure.generation,
                reason,
                attempts=failure.attempts + (before.attempts if before else 0),
                first=before.first if before else failure.first or now,
                last=failure.last or now,
                letter=failure.letter,
            )

    def failures(self, tenant: str, document_id: str) -> Sequence[Failure]:
        """The newest generation's first; at most ``MAX_FAILURES``."""
        with self._lock:
            kinds = self._failures.get((tenant, document_id), {})
            newest_first = sorted(kinds.values(), key=lambda one: -one.generation)
        return newest_first[:MAX_FAILURES]

    def delete(self, tenant: str, document_id: str, sequencer: str = "") -> Document | None:
        old, record = self._change(
            tenant, document_id, lambda old: lifecycle.removed(old, sequencer, self._now())
        )
        return old.document if old and record and lifecycle.deletes(old, record) else None

    def delete_many(self, tenant: str, document_ids: Collection[str]) -> None:
        for document_id in document_ids:
            self.delete(tenant, document_id)

    def count_children(self, document: Document, children: int) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.counted_children(old, document.generation, children, self._now()),
        )

    def record_child(self, document: Document, child: Child) -> bool:
        tenant = document.partition.tenant
        with self._lock:
            return self._children.put(tenant, document.document_id, child, self._now())

    def children(
        self, tenant: str, document_id: str, *, after: str = "", limit: int | None = None
    ) -> Sequence[Child]:
        with self._lock:
            return self._children.of(tenant, document_id, after=after, limit=limit)

    def forget(
        self,
        tenant: str,
        document_id: str,
        below: int,
        keep: int = 0,
        *,
        deadline: float = math.inf,
    ) -> None:
        with self._lock:
            for records in (self._chunks, self._reasons, self._ranges):
                for where in [each for each in records if each[:2] == (tenant, document_id)]:
                    if where[2] < below and where[2] != keep:
                        if time.monotonic() > deadline:
                            raise OutOfTime(
                                "records are still to be dropped; the rest was put back."
                            )
                        records.pop(where)
            self._children.drop(tenant, document_id, below, keep)
            document = self.get(tenant, document_id)
            if document is not None and document.status is Status.DELETED:
                for tell in self._forgotten:
                    tell(tenant, document_id)
            self._change(tenant, document_id, lambda old: lifecycle.purged(old, below - 1))

    def audit(self) -> Iterator[Audit]:
        with self._lock:
            # Not while the lock is held: whoever reads may take their time, or never come back.
            told = [self._audit(where) for where in sorted(self._records)]
        yield from told

    def recount(self, document: Document) -> None:
        with self._lock:
            counts = self._work(_generation(document)).counts()
            self._change(
                document.partition.tenant,
                document.document_id,
                lambda old: lifecycle.recounted(old, document.generation, counts),
            )

    def tenant(self, tenant: str) -> Tenant:
        """Counted anew whenever it is asked for, and so never wrong of itself."""
        with self._lock:
            held = [held_by(one.document) for (of, _), one in self._records.items() if of == tenant]
            holds = sum(held, self._drift.get(tenant, Holdings()))
            return Tenant(tenant, self._caps.get(tenant, NO_CAPS), holds)

    def tenants(self) -> Sequence[str]:
        with self._lock:
            return sorted({owner for owner, _ in self._records} | self._caps.keys())

    def cap(self, tenant: str, caps: Caps) -> None:
        with self._lock:
            self._caps[tenant] = caps

    def recount_tenant(self, tenant: str) -> bool:
        self._drift.pop(tenant, None)
        return True

    def collection(self, partition: Partition) -> CollectionSettings:
        with self._lock:
            return self._settings.get(partition, CollectionSettings(partition))

    def keep_collection(self, collection: CollectionSettings) -> CollectionSettings | None:
        with self._lock:
            if collection.stamp != self.collection(collection.partition).stamp:
                return None
            kept = replace(collection, stamp=new_nonce(), updated_at=self._now())
            self._settings[kept.partition] = kept
            return kept

    def collections(self, tenant: str) -> Sequence[str]:
        with self._lock:
            kept = [one for one in self._settings.values() if not one.blank]
        return sorted(one.partition.collection for one in kept if one.partition.tenant == tenant)

    def metadata_fields(self, partition: Partition) -> frozenset[str]:
        with self._lock:
            return frozenset(self._fields.get(partition, ()))

    def _now(self) -> str:
        return iso(self._clock())

    def _change(
        self,
        tenant: str,
        document_id: str,
        rule: Callable[[Record | None], Record | None],
        new: NewDocument | None = None,
        caps: Caps = NO_CAPS,
    ) -> tuple[Record | None, Record | None]:
        """Ask the rule and keep what it says; keep the fields of ``new`` if it says anything."""
        with self._lock:
            old = self._records.get((tenant, document_id))
            record = rule(old)
            if record is None or record is old:
                return old, record
            more = held_by(record.document) - held_by(old.document if old else None)
            replace(self.tenant(tenant), caps=caps).check_room(more, record.document.filename)
            if new and new.metadata:
                fields = self._fields.setdefault(new.partition, set())
                fields.update(lifecycle.new_fields(fields, new))
            self._records[tenant, document_id] = record
            return old, record

    def _audit(self, where: _Document) -> Audit:
        record = self._records[where]
        generations = [each for each in {*self._chunks, *self._ranges} if each[:2] == where]
        work = {each[2]: found for each in generations if (found := self._work(each)) != Work()}
        deleted = record.document.status is Status.DELETED
        return Audit(record.document, work, deleted and bool(record.lease_until))

    def _work(self, generation: _Generation) -> Work:
        states = dict(self._chunks.get(generation, {}))
        reasons = self._reasons.get(generation, {})
        return Work(
            dict(self._ranges.get(generation, {})),
            states,
            {n: reasons[n] for n in states if states[n] is ChunkState.FAILED and n in reasons},
        )

    def _wanted(self, document: Document) -> bool:
        now = self.get(document.partition.tenant, document.document_id)
        return now is not None and now.wants(document.generation)

    def _ended(self, document: Document) -> bool:
        """Whether its generation is not under way."""
        now = self.get(document.partition.tenant, document.document_id)
        return now is None or now.terminal or not now.wants(document.generation)

    def _why_unread(self, record: Record | None) -> Reason | None:
        return first_trouble(self.ranges(record.document)) if record else None

    def _count(self, document: Document, **by: int) -> None:
        where = (document.partition.tenant, document.document_id)
        record = self._records[where]
        old = record.document.progress
        moved = {name: getattr(old, name) + change for name, change in by.items()}
        counted = replace(record.document, progress=replace(old, **moved), updated_at=self._now())
        self._records[where] = replace(record, document=counted)


def _generation(document: Document) -> _Generation:
    return (document.partition.tenant, document.document_id, document.generation)


def _bounded(reason: Reason | None) -> Reason | None:
    return lifecycle.bounded(reason) if reason else None


def _of_range(work: Work, number: int) -> Work:
    own = range(number * ORDINALS_PER_RANGE, (number + 1) * ORDINALS_PER_RANGE)
    return Work(
        {n: one for n, one in work.ranges.items() if n == number},
        {n: state for n, state in work.chunks.items() if n in own},
        {n: reason for n, reason in work.reasons.items() if n in own},
    )
