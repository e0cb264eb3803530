"""Rows that an index refuses for good hold up no other."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.adapters.memory.index import MemoryIndex
from ragline.domain.chunks import Chunk, Row
from ragline.domain.documents import Partition
from ragline.domain.errors import LimitExceeded, ServiceUnavailable
from ragline.usecases.fitting import upsert_what_fits

ACME = Partition("acme", "handbook")


class Choosy(MemoryIndex):
    """Refuses a call that has one of these ordinals."""

    def __init__(self, refused: Collection[int]) -> None:
        super().__init__()
        self._refused, self.calls = refused, 0

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        self.calls += 1
        for row in rows:
            if row.chunk.ordinal in self._refused:
                raise LimitExceeded(f"{row.chunk.ordinal} is too large")
        super().upsert(partition, rows)


def rows(number: int) -> list[Row]:
    vector = np.ones(2, dtype=np.float32)
    return [Row("doc", 1, Chunk(n, "x", 1, 0, 1), "f", vector) for n in range(number)]


@given(st.sets(st.integers(0, 39)), st.integers(1, 40))
def test_exactly_those_are_returned_and_all_others_written(refused: set[int], number: int) -> None:
    index = Choosy(refused)
    returned = upsert_what_fits(index, ACME, rows(number))
    expected = {n for n in refused if n < number}
    assert [row.chunk.ordinal for row, _ in returned] == sorted(expected)
    assert all(str(error).startswith(f"{row.chunk.ordinal} ") for row, error in returned)
    written = {ordinal for _, _, ordinal in index.entries(ACME)}
    assert written == set(range(number)) - expected


def test_one_among_many_costs_few_calls_and_none_costs_one() -> None:
    one, none = Choosy({500}), Choosy(())
    upsert_what_fits(one, ACME, rows(1_000))
    upsert_what_fits(none, ACME, rows(1_000))
    assert (one.calls <= 21, none.calls) == (True, 1)


def test_what_can_be_tried_again_is_not_taken_for_a_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(partition: Partition, some: Sequence[Row]) -> None:
        raise ServiceUnavailable("not now")

    index = MemoryIndex()
    monkeypatch.setattr(index, "upsert", fails)
    with pytest.raises(ServiceUnavailable):
        upsert_what_fits(index, ACME, rows(2))
