"""Whatever happens to a document, in whatever order: what a ledger never lets come about.

Everything that the pipeline, its users and the bucket do happens at random, late and repeated, by
handles of any generation; after every step the ledger is asked what it would tell an auditor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.chunks import ORDINALS_PER_RANGE
from ragline.domain.documents import Document, Status
from ragline.domain.errors import WriteConflict
from ragline.domain.keys import normal_sequencer
from ragline.domain.ledger import Audit, ChunkState, NewDocument, RangeRecord, Work
from ragline.domain.lifecycle import TROUBLED
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import Holdings, held_by
from ragline.ports import Ledger
from tests.contract import aws
from tests.contract.ledgers import BAD, WORSE, Clock, audits, dropped, fresh_dynamo, new, tamper

pytestmark = pytest.mark.disable_socket

REGISTERED, DROPPED = new(size=7), dropped()
RANGES = ([3, 1], [0], [2], [0, 2], [1])


def ranges_of(generation: int) -> list[int]:
    """Chunks by range: what any splitter makes of this generation, whenever it is asked."""
    return RANGES[(generation - 1) % len(RANGES)]


def chosen(generation: int, bits: int) -> list[int]:
    """Some ordinals of the generation's chunks."""
    ordinals = Work({n: RangeRecord(c) for n, c in enumerate(ranges_of(generation))}).ordinals
    return [ordinal for n, ordinal in enumerate(ordinals) if bits >> n & 1]


