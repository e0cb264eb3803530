"""What went wrong with one document, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ragline.cli.answers import FailedChunks, Failures, Reason
from ragline.cli.screen import line

ON_SCREEN = 20


def shown(found: Failures) -> Iterator[RenderableType]:
    """The failures on record, newest version first, and the chunks that are failed now."""
    if found.failed_chunks:
        runs = ", ".join(map(_run, found.failed_chunks[:ON_SCREEN]))
        more = len(found.failed_chunks) > ON_SCREEN or found.failed_chunks_cut
        yield Text(f"failed chunks: {runs}{', …' if more else ''}", style="yellow")
    if found.failures:
        yield Text()
        yield _table(found)
    if len(found.failures) > ON_SCREEN:
        left = len(found.failures) - ON_SCREEN
        yield Text(f"{left} more failures; --json shows all of them.", style="dim")


def _table(found: Failures) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stage", "code", "version", "attempts", "first (UTC)", "last (UTC)"):
        table.add_column(name, no_wrap=True)
    table.add_column("where and why", overflow="fold")
    for each in found.failures[:ON_SCREEN]:
        table.add_row(
            Text(line(each.reason.stage)),
            Text(line(each.reason.code)),
            str(each.generation),
            str(each.attempts),
            _minute(each.first),
            _minute(each.last),
            Text(line(f"{_place(each.reason)}{each.reason.message}")),
        )
    return table


def _place(reason: Reason) -> str:
    places = (("page", reason.page), ("chunk", reason.chunk))
    named = ", ".join(f"{name} {value}" for name, value in places if value is not None)
    return f"{named}: " if named else ""


def _run(run: FailedChunks) -> str:
    last = run.first + run.count - 1
    which = f"{run.first}–{last}" if run.count > 1 else str(run.first)
    return f"{which} ({line(run.code) or 'not told why'})"


def _minute(time: str) -> Text:
    return Text(line(time[:16].replace("T", " ")))
