"""The one table that ``make bench`` writes: to the terminal, as JSON, as Markdown."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure, Line, Note, Outcome

COLUMNS = ("section", "what", "figure", "unit", "ratio", "of what", "goal")
NUMBERS = {"figure", "ratio", "goal"}
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
"""What stands between these in a Markdown file is replaced by the next run's table."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when it was measured; ``load`` is the load average (1, 5, 15 min) at the start."""

    started: str
    cores: int
    cpu: str
    python: str
    load: tuple[float, float, float]
    command: str

    @classmethod
    def here(cls, started: str, command: str) -> Machine:
        return cls(
            started,
            os.cpu_count() or 1,
            _cpu(),
            platform.python_version(),
            os.getloadavg(),
            command,
        )

    def __str__(self) -> str:
        load = " / ".join(f"{one:.2f}" for one in self.load)
        return (
            f"{self.started}, {self.cores} cores of {self.cpu}, Python {self.python}, "
            f"load {load} at the start: `{self.command}`"
        )


def show(console: Console, machine: Machine, outcomes: Sequence[Outcome]) -> None:
    table = Table(title="Ragline, measured", title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in NUMBERS else "left")
    for outcome in outcomes:
        for cells in _rows(outcome):
            table.add_row(*cells)
        table.add_section()
    console.print(table)
    for remark in _remarks(machine, outcomes):
        console.print(remark, markup=False, highlight=False)


def write_json(path: Path, machine: Machine, outcomes: Sequence[Outcome]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": asdict(machine), "sections": [asdict(one) for one in outcomes]}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_markdown(path: Path, machine: Machine, outcomes: Sequence[Outcome]) -> None:
    """Into the marked place of the file if it has one, else as the whole file."""
    table = markdown(machine, outcomes)
    before, begin, rest = (path.read_text("utf-8") if path.exists() else "").partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        table = f"{before}{BEGIN}\n{table}{END}{after}"
    path.write_text(table, encoding="utf-8")


def markdown(machine: Machine, outcomes: Sequence[Outcome]) -> str:
    lines = [_line(COLUMNS), _line(["---:" if one in NUMBERS else "---" for one in COLUMNS])]
    lines += [_line(cells) for outcome in outcomes for cells in _rows(outcome)]
    remarks = [f"- {remark}" for remark in _remarks(machine, outcomes)]
    return "\n".join([*lines, "", *remarks]) + "\n"


def brief(line: Line) -> str:
    """One line of text, for whoever watches."""
    if isinstance(line, Note):
        return line.text
    what, value, unit, ratio, of, goal = _cells(line)
    compared = f" (ratio {ratio}: {of}{', goal ' if goal else ''}{goal})" if ratio else ""
    return f"{what}: {value} {unit}".rstrip() + compared


def _rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    name = outcome.section
    for figure in outcome.figures:
        yield name, *_cells(figure)
        name = ""  # once is enough


def _cells(figure: Figure) -> tuple[str, ...]:
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    goal = ""
    if figure.goal is not None and figure.ratio is not None:
        goal = f"{figure.goal:g} {'reached' if figure.ratio >= figure.goal else 'missed'}"
    return figure.what, number(figure.value), figure.unit, ratio, figure.of, goal


def number(value: float) -> str:
    """Three digits that count, and no more decimals than make sense."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _remarks(machine: Machine, outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield str(machine)
    for outcome in outcomes:
        for note in outcome.notes:
            yield f"{outcome.section}: {note}"
        if outcome.failed:
            yield f"{outcome.section} FAILED: {outcome.failed}"
    took = ", ".join(f"{one.section} {one.seconds:.0f} s" for one in outcomes)
    yield f"wall time: {took}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cpu() -> str:
    """The processor's name, where the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