class History:
    """One document's life, and what a bystander knows of it.

    ``buried``: the newest generation that was deleted. ``requested``: it was deleted on request,
    and the bucket has not told of its removal since. ``latest``: of the bucket's sequencers.
    """

    def __init__(self, ledger: Ledger, one: NewDocument, clock: Clock) -> None:
        self.ledger, self.one, self.clock = ledger, one, clock
        self.handles: list[Document] = []
        self.buried, self.requested, self.latest = 0, False, 8

    def step(self, act: Callable[[History, int, int], bool], at: int, bits: int) -> None:
        before = self.now
        may_revive = act(self, at, bits)
        told = list(self.ledger.audit())
        for one in told:
            self.check(before, one, may_revive)
        held = sum((held_by(one.document) for one in told), Holdings())
        assert self.ledger.tenant("acme").holds == held

    @property
    def now(self) -> Document | None:
        return self.ledger.get("acme", self.one.document_id)

    def handle(self, at: int) -> Document | None:
        """What some worker was given: lately, or of a generation that is long gone."""
        return self.handles[-1 - at % len(self.handles)] if self.handles else None

    def sequencer(self, age: int) -> tuple[str, bool]:
        """One about as old as the last, and whether it is newer than all that the ledger saw."""
        number = self.latest + age
        self.latest = max(self.latest, number)
        text, now = f"{number:X}", self.now
        return text, now is None or normal_sequencer(text) > now.sequencer

    # What never comes about

    def check(self, before: Document | None, told: Audit, may_revive: bool) -> None:
        now = told.document
        assert now == self.now
        if now.wants(now.generation):
            counted = told.work.get(now.generation, Work()).counts()
            assert "pages_done" in counted
            assert {name: getattr(now.progress, name) for name in counted} == counted
            assert now.generation > self.buried
            kept = {now.generation, now.live_generation} - {0}
            cut = sum(told.work.get(one, Work()).counts()["chunks_total"] for one in kept)
            assert held_by(now) == Holdings(1, now.size, cut)
        assert not now.live_generation or now.live_generation > self.buried
        if before is None:
            return
        assert now.generation - before.generation in {0, 1}
        assert now.sequencer >= before.sequencer
        if before.status is Status.DELETED is not now.status:
            assert may_revive
            assert now.status in {Status.AWAITING_UPLOAD, Status.SPLITTING}
        if now.live_generation not in {before.live_generation, 0}:
            work = told.work[now.live_generation]
            assert {n: one.chunks for n, one in work.ranges.items() if not one.lost} == {
                n: chunks
                for n, chunks in enumerate(ranges_of(now.live_generation))
                if not work.ranges[n].lost
            }
            assert work.unfinished == []
        if not now.live_generation:
            assert not before.live_generation or now.status is Status.DELETED

    # The bucket and the users; each says whether it may revive a deleted document

    def create(self, at: int, bits: int) -> bool:
        if self.one is REGISTERED:
            before = self.now
            made = self.ledger.create(self.one)
            fresh = before is None or before.status is Status.DELETED
            assert made.status is Status.AWAITING_UPLOAD if fresh else made == before
        return True

    def begin(self, at: int, bits: int) -> bool:
        sequencer, newer = self.sequencer(bits % 4 - 1)
        before = self.now
        try:
            started = self.ledger.begin(self.one, sequencer, ("p1", "p1", "p2", "")[bits // 4])
        except WriteConflict:
            assert before is not None
            assert before.status is Status.DELETED
            assert newer and self.requested and self.one is DROPPED
            return False
        closed = self.requested and before is not None and before.status is Status.DELETED
        if started is None:
            assert closed or not newer
            return False
        assert started.status not in {Status.AWAITING_UPLOAD, Status.DELETED}
        self.handles.append(started)
        self.requested = self.requested and not newer
        return newer and not closed

    def delete(self, at: int, bits: int) -> bool:
        before = self.now
        sequencer, newer = self.sequencer(bits // 2 % 4 - 1) if bits % 2 else ("", True)
        was = self.ledger.delete("acme", self.one.document_id, sequencer)
        gone = before is None or before.status is Status.DELETED
        # Word of the upload that was there before the id was used again.
        past = self.requested and before and before.status is Status.AWAITING_UPLOAD
        if was is not None:
            assert was == before
            assert newer and not gone and not (sequencer and past)
            self.requested, self.buried = not sequencer, was.generation
        elif not gone:
            assert sequencer and (past or not newer)
        elif sequencer and newer and self.one is DROPPED:
            self.requested = False
        return False

    # The workers

    def cut(self, at: int, bits: int) -> bool:
        if document := self.handle(at):
            ranges = ranges_of(document.generation)
            if len(ranges) == 1 and bits % 2:
                self.cut_whole(document, ranges[0])
                return False
            self.ledger.plan_ranges(document, len(ranges), 4 * len(ranges))
            for number, chunks in enumerate(ranges):
                if bits >> number & 1:
                    self.cut_range(document, number, chunks)
            self.seen(document)
        return False

    def cut_range(self, document: Document, number: int, chunks: int) -> None:
        """What is recorded as cut counts; what is not was lost, or is of a time that is over."""
        before = self.now
        assert before is not None
        pages = PageCounts(text=3, blank=number % 2, failed=1 - number % 2)
        lost = [n for n, one in self.ledger.ranges(document).items() if one.lost]
        counted = self.ledger.record_range(document, number, chunks, pages, WORSE)
        wanted = before.wants(document.generation)
        assert counted is (wanted and not (before.terminal and number in lost))
        if counted:
            done = self.ledger.ranges(document)[number]
            assert (done.chunks, done.lost, done.pages) == (chunks, False, pages)

    def lose(self, at: int, bits: int) -> bool:
        """A range cannot be read; and its worker settles, unless it dies."""
        if document := self.handle(at):
            number = bits % len(ranges_of(document.generation))
            if self.ledger.work(document, number).chunks:
                return False  # whose chunks came that far has been cut, and stays so
            before = self.ledger.ranges(document).get(number)
            self.ledger.lose_range(document, number, 4, WORSE)
            if before is not None:
                assert self.ledger.ranges(document)[number] == before
            if bits % 8:
                self.settle(at, bits)
        return False

    def reopen_ranges(self, at: int, bits: int) -> bool:
        if document := self.handle(at):
            opening = [n for n in range(4) if bits >> n & 1]
            before, ranges = self.now, self.ledger.ranges(document)
            assert before is not None
            done = self.ledger.reopen_ranges(document, opening)
            assert done is (before.wants(document.generation) and not before.terminal)
            gone = {n for n in opening if done and n in ranges and ranges[n].lost}
            assert self.ledger.ranges(document).keys() == ranges.keys() - gone
        return False

    def cut_whole(self, document: Document, chunks: int) -> None:
        after = self.ledger.record_whole(document, chunks, PageCounts(text=3, failed=1), WORSE)
        assert after == self.now
        self.seen(document)

    def seen(self, document: Document) -> None:
        """Later workers of the same generation are given it with the counts that it has now."""
        now = self.now
        if now is not None and now.wants(document.generation):
            self.handles.append(now)

    def plan(self, at: int, bits: int) -> bool:
        if document := self.handle(at):
            ranges = len(ranges_of(document.generation))
            self.ledger.plan_ranges(document, ranges, 4 * ranges)
        return False

    def embed(self, at: int, bits: int) -> bool:
        return self.move(at, bits, ChunkState.EMBEDDED)

    def spoil(self, at: int, bits: int) -> bool:
        return self.move(at, bits, ChunkState.FAILED)

    def index(self, at: int, bits: int) -> bool:
        return self.move(at, bits, ChunkState.INDEXED)

    def move(self, at: int, bits: int, state: ChunkState) -> bool:
        """And settle, as the workers do, unless they die."""
        if document := self.handle(at):
            lost = [n for n, one in self.ledger.ranges(document).items() if one.lost]
            some = chosen(document.generation, bits)
            moving = [n for n in some if n // ORDINALS_PER_RANGE not in lost]
            self.ledger.record_chunks(document, moving, state, BAD)
            if bits % 2:
                self.seen(document)
            if bits % 8:
                self.settle(at, bits)
        return False

    def settle(self, at: int, bits: int) -> bool:
        if document := self.handle(at):
            ended = self.ledger.settle("acme", self.one.document_id, document.generation)
            assert ended is None or ended == self.now
            assert self.ledger.settle("acme", self.one.document_id, document.generation) is None
        return False

    def fail(self, at: int, bits: int) -> bool:
        if document := self.handle(at):
            self.ledger.fail("acme", self.one.document_id, document.generation, WORSE)
        return False

    def retry(self, at: int, bits: int) -> bool:
        if document := self.handle(at):
            before = self.now
            assert before is not None
            mends = before.status in TROUBLED and before.generation == document.generation
            assert (self.ledger.retry(document) is not None) is mends
            if bits % 8:
                self.reopen(at, bits)
                self.reopen_ranges(at, bits)
        return False

    def reopen(self, at: int, bits: int) -> bool:
        if document := self.handle(at):
            opening = chosen(document.generation, bits)
            before, failed = self.now, self.ledger.work(document).failed
            assert before is not None
            done = self.ledger.reopen(document, opening)
            assert done is (before.wants(document.generation) and not before.terminal)
            left = set(failed) - set(opening if done else [])
            assert set(self.ledger.work(document).failed) == left
        return False

    # The upkeep

    def forget(self, at: int, bits: int) -> bool:
        """As the indexer does once rows are gone: of dead generations, or of all of them."""
        if now := self.now:
            gone = now.status is Status.DELETED
            below = now.generation + 1 if gone else now.live_generation
            self.ledger.forget("acme", self.one.document_id, below)
            told = audits(self.ledger)["acme", self.one.document_id]
            assert all(generation >= below for generation in told.work)
            assert not told.removal_pending
            assert told.document == now
        return False

    def expire(self, at: int, bits: int) -> bool:
        before = self.now
        self.clock.skip(timedelta(days=at * 4))
        if self.ledger.expire("acme", self.one.document_id, WORSE):
            assert before is not None
            assert before.status is Status.AWAITING_UPLOAD
        return False

    def mend(self, at: int, bits: int) -> bool:
        """Counts that some fault made wrong are right again before anyone looks."""
        if (now := self.now) and now.wants(now.generation):
            tamper(
                self.ledger,
                now,
                indexed=bits - 1,
                chunks_total=bits,
                pages_failed=bits,
                pages_text=1,
            )
        if document := self.handle(at):
            self.ledger.recount(document)
        if now and now.wants(now.generation):
            self.ledger.recount(now)
            assert self.now == now
        assert self.ledger.recount_tenant("acme")
        return False


Step = tuple[Callable[[History, int, int], bool], int, int]
H = History
OFTEN = [H.begin, H.cut, H.lose, H.embed, H.spoil, H.index, H.retry, H.delete]
SELDOM = [
    H.create, H.plan, H.settle, H.fail, H.reopen, H.reopen_ranges, H.forget, H.mend, H.expire,
]  # fmt: skip


def histories(shortest: int, longest: int) -> st.SearchStrategy[list[Step]]:
    act = st.sampled_from([*OFTEN, *OFTEN, *SELDOM])
    # Handles are mostly those of late, and all chunks are as likely as any others.
    at, bits = st.sampled_from([0, 0, 0, 1, 2]), st.sampled_from([*range(16), *[15] * 8])
    return st.lists(st.tuples(act, at, bits), min_size=shortest, max_size=longest)


def live(make_ledger: Callable[[Clock], Ledger], one: NewDocument, steps: Sequence[Step]) -> None:
    clock = Clock()
    history = History(make_ledger(clock), one, clock)
    for act, at, bits in steps:
        history.step(act, at, bits)


@pytest.mark.parametrize("one", [REGISTERED, DROPPED], ids=["registered", "dropped"])
@settings(max_examples=250, deadline=None)
@given(steps=histories(20, 60))
def test_no_history_makes_a_ledger_lie(one: NewDocument, steps: list[Step]) -> None:
    live(MemoryLedger, one, steps)


@pytest.mark.parametrize("one", [REGISTERED, DROPPED], ids=["registered", "dropped"])
def test_no_history_makes_the_table_lie(one: NewDocument) -> None:
    with aws.in_process_aws():

        @settings(max_examples=5, deadline=None)
        @given(steps=histories(15, 30))
        def every_history(steps: list[Step]) -> None:
            live(lambda clock: fresh_dynamo(clock=clock), one, steps)

        every_history()
