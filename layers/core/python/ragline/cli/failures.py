"""What went wrong with one document, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from ragline.cli.answers import FailedChunks, Failure, Failures
from ragline.cli.screen import line

ON_SCREEN = 20


def shown(found: Failures) -> Iterator[RenderableType]:
    """The failures on record, newest version first, and the chunks that are failed now."""
    if found.failed_chunks:
        runs = ", ".join(map(_run, found.failed_chunks[:ON_SCREEN]))
        more = len(found.failed_chunks) > ON_SCREEN or found.failed_chunks_cut
        yield Text(f"failed chunks: {runs}{', …' if more else ''}", style="yellow")
    if found.failures:
        yield Text("\non record, what was mended since included:", style="dim")
        for each in found.failures[:ON_SCREEN]:
            yield from _told(each)
    if len(found.failures) > ON_SCREEN:
        left = len(found.failures) - ON_SCREEN
        yield Text(f"{left} more failures; --json shows all of them.", style="dim")


def _told(each: Failure) -> Iterator[RenderableType]:
    """Why and where, then the rest, below: side by side they do not fit a terminal."""
    first, last = _minute(each.first), _minute(each.last)
    times = first if first == last else f"{first} to {last}"
    attempts = f"{each.attempts} attempt{'' if each.attempts == 1 else 's'}"
    code = f"{each.reason.code} in {each.reason.stage}" if each.reason.stage else each.reason.code
    facts = f"{code}, version {each.generation}, {attempts}, {times} (UTC)"
    yield Text(line(each.reason.located))
    yield Padding(Text(line(facts), style="dim"), (0, 0, 0, 2))


def _run(run: FailedChunks) -> str:
    last = run.first + run.count - 1
    which = f"{run.first}–{last}" if run.count > 1 else str(run.first)
    return f"{which} ({line(run.code) or 'not told why'})"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
