"""Every scenario with every fault at every call: which runs there are, and what came of one."""

from __future__ import annotations

import random
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ragline.ports import Indexes
from tests.faults import oracle
from tests.faults.cloud import Disorder
from tests.faults.injection import LASTING, Call, Faults, Mode, Storm, applies
from tests.faults.scenarios import SCENARIOS
from tests.faults.world import World, world

STORM = "storm"


@dataclass(frozen=True, slots=True)
class Run:
    """One reproducible run; ``at`` is the call of a mode's fault, or a storm's seed."""

    scenario: str
    mode: str
    at: int

    def __str__(self) -> str:
        return f"{self.scenario}/{self.mode}/{self.at}"

    @classmethod
    def read(cls, text: str) -> Run:
        scenario, mode, at = text.split("/")
        return cls(scenario, mode, int(at))


@cache
def calls(scenario: str, at_once: int = 1) -> tuple[Call, ...]:
    """The calls that the workers make when nothing goes wrong."""
    faults = Faults()
    with world(faults, at_once=at_once) as one:
        SCENARIOS[scenario](one)
        one.rest()
        wrong = list(oracle.mended(one))
    assert not wrong, f"{scenario} without a fault: {wrong}"
    return tuple(faults.calls)


def runs(scenario: str) -> Iterator[Run]:
    """One for each fault that can happen in the scenario."""
    for at, call in enumerate(calls(scenario), start=1):
        yield from (Run(scenario, mode.value, at) for mode in Mode if applies(mode, call))


def storms(scenario: str, seeds: range) -> Iterator[Run]:
    """Deliveries in any order and twice, and a fault at every so many calls."""
    return (Run(scenario, STORM, seed) for seed in seeds)


def outcome(run: Run, indexes: Indexes | None = None, at_once: int = 1) -> list[str]:
    """What was wrong in the run; nothing, if all is well. With ``at_once`` above 1 calls overlap,
    and no two runs are quite alike."""
    chance = random.Random(str(run))
    storm = run.mode == STORM
    faults = Storm(chance) if storm else Faults(Mode(run.mode), run.at)
    disorder = Disorder(chance) if storm else None
    try:
        with world(faults, disorder, indexes, at_once) as one:
            one.probe = lambda: list(oracle.at_any_time(one))
            SCENARIOS[run.scenario](one)
            one.rest()
            if not storm and len(faults.calls) < run.at:
                return [f"there was no call {run.at}"]
            faults.over()
            return _verdict(one, run)
    except Exception:
        return [traceback.format_exc(limit=-6)]


def _verdict(one: World, run: Run) -> list[str]:
    if run.mode not in {STORM, *LASTING}:
        return [*one.wrong, *oracle.mended(one)]
    # So much may have gone wrong that a document failed; then it says so, and a retry mends it.
    wrong = [*one.wrong, *oracle.at_rest(one)]
    one.retry_troubled()
    return [*wrong, *oracle.mended(one)]
