"""Counts of a document: each moves in one transaction with the record of the chunk that it counts,
on the condition that this record is still as it was read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeAlias

from ragline.adapters.dynamodb import items, writes
from ragline.adapters.dynamodb.ranges import TERMINAL_OR_IDLE, Ranges, gave_up
from ragline.adapters.dynamodb.table import TRANSACTION, Written
from ragline.domain import lifecycle
from ragline.domain.documents import Document, Reason
from ragline.domain.ledger import ChunkState

Guess: TypeAlias = ChunkState | Literal["read"] | None
"""Where chunks are, unread: in that state, not recorded yet (None), or not to be guessed."""

_RUN = TRANSACTION - 1
"""Chunks that one transaction moves: META is in it too."""


class Counting(Ranges):
    """The part of ``DynamoLedger`` that records how far chunks are."""

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
        raise gave_up(document, last)

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
        raise gave_up(document, last)

    def states(self, document: Document, ordinals: Collection[int]) -> Mapping[int, ChunkState]:
        return self._states(document, sorted(set(ordinals)))

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
