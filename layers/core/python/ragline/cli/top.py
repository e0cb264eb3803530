"""`ragline top`: a stack at work, on one screen that renews itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ragline.cli import aws, options
from ragline.cli.logs import short_names
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line, status_text
from ragline.cli.since import moment
from ragline.cli.target import Account, Choice, account
from ragline.cli.watching import (
    ENDINGS,
    UNDER_WAY,
    FunctionWork,
    LogWatcher,
    MetricWatcher,
    Watcher,
    Work,
    minutes,
)
from ragline.metrics import CHUNKS, DEAD_LETTERS, ENDED, QUERIES

TROUBLES = 5
BORDERS = 6
"""Columns of a panel that stands beside another that are not its table's."""
UNBOUNDED = 10_000
_DEEP = 1_000


@dataclass(frozen=True, slots=True)
class Queue:
    """``wait``: how long its oldest message waits, or the last ones did, in seconds."""

    name: str
    waiting: int
    in_hand: int
    held_back: int
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """All that is shown. ``under_way``: status → documents."""

    stack: str
    time: str
    minutes: float
    queues: Sequence[Queue]
    under_way: Mapping[str, int]
    work: Work


def top(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="One frame, and no more.")] = False,
    every: Annotated[float, typer.Option(help="Seconds from frame to frame.", min=0.5)] = 2.0,
    since: Annotated[
        str, typer.Option(help="What is counted: 5m, 1h, 1d back, or since a time in ISO 8601.")
    ] = "15m",
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Watch queues, functions, documents and failures; --json gives one frame."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    moment(since, datetime.now(UTC))  # a wrong one is told of at once
    where = account(Choice(stack, profile, endpoint, region), outside)
    view = _View(where, since)
    if once or as_json:
        frame = view.frame()
        screen.give(_answer(frame))
        screen.show(rendered(frame))
        return
    with Live(rendered(view.frame()), console=screen.out, screen=True) as live:
        while True:
            outside.sleep(every)
            live.update(rendered(view.frame()), refresh=True)


class _View:
    """A stack that is looked at again and again; which queues and functions it has is kept."""

    def __init__(self, where: Account, since: str) -> None:
        self._stack, self._since = where.stack, since
        cloudformation = where.client("cloudformation")
        self._table = aws.stack_outputs(cloudformation, where.stack).get("LedgerTableName", "")
        self._queues = aws.resources(cloudformation, where.stack, "AWS::SQS::Queue")
        functions = short_names(aws.function_names(cloudformation, where.stack), where.stack)
        self._sqs, self._dynamodb = where.client("sqs"), where.client("dynamodb")
        self._watcher = _watcher(where, functions, self._queues)

    def frame(self) -> Frame:
        now = datetime.now(UTC)
        since = moment(self._since, now)
        work = self._watcher.work(since, now)
        queues = [self._queue(name, url, work.waits.get(name)) for name, url in self._ordered()]
        under_way = aws.under_way(self._dynamodb, self._table, UNDER_WAY) if self._table else {}
        time = now.astimezone().isoformat(timespec="seconds")
        return Frame(self._stack, time, minutes(since, now), queues, under_way, work)

    def _ordered(self) -> list[tuple[str, str]]:
        """Dead-letter queues behind the others."""
        return sorted(self._queues.items(), key=lambda one: ("Dead" in one[0], one[0]))

    def _queue(self, name: str, url: str, wait: float | None) -> Queue:
        waiting, in_hand, held_back = aws.queue_counts(self._sqs, url)
        return Queue(name, waiting, in_hand, held_back, wait)


def _watcher(where: Account, functions: Mapping[str, str], queues: Mapping[str, str]) -> Watcher:
    logs = where.client("logs")
    if where.endpoint_url:
        groups = {f"/aws/lambda/{function}": name for function, name in functions.items()}
        return LogWatcher(logs, groups)
    return MetricWatcher(where.client("cloudwatch"), logs, where.stack, functions, queues)


