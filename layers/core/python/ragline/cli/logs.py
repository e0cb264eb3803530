"""`ragline logs`: what the functions wrote, one line each, of one function or of all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from ragline.cli import aws, options
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line
from ragline.cli.since import moment
from ragline.cli.target import Choice, account
from ragline.domain.errors import NotFound

_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
# What every line has and nobody reads; --json shows all of it.
_UNSHOWN = {"level", "location", "message", "timestamp", "service", "cold_start", "sampling_rate"}
_UNSHOWN |= {"function_name", "function_arn", "function_memory_size", "function_request_id"}
_UNSHOWN |= {"xray_trace_id"}
_REPORT = re.compile(r"REPORT RequestId: .*?\bDuration: ([\d.]+ ms).*\bMemory Used: (\d+ MB)")
_FOLLOW_PAUSE = 1.5


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that a function wrote. ``time`` is in milliseconds since 1970."""

    time: int
    function: str
    message: str
    event_id: str


def logs(
    ctx: typer.Context,
    function: Annotated[
        str | None, typer.Argument(help="splitter, embedder, …; all of them if left out.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until interrupted.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            help="How far back: 30s, 10m, 2h, 1d, or a time in ISO 8601.",
            show_default="10m, or 1d with --trace",
        ),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(help="Only what has this trace_id, as `ragline status` and errors tell it."),
    ] = None,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Show what the functions logged; --json leaves nothing out."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    since = since or ("1d" if trace else "10m")
    start = int(moment(since, datetime.now(UTC)).timestamp() * 1000)
    where = account(Choice(stack, profile, endpoint, region), outside)
    known = short_names(
        aws.function_names(where.client("cloudformation"), where.stack), where.stack
    )
    groups = {f"/aws/lambda/{name}": known[name] for name in _chosen(known, function, where.stack)}
    entries = read(
        where.client("logs"),
        groups,
        start,
        sleep=outside.sleep if follow else None,
        pattern=f'"{_term(trace)}"' if trace else "",
    )
    for entry in entries:
        if trace and trace not in entry.message:
            continue
        screen.give_line(_answer(entry))
        if not _noise(entry.message):
            screen.show_line(_line(entry))


def read(
    client: Any,
    groups: Mapping[str, str],
    start: int,
    *,
    sleep: Callable[[float], None] | None,
    pattern: str = "",
) -> Iterator[Entry]:
    """The entries since ``start``, in order of time; goes on for ever if it may ``sleep``.

    ``groups`` maps log groups to what to call them. ``pattern`` has CloudWatch leave out others;
    a local cloud may give more.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    seen: set[str] = set()
    latest = start
    while True:
        # A little overlap: entries of several streams do not arrive in the order of their times.
        begin = max(start, latest - 10_000)
        fresh = [
            entry
            for group, name in groups.items()
            for entry in _group(client, group, name, begin, pattern)
            if entry.event_id not in seen
        ]
        fresh.sort(key=lambda entry: entry.time)
        yield from fresh
        if sleep is None:
            return
        seen.update(entry.event_id for entry in fresh)
        latest = max([latest, *(entry.time for entry in fresh)])
        sleep(_FOLLOW_PAUSE)


def _group(client: Any, group: str, name: str, start: int, pattern: str) -> Iterator[Entry]:
    token: dict[str, str] = {"filterPattern": pattern} if pattern else {}
    while True:
        with aws.translated(f"reading the log group {group}"):
            try:
                page = client.filter_log_events(logGroupName=group, startTime=start, **token)
            except client.exceptions.ResourceNotFoundException:
                return  # the function has not run yet
        for event in page["events"]:
            message = event["message"].rstrip()
            identity = event.get("eventId") or f"{group}/{event['timestamp']}/{message}"
            yield Entry(event["timestamp"], name, message, identity)
        if not page.get("nextToken"):
            return
        token["nextToken"] = page["nextToken"]


def _chosen(known: Mapping[str, str], function: str | None, stack: str) -> list[str]:
    if function is None:
        return list(known)
    wanted = _letters(function)
    found = [name for name in known if wanted in {_letters(name), _letters(known[name])}]
    if not found:
        names = ", ".join(sorted(known.values())) or "none"
        raise NotFound(f"stack {stack} has no function {function}; it has: {names}.")
    return found


def short_names(functions: Mapping[str, str], stack: str) -> dict[str, str]:
    """Function name → what to call it. ``functions`` maps logical names to them.

    A leaf's function is called by its own name where the local cloud gave it another logical one.
    """
    return {
        name: name.removeprefix(f"{stack}-").replace("-", "_")
        if name.startswith(f"{stack}-")
        else _short(logical)
        for logical, name in functions.items()
    }


def _term(text: str) -> str:
    """As part of a filter pattern in quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _short(logical: str) -> str:
    """``DeadLettersFunction`` → ``dead_letters``: as the functions' folders are called."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", logical.removesuffix("Function")).lower()


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def fields_of(message: str) -> dict[str, Any] | None:
    """The fields of a line that is a JSON object; None for any other line."""
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _noise(message: str) -> bool:
    """What Lambda writes around every call, and what only a metrics reader reads (EMF)."""
    if message.startswith(("START RequestId:", "END RequestId:", "INIT_START ")):
        return True
    return "_aws" in (fields_of(message) or ())


def _answer(entry: Entry) -> dict[str, Any]:
    time = datetime.fromtimestamp(entry.time / 1000, UTC).isoformat(timespec="milliseconds")
    fields = fields_of(entry.message)
    return {
        "time": time,
        "function": entry.function,
        "message": entry.message if fields is None else fields,
    }


def _line(entry: Entry) -> Text:
    clock = datetime.fromtimestamp(entry.time / 1000).astimezone().strftime("%H:%M:%S.%f")[:-3]
    shown = Text(f"{clock} ", style="dim").append(f"{entry.function:<12} ", style="cyan")
    fields = fields_of(entry.message)
    if fields is None:
        report = _REPORT.match(line(entry.message))
        text = f"took {report[1]}" if report else line(entry.message)
        if report and report[2] != "0 MB":  # a local cloud does not measure it
            text += f", memory {report[2]}"
        return shown.append(text, style="dim")
    level = str(fields.get("level", "")).upper()
    message = fields.get("message", "")
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    shown.append(f"{level:<7} ", style=_STYLES.get(level, "dim")).append(line(text))
    for name, value in fields.items():
        if name not in _UNSHOWN and value not in (None, "", {}, []):
            written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            shown.append(f" {line(name)}=", style="dim").append(line(written))
    return shown
