"""`ragline redrive`: what failed, tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.answers import Redriven
from ragline.cli.client import Client
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line, status_text
from ragline.cli.since import moment
from ragline.cli.target import Choice, address
from ragline.domain.documents import check_document_id, check_name
from ragline.domain.errors import RaglineError
from ragline.domain.times import iso


def redrive(
    ctx: typer.Context,
    document: Annotated[str | None, typer.Option(help="Only this document (its id).")] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only documents of this collection.")
    ] = None,
    code: Annotated[
        str | None, typer.Option(help="Only what failed with this code, such as throttled.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only what failed since then: 30s, 10m, 2h, 1d ago, or ISO 8601."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every failed or partial document.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what failed for good, such as a corrupt file.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; say what would be tried again.")
    ] = False,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Try again what failed of documents, from what is stored: just those chunks, or the file.

    Every condition given must hold. Exits with 1 if all that was selected had to be skipped.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    body = _selection(document, collection, code, since)
    if bool(body) is everything:
        conditions = "--document, --collection, --code or --since"
        raise typer.BadParameter(
            f"--all goes without {conditions}." if body else f"give {conditions}; or --all."
        )
    found: list[Redriven] = []
    stopped: RaglineError | None = None
    with Client(address(Choice(stack, profile, endpoint, region), outside), outside) as client:
        try:
            for each in client.redrive({**body, "force": force, "dry_run": dry_run}):
                found.append(each)
        except RaglineError as error:
            if not found:
                raise
            stopped = error  # what was started before it is under way, and must be told
    _show(screen, found, dry_run, stopped)
    if stopped:
        raise typer.Exit(exits.exit_code(stopped))
    if found and all(each.skipped for each in found):
        raise typer.Exit(exits.FAILED)


def _selection(
    document: str | None, collection: str | None, code: str | None, since: str | None
) -> dict[str, Any]:
    """The conditions given; an empty one is refused by what it stands for, not taken for none."""
    body: dict[str, Any] = {}
    if document is not None:
        body["document_id"] = check_document_id(document)
    if collection is not None:
        body["collection"] = check_name(collection, "collection")
    if code is not None:
        if not code:
            raise typer.BadParameter("--code is empty: leave it out, or name a code.")
        body["code"] = code
    if since is not None:
        body["since"] = iso(moment(since, datetime.now(UTC)))
    return body


def _show(
    screen: Screen, found: Sequence[Redriven], dry_run: bool, stopped: RaglineError | None
) -> None:
    skipped = sum(bool(each.skipped) for each in found)
    tried = len(found) - skipped
    answer: dict[str, Any] = {
        "documents": [each.raw() for each in found],
        "tried": tried,
        "skipped": skipped,
        "dry_run": dry_run,
    }
    if found:
        screen.show(_table(found))
    verb = "would be tried again" if dry_run else "tried again"
    said = f"{tried} {verb}, {skipped} skipped." if found else "nothing failed that this selects."
    screen.show(Text(said, style="bold" if tried else "dim"))
    if stopped:
        answer["error"] = {"code": stopped.code, "message": str(stopped)}
        told = f"error: stopped there: {line(str(stopped))} Give the same command again to go on."
        screen.err.print(Text(told, style="red"), soft_wrap=True)
    screen.give(answer)


def _table(found: Sequence[Redriven]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("document", no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("again", overflow="fold")
    for each in found:
        table.add_row(
            Text(line(each.document_id)),
            Text(line(each.filename)),
            status_text(each.status),
            Text(line(_again(each)), style="yellow" if each.skipped else ""),
        )
    return table


def _again(each: Redriven) -> str:
    if each.skipped:
        return f"skipped: {each.skipped}"
    chunks = f"{each.chunks} chunk{'' if each.chunks == 1 else 's'}"
    parts = ["the whole file"] if each.split_again else []
    return " and ".join([*parts, *([chunks] if each.chunks else [])]) or "what is left of it"
