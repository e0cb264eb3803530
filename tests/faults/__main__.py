"""The whole sweep, or the runs that are named: ``python -m tests.faults [scenario/mode/at …]``."""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.table import Table

import tests.conftest  # noqa: F401 - what every test may count on
from tests.faults.scenarios import SCENARIOS
from tests.faults.sweep import STORM, Run, outcome, runs, storms

console = Console(width=None if sys.stdout.isatty() else 160)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("runs", nargs="*", help="scenario/mode/at; all, if none is named")
    parser.add_argument("--scenario", action="append", choices=sorted(SCENARIOS))
    parser.add_argument("--mode", action="append", help="only these modes")
    parser.add_argument("--storms", type=int, default=50, help="seeds of storms per scenario")
    parser.add_argument("--share", type=float, default=1.0, help="of all runs, seeded; 1: all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    start = time.monotonic()
    with ProcessPoolExecutor(given.jobs, initializer=_quiet) as pool:
        if given.runs:
            chosen = [Run.read(one) for one in given.runs]
        else:
            names = given.scenario or list(SCENARIOS)
            chosen = [one for some in pool.map(_all_runs, names) for one in some]
            chosen += [one for name in names for one in storms(name, range(given.storms))]
        chosen = [one for one in chosen if not given.mode or one.mode in given.mode]
        chosen = random.Random(0).sample(chosen, round(len(chosen) * given.share))
        chosen.sort(key=lambda run: (run.scenario, run.at))
        results = zip(chosen, pool.map(outcome, chosen, chunksize=8), strict=True)
        wrong = _tell(results)
    console.print(
        f"{len(chosen)} runs in {time.monotonic() - start:.0f} s, {wrong} with violations"
    )
    return 1 if wrong else 0


def _all_runs(scenario: str) -> list[Run]:
    return list(runs(scenario))


def _quiet() -> None:
    """The functions' logs would bury what is found."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the worker's whole life


def _tell(results: Iterable[tuple[Run, Sequence[str]]]) -> int:
    """Print each violation as it is found, then the table; how many runs had any."""
    done: Counter[tuple[str, str]] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for run, found in results:
        done[run.scenario, run.mode] += 1
        if found:
            wrong[run.scenario, run.mode] += 1
            console.print(
                "\n    ".join([f"✗ {run}", *found]), markup=False, highlight=False, soft_wrap=True
            )
    modes = sorted({mode for _, mode in done}, key=lambda mode: (mode == STORM, mode))
    table = Table("runs (violations)", *modes)
    for name in dict.fromkeys(name for name, _ in done):
        cells = [f"{done[name, mode]} ({wrong[name, mode]})" for mode in modes]
        table.add_row(name, *cells)
    console.print(table)
    return wrong.total()


if __name__ == "__main__":
    sys.exit(main())
