"""Ranges of a document: each is recorded in one transaction with the counts that it moves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from ragline.adapters.dynamodb import items, writes
from ragline.adapters.dynamodb.documents import STATE, Documents
from ragline.adapters.dynamodb.table import Written
from ragline.domain import lifecycle
from ragline.domain.documents import TERMINAL, Document, Reason, Status
from ragline.domain.errors import Throttled, WriteConflict
from ragline.domain.ledger import RangeRecord, first_trouble
from ragline.domain.lifecycle import Record
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import Holdings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

IDLE = (Status.DELETED, Status.AWAITING_UPLOAD)
"""Statuses in which no generation is wanted, in the sense of ``Document.wants``."""

TERMINAL_OR_IDLE = sorted({*TERMINAL, *IDLE})
"""Statuses in which nothing is made undone again: nobody would take it up."""


class Ranges(Documents):
    """The part of ``DynamoLedger`` that records what a document was cut into."""

    def plan_ranges(self, document: Document, ranges: int, pages: int) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.planned(old, document.generation, ranges, pages, self._now()),
            guard=(*STATE, "ranges_total"),
            known=document,
        )

    def record_range(
        self,
        document: Document,
        number: int,
        chunks: int,
        pages: PageCounts,
        reason: Reason | None = None,
    ) -> bool:
        return self._record(document, number, RangeRecord(chunks, pages, reason))

    def lose_range(self, document: Document, number: int, pages: int, reason: Reason) -> None:
        lost = RangeRecord(0, PageCounts(failed=pages), reason, lost=True)
        self._record(document, number, lost)

    def reopen_ranges(self, document: Document, numbers: Collection[int]) -> bool:
        now = self.get(document.partition.tenant, document.document_id)
        if now is None or now.terminal or not now.wants(document.generation):
            return False  # asked here as well, since writes only ask where a range is lost
        return all(self._reopen_range(document, number) for number in sorted(set(numbers)))

    def ranges(self, document: Document) -> Mapping[int, RangeRecord]:
        pk = items.document_pk(document.partition.tenant, document.document_id)
        found = self._table.query_all(
            KeyConditionExpression="PK = :pk AND begins_with(SK, :prefix)",
            ExpressionAttributeValues={
                ":pk": {"S": pk},
                ":prefix": {"S": f"RANGE#{document.generation:08d}#"},
            },
            ConsistentRead=True,
        )
        work = items.read_work(found).get(document.generation)
        return work.ranges if work else {}

    def record_whole(
        self,
        document: Document,
        chunks: int,
        pages: PageCounts,
        reason: Reason | None = None,
    ) -> Document | None:
        """As the port says: in one transaction, where nothing of the generation is recorded yet."""
        # As if it had been repaired once: a change of status ends that, and whether there is such
        # an attribute to remove is not known here, nor does it matter.
        old, now = Record(document, repairs=1), self._now()
        new = lifecycle.cut_whole(old, document.generation, chunks, pages, now)
        if new is not None:
            raw, item = items.meta_item(old), items.meta_item(new)
            # The times are written as one: those of a document read long ago are not to come back.
            guard = (*STATE, *items.COUNTS, "timings")
            meta = writes.update_unchanged(self._table.name, raw, item, guard)
            cut = items.range_item(document, 0, RangeRecord(chunks, pages, reason), now)
            place = writes.put_absent(self._table.name, cut)
            totals = self._held(document, Holdings(chunks=chunks))
            for _ in self._table.backoff.attempts():
                last = self._table.transact([{"Update": meta}, {"Put": place}, *totals])
                if last == "done":
                    self._tell(old, new)
                    return new.document
                if last in {"refused", "stale"}:
                    break
        self.plan_ranges(document, 1, pages.total)
        self.record_range(document, 0, chunks, pages, reason)
        return self.get(document.partition.tenant, document.document_id)

    def _record(self, document: Document, number: int, new: RangeRecord) -> bool:
        """As ``record_range`` says. That nothing is recorded yet is tried before it is read."""
        last: Written = "conflict"
        was: RangeRecord | None = None
        for _ in self._table.backoff.attempts():
            moves = lifecycle.range_moves(was, new)
            last = self._write_range(document, number, was, new, moves) if moves else "done"
            if last == "done":
                break
            if last == "refused":
                return False
            if last == "stale":
                was = self._range(document, number)
        else:
            raise gave_up(document, last)
        # Also when the range was recorded before: whoever did may have died right here.
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.split(old, document.generation, self._now()),
        )
        return True

    def _write_range(
        self,
        document: Document,
        number: int,
        was: RangeRecord | None,
        new: RangeRecord,
        moves: Mapping[str, int],
    ) -> Written:
        name, now = self._table.name, self._now()
        # One that was lost is cut after all while the document is under way, and not later: then
        # nobody would wait for its chunks.
        unless = TERMINAL_OR_IDLE if was else IDLE
        meta = writes.add_counts(name, document, moves, now, unless=unless)
        place = writes.put_range(name, items.range_item(document, number, new, now), was)
        totals = self._held(document, Holdings(chunks=new.chunks))
        return self._table.transact([meta, place, *totals])

    def _reopen_range(self, document: Document, number: int) -> bool:
        """Make one lost range undone; False if the work is not under way."""
        last: Written = "conflict"
        name = self._table.name
        for _ in self._table.backoff.attempts():
            was = self._range(document, number)
            if was is None or not was.lost:
                return True
            moves = lifecycle.range_moves(was, None)
            meta = writes.add_counts(name, document, moves, self._now(), unless=TERMINAL_OR_IDLE)
            last = self._table.transact([meta, writes.drop_lost(name, document, number)])
            if last in {"done", "refused"}:
                return last == "done"
        raise gave_up(document, last)

    def _range(self, document: Document, number: int) -> RangeRecord | None:
        pk = items.document_pk(document.partition.tenant, document.document_id)
        found = self._table.get(pk, items.range_sk(document.generation, number))
        return items.read_range(found) if found else None

    def _why_unread(self, record: Record | None) -> Reason | None:
        """Why the first page that could not be read was not.

        By their keys: whoever ends a document may read its items, and not all may query them.
        """
        if record is None:
            return None
        document = record.document
        pk = items.document_pk(document.partition.tenant, document.document_id)
        numbers = range(document.progress.ranges_total)
        by_sk = {items.range_sk(document.generation, number): number for number in numbers}
        found = self._table.batch_get([items.key(pk, sk) for sk in by_sk])
        return first_trouble({by_sk[one["SK"]["S"]]: items.read_range(one) for one in found})

    def _held(self, document: Document, by: Holdings) -> Sequence[TransactWriteItemTypeDef]:
        """The write that moves what the document's tenant holds; none if nothing moves."""
        if not by:
            return []
        return [writes.move_totals(self._table.name, document.partition.tenant, by)]


def gave_up(document: Document, last: Written) -> Throttled | WriteConflict:
    """The error after so many attempts of which the last went like this."""
    what = f"document {document.document_id}: counts could not be written"
    if last == "throttled":
        return Throttled(f"{what}: the table is throttled.")
    return WriteConflict(f"{what}: other writers were faster every time.")
