"""`ragline status`, `ls` and `rm`: what became of documents, and away with them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.answers import DocumentView, Failures, Progress
from ragline.cli.client import Client
from ragline.cli.failures import shown
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line, status_text
from ragline.cli.target import Choice, address
from ragline.domain.documents import Status
from ragline.domain.errors import NotFound, RaglineError, SetupError


def status(
    ctx: typer.Context,
    document_id: Annotated[str, typer.Argument(metavar="DOCUMENT_ID")],
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Say how far a document is, and what of it failed. Exits with 1 if it failed, even in part."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    failures: Failures | None = None
    children: list[DocumentView] = []
    with Client(address(Choice(stack, profile, endpoint, region), outside), outside) as client:
        document = client.document(document_id)
        failed = document.status in {Status.FAILED, Status.PARTIAL}
        if failed or document.children:
            failures = client.failures(document_id)
        if document.children:
            children = list(client.children(document_id))
    inside = {"documents": [each.raw() for each in children]} if document.children else {}
    screen.give(document.raw() | (failures.raw() if failures else {}) | inside)
    screen.show(_details(document, children))
    if failures and (failed or failures.failures):
        screen.show(*shown(failures))
    if children:
        screen.show(Text(), _table(children))
    if failed:
        raise typer.Exit(exits.FAILED)


def ls(
    ctx: typer.Context,
    collection: options.Collection = "default",
    of_status: Annotated[
        Status | None, typer.Option("--status", help="Only documents of this status.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """List the documents of a collection, newest first."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    with Client(address(Choice(stack, profile, endpoint, region), outside), outside) as client:
        # One more than wanted tells whether there are more.
        found = list(client.documents(collection, status=of_status, limit=limit + 1))
    more, found = len(found) > limit, found[:limit]
    screen.give({"documents": [each.raw() for each in found], "more": more})
    screen.show(
        _table(found) if found else Text(f"no documents in {line(collection)}.", style="dim")
    )
    if more and not as_json:
        screen.say(f"there are more; --limit {limit * 4} shows more of them.")


def rm(
    ctx: typer.Context,
    document_ids: Annotated[list[str], typer.Argument(metavar="DOCUMENT_ID...")],
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Delete documents. No query finds them from that moment on."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    deleted: list[str] = []
    failed: list[tuple[str, RaglineError]] = []
    with Client(address(Choice(stack, profile, endpoint, region), outside), outside) as client:
        for document_id in dict.fromkeys(document_ids):
            try:
                client.delete(document_id)
            except SetupError:
                raise
            except RaglineError as error:
                failed.append((document_id, error))
                screen.err.print(Text(f"error: {document_id}: {line(str(error))}", style="red"))
            else:
                deleted.append(document_id)
                screen.show(Text(f"deleted {document_id}"))
    screen.give(
        {
            "deleted": deleted,
            "failed": [
                {"document_id": document_id, "code": why.code, "message": str(why)}
                for document_id, why in failed
            ],
        }
    )
    if failed:
        absent = all(isinstance(why, NotFound) for _, why in failed)
        raise typer.Exit(exits.NOT_FOUND if absent else exits.FAILED)


def _table(documents: list[DocumentView]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("document", no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("chunks", justify="right", no_wrap=True)
    table.add_column("created (UTC)", no_wrap=True)
    for each in documents:
        table.add_row(
            Text(each.document_id),
            Text(line(each.name)),
            status_text(each.status),
            str(each.progress.chunks_total or ""),
            (each.created_at or "")[:16].replace("T", " "),
        )
    return table


def _details(document: DocumentView, children: Sequence[DocumentView]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    progress, reason = document.progress, document.reason
    rows: list[tuple[str, Any]] = [
        ("document", Text(document.document_id)),
        ("file", Text(line(document.filename))),
        ("came in", Text(line(_came_in(document)))),
        ("collection", Text(line(document.collection))),
        ("status", status_text(document.status)),
        ("progress", progress.percent),
        ("pages", _pages(progress)),
        (
            "chunks",
            f"{progress.chunks_total}: {progress.indexed} indexed, {progress.embedded} embedded, "
            f"{progress.failed} failed",
        ),
    ]
    if not document.parent:
        rows = [row for row in rows if row[0] != "came in"]
    if document.children:
        rows.append(("files in it", _told(document, children)))
    if not progress.pages_total:
        rows = [row for row in rows if row[0] != "pages"]
    if reason:
        place = "".join(
            f", {name} {value}"
            for name, value in (("page", reason.page), ("chunk", reason.chunk))
            if value is not None
        )
        rows.append(("reason", Text(f"{line(reason.message)} ({reason.code}{place})", "red")))
    if document.advice:
        rows.append(("advice", Text(line(document.advice))))
    rows += [("created", document.created_at or ""), ("updated", document.updated_at or "")]
    if document.trace_id:
        rows.append(("trace", Text(line(document.trace_id))))
    for name, value in rows:
        table.add_row(name, value)
    return table


def _pages(progress: Progress) -> str:
    done = f"{progress.pages_done} of {progress.pages_total}"
    done += f": {progress.pages}" if str(progress.pages) else ""
    if progress.coverage is None or progress.coverage == 1:
        return done
    return f"{done} (coverage {math.floor(progress.coverage * 100)}%)"


def _came_in(document: DocumentView) -> str:
    return f"{document.parent_filename} ({document.parent}), as {document.path_in_parent}"


def _told(document: DocumentView, children: Sequence[DocumentView]) -> str:
    """How many came in it, how many documents of which status they are, and how many are none."""
    statuses = Counter(each.status for each in children)
    told = [f"{times} {status.replace('_', ' ')}" for status, times in statuses.items()]
    left = document.children - len(children)
    if left and document.ended and document.status != Status.DELETED:
        told.append(f"{left} left in it")
    return f"{document.children}: {', '.join(told)}" if told else str(document.children)
