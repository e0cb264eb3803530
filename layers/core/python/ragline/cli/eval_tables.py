"""What `ragline eval` shows: how far it is, one table of figures, one of differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ragline.cli.screen import Screen, line
from ragline.evaluation.measures import MEASURES
from ragline.evaluation.reports import BEST_BY

if TYPE_CHECKING:
    from ragline.evaluation.reports import Report


@contextmanager
def progress(screen: Screen, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else a line at the beginning; yields what moves it on."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen.err,
        disable=not screen.err.is_terminal,
        transient=True,
    )
    if bar.disable:
        screen.say(f"{what} ({total:,})")
    with bar:
        task = bar.add_task(line(what), total=total)
        yield lambda number: bar.advance(task, number)


def show(screen: Screen, reports: Sequence[Report]) -> None:
    """All collections in one table, then how each was made, then the differences."""
    screen.show(_figures(reports), Text())
    for report in reports:
        screen.show(Text(line(_made(report)), style="dim"))
        for note in report.notes:
            screen.show(Text(line(f"{report.dataset}: {note}"), style="yellow"))
    if any(report.differences for report in reports):
        screen.show(Text(), _differences(reports))


def _figures(reports: Sequence[Report]) -> Table:
    # Narrow enough for a terminal of 80 columns.
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("collection", overflow="fold", min_width=10)
    table.add_column("mode", no_wrap=True)
    names = [name.replace("Recall", "R") for name in MEASURES]
    for name in (*names, "docs", "p50", "p95 ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for report in reports:
        best = max(round(one.measures[BEST_BY], 3) for one in report.figures)
        for number, one in enumerate(report.figures):
            table.add_row(
                Text(line(report.dataset) if number == 0 else ""),
                Text(one.variant),
                *(f"{one.measures[name]:.3f}" for name in MEASURES),
                f"{one.documents:.0f}",
                f"{one.p50_ms:.1f}",
                f"{one.p95_ms:.1f}",
                style="bold" if round(one.measures[BEST_BY], 3) == best else "",
            )
    return table


def _made(report: Report) -> str:
    making = report.making
    ended = ", ".join(f"{number:,} {status}" for status, number in sorted(making.ended.items()))
    kept = " by an earlier run" if making.kept else ""
    return (
        f"{report.dataset}: {report.queries:,} queries of {report.split}, {report.documents:,} "
        f"documents ({ended}), {making.chunks:,} chunks indexed {making.where} in "
        f"{making.seconds:.1f} s{kept}; {making.embedder}"
    )


def _differences(reports: Sequence[Report]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("collection", overflow="fold", min_width=10)
    table.add_column("difference", no_wrap=True)
    for name in (BEST_BY, "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for report in reports:
        shown = [one for one in report.differences if one.measure == BEST_BY]
        for number, one in enumerate(shown):
            interval = one.interval
            table.add_row(
                Text(line(report.dataset) if number == 0 else ""),
                Text(f"{one.variant} - {one.against}"),
                f"{interval.mean:+.3f}",
                f"{interval.low:+.3f} to {interval.high:+.3f}",
                _verdict(interval.mean) if interval.certain else Text("not sure", style="dim"),
            )
    return table


def _verdict(mean: float) -> Text:
    return Text("better", style="green") if mean > 0 else Text("worse", style="red")
