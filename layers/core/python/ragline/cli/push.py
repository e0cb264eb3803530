"""`ragline push`: files in, a table of what became of each."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options, passwords
from ragline.cli.client import Client
from ragline.cli.cost import estimate
from ragline.cli.files import expand, pairs
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line, status_text
from ragline.cli.target import Choice, address
from ragline.cli.uploads import Sent, follow_all, send_all, with_inside
from ragline.domain.documents import Scalar, check_name

ON_SCREEN = 8
ID_WIDTH = 27  # of a document that came in another one; others have 26
DEFAULT_TIMEOUT = 900.0


def push(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="FILES|FOLDERS...")],
    collection: options.Collection = "default",
    metadata: Annotated[
        list[str] | None,
        typer.Option("--metadata", "-m", help="name=value, kept with every file; repeatable."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until every document has ended.")] = True,
    estimated: Annotated[
        bool, typer.Option("--estimate", help="Send nothing; tell what it would cost on AWS.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="Give up waiting after this many seconds.")
    ] = DEFAULT_TIMEOUT,
    multipart: Annotated[
        bool,
        typer.Option(help="Send every file in parts; those above 100 MB are anyway."),
    ] = False,
    password: passwords.Asked = False,
    password_file: passwords.InFile = None,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Send files (or folders of them) and, unless told not to, wait until they can be searched.

    Bytes that the collection already holds are not sent again; a file that is
    sent in parts goes on where it broke off, if it is pushed again. A value of
    --metadata that is a number or true or false is kept as that; quote it
    within (name='"7"') to keep it as text. A password goes with every file, and
    is forgotten once they are read.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    check_name(collection, "collection")
    kept = pairs(metadata or (), "--metadata")
    files = expand(paths)
    secret = passwords.given(password, password_file)
    if not files:
        raise typer.BadParameter("there are no files in what you named (hidden ones are left out).")
    if estimated:
        estimate(files, screen)
        return
    with Client(address(Choice(stack, profile, endpoint, region), outside), outside) as client:
        sent = push_files(
            files,
            client=client,
            outside=outside,
            screen=screen,
            collection=collection,
            metadata=kept,
            timeout=timeout if wait else None,
            in_parts=multipart,
            password=secret,
        )
    sent = with_inside(sent)
    failed = sum(each.failed for each in sent)
    screen.give({"documents": [each.answer() for each in sent], "failed": failed})
    directory, width = outside.directory(), screen.out.width
    screen.show(summary(sent, waited=wait, directory=directory, width=width))
    if failed:
        raise typer.Exit(exits.FAILED)


def push_files(
    files: Sequence[Path],
    *,
    client: Client,
    outside: Outside,
    screen: Screen,
    collection: str,
    metadata: Mapping[str, Scalar],
    timeout: float | None,
    in_parts: bool = False,
    password: str = "",
) -> list[Sent]:
    """Send the files with progress on the screen; follow them unless ``timeout`` is None.

    A document that was followed to its end knows those that came in it.
    """
    sent = [Sent(path) for path in files]
    with _Bars(screen, len(sent)) as bars:
        bars.phase("sending", len(sent))
        send_all(
            client,
            sent,
            collection=collection,
            metadata=metadata,
            changed=bars.sent,
            moved=bars.part,
            in_parts=in_parts,
            password=password,
        )
        if timeout is not None and not all(each.ended for each in sent):
            bars.phase("indexing", len(sent))
            for each in sent:
                if each.ended:
                    bars.moved(each)
            follow_all(
                client,
                sent,
                timeout=timeout,
                sleep=outside.sleep,
                clock=outside.clock,
                changed=bars.moved,
                more=bars.more,
            )
    return sent


class _Bars:
    """One bar for all, and one for each of the first few documents that are still under way."""

    def __init__(self, screen: Screen, total: int) -> None:
        self._screen = screen
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
            console=screen.err,
            disable=not screen.err.is_terminal,
            transient=True,
        )
        self._overall = self._progress.add_task("", total=total, note="")
        self._bars: dict[int, TaskID] = {}
        self._ended: set[int] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def phase(self, name: str, total: int) -> None:
        if self._progress.disable:
            self._screen.say(f"{name} {total} file{'' if total == 1 else 's'}")
        self._ended.clear()
        self._progress.reset(self._overall, description=name, total=total, note=f"0/{total}")

    def more(self, files: int) -> None:
        """So many came in one that has ended, and are followed too."""
        total = (self._progress.tasks[0].total or 0) + files
        done = len(self._ended)
        self._progress.update(self._overall, total=total, note=f"{done}/{total:.0f}")

    def sent(self, each: Sent) -> None:
        self._count(each)
        if id(each) in self._bars:
            self._progress.remove_task(self._bars.pop(id(each)))

    def part(self, each: Sent) -> None:
        """Of a file that is sent in parts, told by the thread that sends it."""
        parts, key = each.parts, id(each)
        if parts is None:
            return
        name = line(each.path.name)
        with self._lock:
            if key not in self._bars:
                self._bars[key] = self._progress.add_task(name[:32], total=parts.size, note="")
            done = f"{decimal(parts.bytes)} of {decimal(parts.size)}"
            note = f"{done}, {parts.done} of {parts.total} parts"
            self._progress.update(self._bars[key], completed=parts.bytes, note=note)

    def moved(self, each: Sent) -> None:
        key = id(each)
        if each.ended:
            self._count(each)
            if key in self._bars:
                self._progress.remove_task(self._bars.pop(key))
            return
        if key not in self._bars and len(self._bars) < ON_SCREEN:
            self._bars[key] = self._progress.add_task(line(each.path.name)[:32], total=100, note="")
        if key in self._bars and each.view:
            percent = each.view.progress.hundredths
            self._progress.update(self._bars[key], completed=percent, note=each.status)

    def _count(self, each: Sent) -> None:
        self._ended.add(id(each))
        done = len(self._ended)
        total = self._progress.tasks[0].total or 0
        self._progress.update(self._overall, completed=done, note=f"{done}/{total:.0f}")


def summary(sent: Sequence[Sent], *, waited: bool, directory: Path, width: int) -> Table:
    """What became of each file; files below ``directory`` are named from there."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = ("chunks", "pages", "seconds")
    fixed = max([len("status"), *(len(each.status) for each in sent)]) + len("".join(numbers)) + 10
    # What is left beside a document's id. Rich would share it out and then cut the ids off.
    room = width - fixed - ID_WIDTH
    fits = room >= len("file")
    table.add_column("file", overflow="fold", max_width=room if fits else None)
    table.add_column("status", no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold", min_width=ID_WIDTH if fits else None)
    for each in sent:
        progress = each.view.progress if each.view and waited else None
        below = each.path.is_relative_to(directory)
        table.add_row(
            Text(line(str(each.path.relative_to(directory) if below else each.path))),
            status_text(each.status.replace("_", " ")),
            _number(progress.chunks_total if progress else None),
            _number(progress.pages_total if progress else None),
            f"{each.seconds:.1f}" if each.seconds else "",
            Text("\n".join(map(line, _notes(each)))),
        )
    return table


def _notes(each: Sent) -> list[str]:
    """Its id, to ask again by, and what there is to say of it, a line each."""
    if each.duplicate:
        return [f"already there: {each.document_id}", *([each.reason] if each.reason else [])]
    told = [each.document_id, each.reason]
    if each.parts and each.parts.found and not each.reason:
        told.append(f"({each.parts.found} of {each.parts.total} parts were there)")
    progress = each.view.progress if each.view and not each.reason else None
    if progress and (pages := progress.pages.without_text):
        told.append(f"({pages:,} pages without text)")
    if each.view and not each.reason and (left := each.view.children - len(each.inside)):
        files = "1 file was" if left == 1 else f"{left:,} files were"
        told.append(f"({files} left in it; `ragline status` says why)")
    return [part for part in told if part]


def _number(value: int | None) -> str:
    return str(value) if value else ""
