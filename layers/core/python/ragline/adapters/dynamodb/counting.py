"""Counts of a document: each moves in one transaction with the record of the chunk or range that it
counts, on the condition that this record is still as it was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from ragline.adapters.dynamodb import items, writes
from ragline.adapters.dynamodb.documents import STATE, Documents
from ragline.adapters.dynamodb.table import TRANSACTION, Written
from ragline.domain import lifecycle
from ragline.domain.documents import TERMINAL, Document, Reason, Status
from ragline.domain.errors import Throttled, WriteConflict
from ragline.domain.ledger import ChunkState
from ragline.domain.lifecycle import Record
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import Holdings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

Guess: TypeAlias = ChunkState | Literal["read"] | None
"""Where chunks are, unread: in that state, not recorded yet (None), or not to be guessed."""

TERMINAL_OR_IDLE = sorted({*TERMINAL, Status.AWAITING_UPLOAD})
"""Statuses in which no chunk is made pending: nobody would take it up."""

_RUN = TRANSACTION - 1
"""Chunks that one transaction moves: META is in it too."""


class Counting(Documents):
    """The part of ``DynamoLedger`` that records page ranges and chunks."""

    def plan_ranges(self, document: Document, ranges: int, pages: int) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.planned(old, document.generation, ranges, pages, self._now()),
            guard=(*STATE, "ranges_total"),
            known=document,
        )

    def record_range(self, document: Document, number: int, chunks: int, pages: PageCounts) -> None:
        now = self._now()
        counts = lifecycle.range_counts(chunks, pages)
        meta = writes.add_counts(self._table.name, document, counts, now)
        item = items.range_item(document, number, chunks, pages, now)
        place: TransactWriteItemTypeDef = {"Put": writes.put_absent(self._table.name, item)}
        totals = self._held(document, Holdings(chunks=chunks))
        last: Written = "conflict"
        for _ in self._table.backoff.attempts():
            last = self._table.transact([meta, place, *totals])
            if last in {"done", "stale"}:
                break
            if last == "refused":
                return
        else:
            raise _gave_up(document, last)
        # Also when the range was recorded before: whoever did may have died right here.
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.split(old, document.generation, self._now()),
        )

    def record_whole(self, document: Document, chunks: int, pages: PageCounts) -> Document | None:
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
            place = writes.put_absent(
                self._table.name, items.range_item(document, 0, chunks, pages, now)
            )
            totals = self._held(document, Holdings(chunks=chunks))
            for _ in self._table.backoff.attempts():
                last = self._table.transact([{"Update": meta}, {"Put": place}, *totals])
                if last == "done":
                    self._tell(old, new)
                    return new.document
                if last in {"refused", "stale"}:
                    break
        self.plan_ranges(document, 1, pages.total)
        self.record_range(document, 0, chunks, pages)
        return self.get(document.partition.tenant, document.document_id)

    def record_chunks(
        self,
        document: Document,
        ordinals: Sequence[int],
        state: ChunkState,
        reason: Reason | None = None,
    ) -> None:
        wanted = sorted(set(ordinals))
        guess = _guess(document, len(wanted), state)
        for start in range(0, len(wanted), _RUN):
            if not self._advance(document, wanted[start : start + _RUN], state, reason, guess):
                return

    def reopen(self, document: Document, ordinals: Sequence[int]) -> bool:
        now = self.get(document.partition.tenant, document.document_id)
        if now is None or now.terminal or not now.wants(document.generation):
            return False  # asked here as well, since writes only ask when a chunk has failed
        wanted = sorted(set(ordinals))
        runs = (wanted[start : start + _RUN] for start in range(0, len(wanted), _RUN))
        return all(self._reopen(document, run) for run in runs)

    def _held(self, document: Document, by: Holdings) -> Sequence[TransactWriteItemTypeDef]:
        """The write that moves what the document's tenant holds; none if nothing moves."""
        if not by:
            return []
        return [writes.move_totals(self._table.name, document.partition.tenant, by)]

    def _advance(
        self,
        document: Document,
        ordinals: Sequence[int],
        state: ChunkState,
        reason: Reason | None,
        guess: Guess = "read",
    ) -> bool:
        """Move the chunks of one transaction; False if their generation is unwanted.

        A ``guess`` of where they are is tried first: the conditions of the writes prove it.
        """
        last: Written = "conflict"
        name, cause = self._table.name, reason if state is ChunkState.FAILED else None
        for attempt in self._table.backoff.attempts():
            if guess == "read" or attempt:
                present = self._states(document, ordinals)
            else:
                present = dict.fromkeys(ordinals, guess) if guess else {}
            moving = lifecycle.advancing(present, ordinals, state)
            if not moving:
                return True
            now, by = self._now(), lifecycle.deltas(present, moving, state)
            counts = {which.name.lower(): change for which, change in by.items()}
            meta = writes.add_counts(name, document, counts, now, cause)
            last = self._table.transact(
                [meta]
                + [
                    writes.put_chunk(name, document, n, present.get(n), state, cause, now)
                    for n in moving
                ]
            )
            if last == "done" and self._watch is not None:
                self._watch.counted(state, len(moving))
            if last in {"done", "refused"}:
                return last == "done"
        raise _gave_up(document, last)

    def _reopen(self, document: Document, ordinals: Sequence[int]) -> bool:
        """Make the failed chunks of one transaction pending; False if the work is not under way."""
        last: Written = "conflict"
        name = self._table.name
        for _ in self._table.backoff.attempts():
            present = self._states(document, ordinals)
            moving = [n for n in ordinals if present.get(n) is ChunkState.FAILED]
            if not moving:
                return True
            counts = {"failed": -len(moving)}
            meta = writes.add_counts(name, document, counts, self._now(), unless=TERMINAL_OR_IDLE)
            drops = [writes.drop_failed(name, document, n) for n in moving]
            last = self._table.transact([meta, *drops])
            if last in {"done", "refused"}:
                return last == "done"
        raise _gave_up(document, last)

    def _states(self, document: Document, ordinals: Sequence[int]) -> dict[int, ChunkState]:
        pk = items.document_pk(document.partition.tenant, document.document_id)
        by_sk = {items.chunk_sk(document.generation, n): n for n in ordinals}
        found = self._table.batch_get([items.key(pk, sk) for sk in by_sk])
        return {by_sk[item["SK"]["S"]]: items.read_state(item) for item in found}


def _guess(document: Document, chunks: int, state: ChunkState) -> Guess:
    """Where so many chunks are that go to ``state``: told by the counts if there are so many there.

    A wrong guess costs the writes of a cancelled transaction, where reading first costs one read a
    chunk; so what was most likely done before, as by an earlier delivery, is read.
    """
    counts = document.progress
    if state is ChunkState.INDEXED and counts.embedded >= chunks:
        return ChunkState.EMBEDDED
    pending = counts.chunks_total - counts.embedded - counts.indexed - counts.failed
    return None if state is ChunkState.EMBEDDED and pending >= chunks else "read"


def _gave_up(document: Document, last: Written) -> Throttled | WriteConflict:
    what = f"document {document.document_id}: counts could not be written"
    if last == "throttled":
        return Throttled(f"{what}: the table is throttled.")
    return WriteConflict(f"{what}: other writers were faster every time.")
