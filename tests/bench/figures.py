"""What a benchmark yields: figures for the table, and notes for what a figure cannot say."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ragline.embedding.prepare import ensure

FASTER = "how much faster Ragline is"
"""What the ratio of a peer's figure says."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    ``ratio`` is the value's to another figure of the same run, which ``of`` names, turned so that
    more is better for Ragline. ``goal`` is the least ratio that is wanted.
    """

    what: str
    value: float
    unit: str
    ratio: float | None = None
    of: str = ""
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence below the table: how something was measured, or why it was not."""

    text: str


Line = Figure | Note


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. Sizes are in chunks unless they say otherwise.

    ``docs`` is a folder to take instead of ``documents`` made ones; ``scratch`` is emptied at the
    end. ``asked`` is the number of queries per measurement, ``runs`` that of processes started.
    """

    scratch: Path
    documents: int = 60
    docs: Path | None = None
    sizes: Sequence[int] = (10_000, 100_000, 1_000_000)
    growth: int = 100_000
    peer_sizes: Sequence[int] = (10_000, 100_000)
    peer_documents: int = 60
    texts: int = 200
    real: int = 1_000
    asked: int = 200
    runs: int = 5
    huge_pages: int = 5_000
    huge_megabytes: int = 1_024

    @property
    def model(self) -> Path:
        """The folder of the deployed model, prepared if need be."""
        return ensure("int8")


Section = Callable[[Plan], Iterator[Line]]


class Skipped(Exception):
    """A section cannot be measured here; the message says why, and what would help."""


@dataclass(slots=True)
class Outcome:
    """What became of one section. ``failed`` is its error, '' if there was none."""

    section: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: str = ""
    seconds: float = 0.0


def measure(
    section: Section, plan: Plan, outcome: Outcome, measured: Callable[[Line], None]
) -> None:
    """Fill the section's outcome; ``measured`` is told of each line as it comes.

    An error ends the section, and keeps what it had measured by then.
    """
    start = time.perf_counter()
    try:
        for line in section(plan):
            if isinstance(line, Note):
                outcome.notes.append(line.text)
            else:
                outcome.figures.append(line)
            outcome.seconds = time.perf_counter() - start
            measured(line)
    except Skipped as error:
        outcome.notes.append(f"skipped: {error}")
    except Exception as error:  # whatever it is, the other sections go on
        outcome.failed = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    outcome.seconds = time.perf_counter() - start


def milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1_000


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1_000) // 1_000) - 1)]


def spread(what: str, values: Sequence[float], tail: float = 0.99) -> Iterator[Figure]:
    """Median and tail of durations in milliseconds."""
    yield Figure(f"{what}, p50", statistics.median(values), "ms")
    yield Figure(f"{what}, p{round(tail * 100)}", percentile(values, tail), "ms")
