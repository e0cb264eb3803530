"""`make chaos`: workers killed, calls refused, messages repeated; nothing lost, twice, or back.

    python -m tests.chaos [--documents N] [--seed N]

The same load runs twice, each time on a local cloud of its own: without faults, for the time that
it takes then, and with them. All four counts of the table must be 0.
"""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from tests.chaos.run import Outcome, Size, run

console = Console(width=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=500, help="of some twenty chunks each")
    parser.add_argument("--sections", type=int, default=20, help="chunks of each, more or less")
    parser.add_argument("--seed", type=int, default=1, help="decides texts, fates and faults")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two faults")
    parser.add_argument("--only-faults", action="store_true", help="leave out the run without")
    options = parser.parse_args()
    size = Size(options.documents, options.sections, options.every)
    runs = (True,) if options.only_faults else (False, True)
    outcomes = [run(size, options.seed, faults=faults, say=console.print) for faults in runs]
    console.print(table(outcomes))
    for reason, times in outcomes[-1].rest.ends.items():
        console.print(f"retried after {reason}: {times}", markup=False)
    wrong = [each for outcome in outcomes for each in outcome.wrong()]
    for each in wrong[:40]:
        console.print(each, markup=False)
    if wrong:
        raise SystemExit(f"{len(wrong)} things are wrong (seed {options.seed})")


def table(outcomes: list[Outcome]) -> Table:
    made = Table(title="Chaos", title_justify="left")
    made.add_column("")
    for outcome in outcomes:
        made.add_column("with faults" if outcome.faults else "without faults", justify="right")
    rows = {
        "documents": [f"{each.size.documents:,}" for each in outcomes],
        "chunks": [f"{each.chunks:,}" for each in outcomes],
        "workers killed": [f"{each.kills:,}" for each in outcomes],
        "faults in all": [f"{each.faults:,}" for each in outcomes],
        "redeliveries": [f"{each.redeliveries:,}" for each in outcomes],
        "documents retried": [f"{each.rest.retries:,}" for each in outcomes],
        "lost": [f"{len(each.verdict.lost):,}" for each in outcomes],
        "duplicated": [f"{len(each.verdict.duplicated):,}" for each in outcomes],
        "resurrected": [f"{len(each.verdict.resurrected):,}" for each in outcomes],
        "miscounted": [f"{len(each.verdict.miscounted):,}" for each in outcomes],
        "doctor's findings": [f"{len(each.verdict.doctor):,}" for each in outcomes],
        "seconds": [f"{each.seconds:.0f}" for each in outcomes],
    }
    if len(outcomes) > 1:
        rows["of the time without"] = [
            f"{one.seconds / outcomes[0].seconds:.1f}" for one in outcomes
        ]
    for name, cells in rows.items():
        made.add_row(name, *cells)
    return made


if __name__ == "__main__":
    main()
