"""`make bench`: what the path costs, against the machine's own limit and against its peers.

    python -m tests.bench [SECTION …] [--quick] [--documents N | --docs FOLDER] [--sizes N …]

Figures of one run are compared with one another only, so that the ratios hold on a noisy machine.
What each section measures, and how: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.bench import output
from tests.bench.cold import cold
from tests.bench.encoding import embedding
from tests.bench.figures import Line, Outcome, Plan, Section, measure
from tests.bench.growth import growth
from tests.bench.huge import huge
from tests.bench.ingest import ingestion
from tests.bench.material import ROOT
from tests.bench.pipelines import peers
from tests.bench.queries import queries

SECTIONS: dict[str, Section] = {
    "embedding": embedding,
    "ingest": ingestion,
    "peers": peers,
    "queries": queries,
    "growth": growth,
    "cold": cold,
    "huge": huge,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if a section failed; what the others measured is written all the same."""
    options = _parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "tests.bench", *given])
    console = Console(width=None if sys.stdout.isatty() else 140)
    machine = output.Machine.here(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", command)
    outcomes: list[Outcome] = []

    def measured(line: Line) -> None:
        """Shown and written at once: a run that is cut short leaves what it has."""
        console.print("  " + output.brief(line), markup=False, highlight=False)
        output.write_json(options.json, machine, outcomes)

    with tempfile.TemporaryDirectory(prefix="ragline-bench-") as scratch:
        plan = planned(options, Path(scratch))
        for name in options.sections or SECTIONS:
            console.print(f"{datetime.now(UTC):%H:%M:%S} {name}", highlight=False)
            outcomes.append(Outcome(name))
            measure(SECTIONS[name], plan, outcomes[-1], measured)
    output.write_json(options.json, machine, outcomes)
    output.show(console, machine, outcomes)
    if options.markdown:
        output.write_markdown(options.markdown, machine, outcomes)
    return int(any(outcome.failed for outcome in outcomes))


def planned(options: argparse.Namespace, scratch: Path) -> Plan:
    """The sizes: quick or not, with those that were asked for instead."""
    plan = Plan(scratch)
    if options.quick:
        plan = quick(scratch)
    given = {
        name: value
        for name in ("documents", "docs", "sizes", "growth")
        if (value := getattr(options, name)) is not None
    }
    return replace(plan, **given)


def quick(scratch: Path) -> Plan:
    """Small enough to develop with; the figures mean little."""
    return Plan(
        scratch,
        documents=6,
        sizes=(2_000, 10_000),
        growth=8_000,
        peer_sizes=(10_000,),
        peer_documents=4,
        texts=40,
        real=100,
        asked=40,
        runs=2,
        huge_pages=300,
        huge_megabytes=200,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "sections", nargs="*", type=_section, metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to develop with")
    parser.add_argument("--documents", type=_positive, help="how many to make for the ingest")
    parser.add_argument("--docs", type=Path, help="push the files of this folder instead")
    parser.add_argument("--sizes", type=_positive, nargs="+", help="of the collections queried")
    parser.add_argument("--growth", type=_positive, help="how far the indexer's table grows")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench.json", metavar="FILE")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write the table there too, into its marked place if it has one",
    )
    return parser


def _section(name: str) -> str:
    if name not in SECTIONS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(SECTIONS)}")
    return name


def _positive(text: str) -> int:
    number = int(text.replace("_", "").replace(",", ""))
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
