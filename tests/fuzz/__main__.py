"""``python -m tests.fuzz --mutants 2000 --seed 1``: damaged files through the parsers; a table.

Exits with 1 if an error of no name, or a hang, came out of the parsers. A crash stays within their
own process: it is counted, and its file kept in build/fuzz to be looked at.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.run import CRASHED, ESCAPED, HUNG, SLOW, Tally, fuzz

KEPT = Path(__file__).parents[2] / "build" / "fuzz"
EVERY = 250


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("--mutants", type=int, default=2_000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", default="", help="one format, as its extension names it")
    options = asked.parse_args()
    begun = time.monotonic()

    def told(done: int) -> None:
        if done % EVERY == 0:
            print(f"{done} of {options.mutants}", file=sys.stderr, flush=True)  # noqa: T201

    tally = fuzz(options.mutants, options.seed, only=options.only, keep=KEPT, told=told)
    print(report(tally, options.mutants, options.seed, time.monotonic() - begun))  # noqa: T201
    sys.exit(bool(tally.bad))


def report(tally: Tally, mutants: int, seed: int, seconds: float) -> str:
    """A Markdown table, format by outcome, and what is to be looked at."""
    outcomes = [name for name, _ in Counter(o for _, o in tally.outcomes.elements()).most_common()]
    formats = sorted({format for format, _ in tally.outcomes})
    rows = [["format", "mutants", *outcomes]]
    for name in formats:
        counts = [tally.outcomes[name, outcome] for outcome in outcomes]
        rows.append([name, str(sum(counts)), *(str(count or "") for count in counts)])
    totals = [sum(tally.outcomes[name, outcome] for name in formats) for outcome in outcomes]
    rows.append(["all", str(sum(totals)), *map(str, totals)])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    kinds = Counter(finding.kind for finding in tally.findings)
    lines += [
        "",
        f"{mutants:,} mutants of seed {seed} in {seconds:.0f} s, the slowest "
        f"{tally.slowest:.1f} s; escaped {kinds[ESCAPED]}, hung {kinds[HUNG]}, "
        f"slow {kinds[SLOW]}; deaths of the child, all of them contained: {kinds[CRASHED]}.",
    ]
    if tally.generic:
        caught = ", ".join(f"{name} {count}" for name, count in tally.generic.most_common())
        lines.append(f"Errors of libraries that were told as corrupt: {caught}.")
    lines += [f"- {one.kind}: {one.mutant}: {one.detail} ({one.path})" for one in tally.findings]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
