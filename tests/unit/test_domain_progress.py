"""Counts, percentages and outcomes, and what a document shows and wants."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.domain.documents import (
    TERMINAL,
    Document,
    Partition,
    Progress,
    Status,
    check_document_id,
    check_name,
)
from ragline.domain.errors import InvalidRequest
from ragline.domain.ledger import ChunkState
from ragline.domain.lifecycle import advancing, deltas

DOCUMENT = Document(
    Partition("acme", "papers"), "d1", "a.txt", Status.PROCESSING, "t", "t", generation=2
)


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    ranges = draw(st.integers(0, 5))
    done = draw(st.integers(0, ranges))
    chunks = draw(st.integers(0, 50)) if done else 0
    indexed = draw(st.integers(0, chunks))
    failed = draw(st.integers(0, chunks - indexed))
    embedded = draw(st.integers(0, chunks - indexed - failed))
    return Progress(0, 0, ranges, done, chunks, embedded, indexed, failed)


@given(progresses())
def test_a_hundred_percent_means_complete_and_nothing_else_does(progress: Progress) -> None:
    assert 0 <= progress.percent <= 100
    assert (progress.percent == 100) == progress.complete


@given(progresses())
def test_percent_never_falls_when_a_chunk_moves_on(progress: Progress) -> None:
    if progress.embedded:
        indexed = replace(progress, embedded=progress.embedded - 1, indexed=progress.indexed + 1)
        assert indexed.percent >= progress.percent
    if progress.embedded + progress.indexed + progress.failed < progress.chunks_total:
        assert replace(progress, embedded=progress.embedded + 1).percent >= progress.percent


def test_all_chunks_indexed_is_not_complete_while_ranges_are_missing() -> None:
    assert not Progress(ranges_total=2, ranges_done=1, chunks_total=3, indexed=3).complete
    assert not Progress().complete


@pytest.mark.parametrize(
    ("chunks", "indexed", "failed", "outcome"),
    [
        (0, 0, 0, Status.EMPTY),
        (2, 2, 0, Status.INDEXED),
        (2, 1, 1, Status.PARTIAL),
        (2, 0, 2, Status.FAILED),
    ],
)
def test_the_outcome_is_what_the_counts_say(
    chunks: int, indexed: int, failed: int, outcome: Status
) -> None:
    progress = Progress(0, 0, 1, 1, chunks, 0, indexed, failed)
    assert progress.complete
    assert progress.outcome() is outcome
    assert outcome in TERMINAL


def test_only_the_live_generation_of_a_document_that_is_there_is_shown() -> None:
    live = replace(DOCUMENT, live_generation=1)
    assert live.shows(1)
    assert not live.shows(2)
    assert not DOCUMENT.shows(0)
    assert not replace(live, status=Status.DELETED).shows(1)


@pytest.mark.parametrize("status", Status)
def test_work_is_wanted_on_the_current_generation_once_it_has_begun(status: Status) -> None:
    document = replace(DOCUMENT, status=status)
    idle = {Status.DELETED, Status.AWAITING_UPLOAD}
    assert document.wants(2) == (status not in idle)
    assert not document.wants(1)


states = st.sampled_from(ChunkState)


@given(st.dictionaries(st.integers(0, 9), states), st.lists(st.integers(0, 9)), states)
def test_counts_move_by_exactly_what_the_chunks_do(
    present: dict[int, ChunkState], ordinals: list[int], state: ChunkState
) -> None:
    moving = advancing(present, ordinals, state)
    after = present | dict.fromkeys(moving, state)
    change = deltas(present, moving, state)
    assert all(present[n] <= after[n] for n in present)
    assert all(after[n] >= state for n in ordinals)
    for one in ChunkState:
        before = list(present.values()).count(one)
        assert list(after.values()).count(one) == before + change.get(one, 0)
    assert not advancing(after, ordinals, state)


@pytest.mark.parametrize("name", ["", "A", "-a", "a/b", "a#b", "a" * 64, "é", "a\n"])
def test_a_name_that_could_escape_its_place_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="tenant"):
        check_name(name, "tenant")


@pytest.mark.parametrize("value", ["", "-a", "a/b", "a#b", "..", "a" * 129, "a b", "a\n"])
def test_an_id_that_could_escape_its_place_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="document_id"):
        check_document_id(value)