def rendered(frame: Frame) -> RenderableType:
    head = Text.assemble(
        ("ragline top  ", "bold"), (line(frame.stack), "cyan"), f"  {frame.time}  ",
        (f"the last {frame.minutes:.0f} min", "dim"),
    )  # fmt: skip
    tables = _queues(frame.queues), _functions(frame.work.functions)
    queues = Panel(tables[0], title="queues", border_style="dim")
    functions = Panel(tables[1], title="functions", border_style="dim")
    documents = Panel(_documents(frame), title="documents and queries", border_style="dim")
    troubles = Panel(_troubles(frame), title="what failed last", border_style="dim")
    side = Table.grid(padding=(0, 2), expand=True)
    side.add_column(ratio=1)
    side.add_column(ratio=1)
    side.add_row(queues, functions)
    wide = Group(head, side, documents, troubles)
    # A narrow screen may be short too, and what goes wrong matters more than what runs.
    narrow = Group(head, queues, documents, troubles, functions)
    return _Fitting(wide, narrow, tables, lambda width: width // 2 - BORDERS)


@dataclass(frozen=True, slots=True)
class _Fitting:
    """``wide`` where each of ``tables`` fits into its room, or else ``narrow``.

    ``room``: of so wide a screen, how much a table gets.
    """

    wide: RenderableType
    narrow: RenderableType
    tables: Sequence[Table]
    room: Callable[[int], int] = lambda width: width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        anything = options.update(width=UNBOUNDED)
        needed = max(Measurement.get(console, anything, one).maximum for one in self.tables)
        yield self.wide if needed <= self.room(options.max_width) else self.narrow


def _table(*columns: str) -> Table:
    """The first column is words, the others are numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for at, name in enumerate(columns):
        table.add_column(name, justify="right" if at else "left", no_wrap=True)
    return table


def _queues(queues: Sequence[Queue]) -> Table:
    table = _table("queue", "waiting", "in hand", "held", "wait")
    for one in queues:
        bad = "red" if "Dead" in one.name and one.waiting + one.in_hand else ""
        style = bad or ("yellow" if one.waiting > _DEEP else "" if one.waiting else "dim")
        numbers = (f"{one.waiting:,}", f"{one.in_hand:,}", f"{one.held_back:,}", _span(one.wait))
        table.add_row(line(one.name), *numbers, style=style)
    return table


def _functions(functions: Mapping[str, FunctionWork]) -> Table:
    table = _table("function", "runs", "errors", "p50 ms", "p95 ms")
    for name, one in sorted(functions.items()):
        style = "red" if one.errors else "" if one.invocations else "dim"
        times = (_number(one.median), _number(one.p95))
        table.add_row(line(name), f"{one.invocations:,}", f"{one.errors:,}", *times, style=style)
    return table


def _documents(frame: Frame) -> RenderableType:
    counts, per = frame.work.counts, frame.minutes
    shown = Text("under way  ", style="dim")
    for status in UNDER_WAY:
        shown.append_text(status_text(status.value)).append(
            f" {frame.under_way.get(status, 0):,}   "
        )
    shown.append("\nended      ", style="dim")
    for status in ENDINGS:
        ended = counts.get(ENDED[status].name, 0)
        shown.append_text(status_text(status.value)).append(f" {ended:,.0f}   ")
    shown.append("\nchunks     ", style="dim")
    for state, metric in CHUNKS.items():
        shown.append(f"{state.name.lower()} {counts.get(metric.name, 0) / per:,.0f}/min   ")
    shown.append("\nqueries    ", style="dim")
    shown.append(f"{counts.get(QUERIES.name, 0):,.0f}, p95 {_number(frame.work.query_p95)} ms   ")
    if letters := counts.get(DEAD_LETTERS.name, 0):
        shown.append(f"dead letters {letters:,.0f}", style="red")
    return shown


def _troubles(frame: Frame) -> RenderableType:
    if not frame.work.troubles:
        return Text("nothing", style="dim")
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name in ("time", "document", "status", "code", "trace (ragline logs --trace …)"):
        table.add_column(name, no_wrap=True)
    heads = "time, status, code\n  document, trace (ragline logs --trace …)"
    lines = [Text(heads, style="bold")]
    for one in frame.work.troubles[:TROUBLES]:
        document, status, code = line(one.document_id), status_text(one.status), line(one.code)
        trace = Text(line(one.trace_id), style="dim")
        table.add_row(one.time, Text(document), status, Text(code), trace)
        said = Text.assemble(one.time, "  ", status, f"  {code}\n  {document}  ", trace)
        said.overflow = "fold"
        lines.append(said)
    return _Fitting(table, Group(*lines), (table,))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _answer(frame: Frame) -> dict[str, Any]:
    return {**asdict(frame), "minutes": round(frame.minutes, 2)}
