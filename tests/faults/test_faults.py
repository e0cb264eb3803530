"""No crash, throttle, partial failure, duplicate or disorder makes the ledger lie: a sample.

``python -m tests.faults`` goes through all of it, and repeats the run that an assertion names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ragline import wiring
from ragline.adapters.lance.index import LanceIndexes
from ragline.domain.chunks import Filter, Row
from ragline.usecases import embed, turns
from tests.faults import oracle
from tests.faults.injection import Call, Mode, applies
from tests.faults.scenarios import SCENARIOS
from tests.faults.sweep import Run, calls, outcome, runs, storms
from tests.faults.world import SHELF, world

PER_SCENARIO = 1


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_goes_wrong_once_all_comes_right(scenario: str) -> None:
    possible = list(runs(scenario))
    for run in random.Random(scenario).sample(possible, PER_SCENARIO):
        assert outcome(run) == [], f"python -m tests.faults {run}"


@pytest.mark.parametrize("scenario", list(SCENARIOS)[::2])
def test_whatever_goes_wrong_in_a_storm_is_told_and_can_be_mended(scenario: str) -> None:
    for run in storms(scenario, range(1)):
        assert outcome(run) == [], f"python -m tests.faults {run}"


@pytest.mark.parametrize("mode", ["kill_before", "kill_after", "lost_answer", "throttle"])
def test_documents_that_are_embedded_side_by_side_come_right_as_well(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []

    def each(work: Any, pieces: Any, *, at_once: int) -> Any:
        together.append(min(len(pieces), at_once))
        return turns.each(work, pieces, at_once=at_once)

    monkeypatch.setattr(embed, "each", each)
    writes = [
        at
        for at, call in enumerate(calls("upload_several", at_once=2), start=1)
        if applies(Mode(mode), call) and call.operation in {"PutObject", "TransactWriteItems"}
    ]
    run = Run("upload_several", mode, random.Random(mode).choice(writes[len(writes) // 2 :]))
    together.clear()
    assert outcome(run, at_once=2) == []
    assert max(together) == 2
    for storm in storms("upload_several", range(1)):
        assert outcome(storm, at_once=2) == []


@pytest.mark.parametrize("mode", ["kill_after", "lost_answer"])
@pytest.mark.parametrize("scenario", ["replace", "delete"])
def test_a_real_index_holds_no_row_too_many_or_too_few(
    scenario: str, mode: str, tmp_path: Path
) -> None:
    (at,) = list(_writes_to_the_index(scenario))[-1:]
    run = Run(scenario, mode, at)
    assert outcome(run, indexes=LanceIndexes(str(tmp_path))) == [], f"python -m tests.faults {run}"


def test_the_oracle_sees_a_row_that_is_missing_and_one_that_is_left() -> None:
    with world() as one:
        SCENARIOS["upload"](one)
        one.rest()
        assert list(oracle.mended(one)) == []
        rows = one.cloud.index.dense(SHELF, wiring.embedder().embed(["amber"])[0], 1, Filter())
        [held] = one.cloud.index.passages(SHELF, rows).values()
        one.cloud.index.delete(SHELF, "doc")
        assert len(list(oracle.mended(one))) >= 3
        left = Row("gone", 1, held.chunk, "gone.md", wiring.embedder().embed(["amber"])[0])
        one.cloud.index.upsert(SHELF, [left])
        assert "rows of gone, which nobody uploaded" in list(oracle.mended(one))


def _writes_to_the_index(scenario: str) -> Iterator[int]:
    writes = {Call("index", "upsert"), Call("index", "delete")}
    return (at for at, call in enumerate(calls(scenario), start=1) if call in writes)
