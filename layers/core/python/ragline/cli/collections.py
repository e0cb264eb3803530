"""`ragline collections`: how collections are cut, and what is in them. It calls the API."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic import Field
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.answers import Answer
from ragline.cli.client import Client
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line
from ragline.cli.target import Choice, address
from ragline.domain.chunking import MAX_SECTION_TOKENS, MAX_TOKENS, MIN_TOKENS, Strategy, Tables
from ragline.domain.documents import check_name
from ragline.domain.errors import NotFound, OutOfTime

app = typer.Typer(
    name="collections", help="Collections: list, show, choose how they are cut, delete."
)

PAUSE = 2.0
_UNDER_WAY = ("splitting", "processing")

Name = Annotated[str, typer.Argument(help="The collection's name.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until all of it is done.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds that --wait waits at most.")]


class RowsOrText(StrEnum):
    ROWS = Tables.ROWS.value
    TEXT = Tables.TEXT.value


class Counts(Answer):
    documents: int = 0
    by_status: dict[str, int] = Field(default_factory=dict)
    chunks: int = 0
    behind: int = 0
    complete: bool = True


class Walk(Answer):
    kind: str
    started_at: str = ""
    ended_at: str | None = None
    seen: int = 0
    changed: int = 0
    left: int = 0


class Collection(Answer):
    name: str
    chunking: dict[str, Any]
    default: bool = False
    counts: Counts
    walk: Walk | None = None

    @property
    def done(self) -> bool:
        """Whether every document was reached, and none is under way any more."""
        walking = self.walk is not None and not self.walk.ended_at
        return not walking and not any(self.counts.by_status.get(one) for one in _UNDER_WAY)


class Names(Answer):
    collections: list[str]


@app.command(epilog=exits.EPILOG)
def ls(
    ctx: typer.Context,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """List the collections that something was uploaded to, or that have settings."""
    screen = Screen(as_json)
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        found = client.ask(Names, "GET", "/api/v2/collections")
    screen.give(found.raw())
    for name in found.collections:
        screen.show_line(Text(line(name)))
    if not found.collections:
        screen.show(Text("no collections.", style="dim"))


@app.command(epilog=exits.EPILOG)
def show(
    ctx: typer.Context,
    name: Name,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Show how a collection is cut, what is in it, and how far a change of it is."""
    screen = Screen(as_json)
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        found = client.ask(Collection, "GET", _path(name))
    _show(screen, found)


@app.command("set", epilog=exits.EPILOG)
def set_(
    ctx: typer.Context,
    name: Name,
    strategy: Annotated[Strategy | None, typer.Option(help="Where texts are cut.")] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(min=MIN_TOKENS, max=MAX_TOKENS, help="The size of a passage at most."),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_TOKENS // 2, help="Tokens that a passage may repeat."),
    ] = None,
    tables: Annotated[
        RowsOrText | None, typer.Option(help="Between rows, or as any other text.")
    ] = None,
    section_tokens: Annotated[
        int | None,
        typer.Option(
            min=MIN_TOKENS,
            max=MAX_SECTION_TOKENS,
            help="parent_child: how much a hit returns at most.",
        ),
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="As the deployment does, from now on.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Also ingest anew what an older version of Ragline cut."),
    ] = False,
    wait: Wait = False,
    timeout: Timeout = 600,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Choose how a collection is cut. What was cut otherwise is ingested again.

    What is left out is as the deployment has it, or as the strategy asks for. Until a document's
    new passages are all there, its old ones answer.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    chosen: dict[str, Any] = {
        "strategy": strategy,
        "max_tokens": max_tokens,
        "overlap_tokens": overlap,
        "tables": tables,
        "section_tokens": section_tokens,
    }
    given = {field: value for field, value in chosen.items() if value is not None}
    if bool(given) is default:
        raise typer.BadParameter("give --strategy, --max-tokens, …; or --default alone.")
    body: dict[str, Any] = {"chunking": None if default else given, "again": again}
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        found = client.ask(Collection, "PUT", _path(name), json=body)
        behind = found.counts.behind
        screen.say(f"{_documents(behind)} to be ingested again.")
        if wait:
            found = _wait(client, outside, name, timeout)
    _show(screen, found)
    if wait and found.counts.behind:
        raise typer.Exit(exits.FAILED)


@app.command(epilog=exits.EPILOG)
def rm(
    ctx: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Wait = False,
    timeout: Timeout = 600,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Delete a collection: its settings and every document that is in it now."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        found = client.ask(Collection, "GET", _path(name))
        if not yes:
            said = f"Delete {name} with {_documents(found.counts.documents)}?"
            typer.confirm(said, abort=True, err=True)
        found = client.ask(Collection, "DELETE", _path(name))
        if wait:
            _wait(client, outside, name, timeout, until_gone=True)
    screen.give({"name": name, "deleted": wait, "documents": found.counts.documents})
    said = "deleted" if wait else "being deleted"
    screen.show(Text(f"{line(name)}: {_documents(found.counts.documents)} {said}."))


def _wait(
    client: Client, outside: Outside, name: str, timeout: float, *, until_gone: bool = False
) -> Collection:
    """As it is once everything is done.

    Raises:
        OutOfTime: it is not, in time.
    """
    deadline = outside.clock() + timeout
    found: Collection | None = None
    while outside.clock() < deadline:
        try:
            found = client.ask(Collection, "GET", _path(name))
        except NotFound:
            if until_gone:
                return found or Collection(name=name, chunking={}, counts=Counts())
            raise
        if found.done and not until_gone:
            return found
        outside.sleep(PAUSE)
    raise OutOfTime(
        f"{name} is not done after {timeout:g} seconds; `ragline collections show {name}` tells "
        "how far it is."
    )


def _client(ctx: typer.Context, choice: Choice) -> Client:
    outside = Outside.of(ctx)
    return Client(address(choice, outside), outside)


def _path(name: str) -> str:
    return f"/api/v2/collections/{check_name(name, 'collection')}"


def _show(screen: Screen, found: Collection) -> None:
    screen.give(found.raw())
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, told in _told(found):
        table.add_row(name, Text(line(told)))
    screen.show(table)


def _told(found: Collection) -> list[tuple[str, str]]:
    settings = {name: value for name, value in found.chunking.items() if value is not None}
    cut = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "strategy")
    own = " (the deployment's own)" if found.default else ""
    counts = found.counts
    more = "" if counts.complete else " at least"
    by_status = ", ".join(f"{count} {status}" for status, count in counts.by_status.items())
    told = [
        ("collection", found.name),
        ("cut by", f"{found.chunking.get('strategy', '?')}, {cut}{own}"),
        (
            "holds",
            f"{_documents(counts.documents)}{more} ({by_status or 'none'}), "
            f"{counts.chunks:,} passages",
        ),
    ]
    if counts.behind:
        behind = f"{_documents(counts.behind)}{more} not yet cut like that"
        if found.done:
            named = f"`ragline ls --collection {found.name} --status failed`"
            behind += f"; {named} lists those that could not be read again"
        told.append(("behind", behind))
    if found.walk:
        told.append(("last walk", _walk(found.walk)))
    return told


def _walk(walk: Walk) -> str:
    what = "deleted" if walk.kind == "delete" else "ingested again"
    left = f", {walk.left} left as they are: their uploads are gone" if walk.left else ""
    end = f"ended {walk.ended_at}" if walk.ended_at else f"going on since {walk.started_at}"
    return f"{walk.seen} seen, {walk.changed} {what}{left}; {end}"


def _documents(count: int) -> str:
    return f"{count:,} document{'' if count == 1 else 's'}"
