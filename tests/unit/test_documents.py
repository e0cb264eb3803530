"""Reading documents, their chunks and failures, and deleting them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.memory.queues import MemoryQueues
from ragline.domain.chunks import CHUNKS_PER_PART, ORDINALS_PER_RANGE, Chunk, Part
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.errors import InvalidRequest, NotFound, ServiceUnavailable
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.messages import Delete, IndexOp
from ragline.domain.pages import PageCounts
from ragline.usecases import documents
from ragline.usecases.parts import cut_parts, write_part

HANDBOOK = Partition("acme", "handbook")
KEY = f"uploads/{HANDBOOK}/guide/guide.md"


class World:
    def __init__(self) -> None:
        self.ledger, self.objects, self.queues = MemoryLedger(), MemoryObjects(), MemoryQueues()

    def live(self, ranges: list[int], sequencer: str = "1") -> Document:
        """The document ``guide``, indexed, with so many chunks in each page range."""
        self.objects.put(KEY, b"the bytes")
        document = self.begun(sequencer)
        self.ledger.plan_ranges(document, len(ranges), 0)
        for number, count in enumerate(ranges):
            first = number * ORDINALS_PER_RANGE
            ordinals = range(first, first + count)
            chunks = [Chunk(n, f"{sequencer}: text {n}", 2, 0, 9) for n in ordinals]
            base = Part(HANDBOOK, "guide", document.generation, 0, CHUNKS_PER_PART)
            for part, run in cut_parts(base, chunks):
                write_part(self.objects, part, run)
            self.ledger.record_range(document, number, count, PageCounts())
            self.ledger.record_chunks(document, ordinals, ChunkState.INDEXED)
        settled = self.ledger.settle("acme", "guide", document.generation)
        assert settled
        return settled

    def begun(self, sequencer: str) -> Document:
        new = NewDocument(HANDBOOK, "guide", "guide.md", KEY)
        document = self.ledger.begin(new, sequencer, "parser-1")
        assert document
        return document

    def page(self, limit: int = 50, cursor: str | None = None) -> documents.ChunkPage:
        return documents.chunks(
            "acme", "guide", ledger=self.ledger, objects=self.objects, limit=limit, cursor=cursor
        )

    def ordinals(self, limit: int) -> list[list[int]]:
        """Page by page, the ordinals of all chunks."""
        pages: list[list[int]] = []
        cursor: str | None = None
        while True:
            page = self.page(limit, cursor)
            pages.append([chunk.ordinal for chunk in page.chunks])
            cursor = page.cursor
            if cursor is None:
                return pages

    def delete(self) -> None:
        documents.delete(
            "acme", "guide", ledger=self.ledger, objects=self.objects, queues=self.queues
        )


@pytest.fixture
def world() -> World:
    return World()


@settings(max_examples=50)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=3).filter(sum), st.integers(1, 60))
def test_pages_of_any_size_give_every_chunk_once_and_in_order(
    ranges: list[int], limit: int
) -> None:
    world = World()
    world.live(ranges)
    pages = world.ordinals(limit)
    expected = [
        number * ORDINALS_PER_RANGE + n for number, count in enumerate(ranges) for n in range(count)
    ]
    assert [ordinal for page in pages for ordinal in page] == expected
    assert all(len(page) == limit for page in pages[:-1])
    assert 0 < len(pages[-1]) <= limit


def test_a_page_reads_only_the_parts_it_shows() -> None:
    class Counting(MemoryObjects):
        reads = 0

        def get(self, key: str, etag: str = "") -> bytes | None:
            self.reads += 1
            return super().get(key, etag)

    world = World()
    objects = world.objects = Counting()
    world.live([160])
    first = world.page(16)
    objects.reads = 0
    world.page(16, first.cursor)
    assert objects.reads == 2  # the page, and one look at whether it is the last


def test_chunks_are_those_of_the_live_generation_while_the_next_is_worked_on(
    world: World,
) -> None:
    world.live([2])
    world.begun("2")
    page = world.page()
    assert page.generation == 1
    assert [chunk.text for chunk in page.chunks] == ["1: text 0", "1: text 1"]


def test_a_cursor_of_a_replaced_version_is_refused_rather_than_mixed(world: World) -> None:
    world.live([5])
    cursor = world.page(2).cursor
    world.live([5], sequencer="2")
    with pytest.raises(InvalidRequest, match="replaced"):
        world.page(2, cursor)


@pytest.mark.parametrize("cursor", ["", "x", "MTox\n", "!!!!", "MToxOjI", "LTE6MA", "é"])
def test_a_made_up_cursor_is_refused(world: World, cursor: str) -> None:
    world.live([5])
    with pytest.raises(InvalidRequest, match="cursor"):
        world.page(2, cursor)


def test_a_document_not_yet_live_shows_no_chunks(world: World) -> None:
    world.begun("1")
    assert world.page() == documents.ChunkPage(0, ())


def test_chunks_that_vanish_between_listing_and_reading_are_no_silent_gap(world: World) -> None:
    class Vanishing(MemoryObjects):
        def get(self, key: str, etag: str = "") -> bytes | None:
            return None if key.startswith("chunks/") else super().get(key, etag)

    world.objects = Vanishing()
    world.live([5])
    with pytest.raises(NotFound, match="being deleted or replaced"):
        world.page()


def test_deleting_takes_the_document_out_at_once_and_orders_the_rest_away(world: World) -> None:
    world.live([2])
    live = world.live([2], sequencer="2")

    world.delete()

    document = world.ledger.get("acme", "guide")
    assert document
    assert document.status is Status.DELETED
    assert not document.shows(live.live_generation)
    assert world.objects.get(KEY) is None
    [op] = world.queues.ops
    assert isinstance(op, Delete)
    assert (op.partition, op.document_id, op.below) == (HANDBOOK, "guide", 3)


def test_deleting_again_finishes_what_a_crash_left(world: World) -> None:
    world.live([2])

    class Failing(MemoryQueues):
        def send_ops(self, ops: object) -> None:
            raise ServiceUnavailable("no answer")

    working, world.queues = world.queues, Failing()
    with pytest.raises(ServiceUnavailable):
        world.delete()
    world.queues = working

    world.delete()

    sent: list[IndexOp] = working.ops
    assert [op.op for op in sent] == ["delete"]
    assert world.objects.get(KEY) is None


def test_a_document_of_another_tenant_is_as_unknown_as_none(world: World) -> None:
    world.live([2])
    for tenant, document_id in (("rival", "guide"), ("acme", "unknown"), ("acme", "../guide")):
        with pytest.raises(NotFound):
            documents.get(tenant, document_id, ledger=world.ledger)
        with pytest.raises(NotFound):
            documents.failures(tenant, document_id, ledger=world.ledger)
        with pytest.raises(NotFound):
            documents.delete(
                tenant,
                document_id,
                ledger=world.ledger,
                objects=world.objects,
                queues=world.queues,
            )
    assert world.queues.ops == []
    assert world.objects.get(KEY) == b"the bytes"


def test_failed_chunks_are_told_in_runs_of_consecutive_ordinals_with_one_code() -> None:
    world = World()
    document = world.begun("1")
    world.ledger.plan_ranges(document, 2, 0)
    for number in (0, 1):
        world.ledger.record_range(document, number, 6, PageCounts())
    assert documents.failed_chunks("acme", "guide", ledger=world.ledger).runs == ()
    far = ORDINALS_PER_RANGE
    for code, ordinals in (("throttled", [0, 1, 4, far]), ("stalled", [2, far + 1])):
        reason = Reason(code, "it failed.", "embed")
        world.ledger.record_chunks(document, ordinals, ChunkState.FAILED, reason)
    runs = [
        documents.FailedRun(0, 2, "throttled"),
        documents.FailedRun(2, 1, "stalled"),
        documents.FailedRun(4, 1, "throttled"),
        documents.FailedRun(far, 1, "throttled"),
        documents.FailedRun(far + 1, 1, "stalled"),
    ]
    for limit, cut in ((5, False), (4, True)):
        told = documents.failed_chunks("acme", "guide", ledger=world.ledger, limit=limit)
        assert told == documents.FailedChunks(runs[:limit], cut)
    with pytest.raises(NotFound):
        documents.failed_chunks("rival", "guide", ledger=world.ledger)
