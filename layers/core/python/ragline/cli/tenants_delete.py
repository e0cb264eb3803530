"""`ragline tenants delete`: everything of a tenant, and the proof that nothing is left."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen
from ragline.cli.target import Choice, account
from ragline.cli.waiting import wait
from ragline.domain.documents import check_name
from ragline.domain.errors import NotFound
from ragline.usecases import erase

Name = Annotated[str, typer.Argument(metavar="TENANT")]


def delete(
    ctx: typer.Context,
    tenant: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Really: there is no way back.")] = False,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Delete a tenant: documents, keys, webhooks, what it used. Then look whether anything is left.

    Without --yes it only says what there is. Waits until the queues are empty, which
    hold other tenants' work too; what is left then is told, exits with 1, and goes
    when this is done again. The tenant stays closed; `ragline tenants set` opens it.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    check_name(tenant, "tenant")
    where = account(Choice(stack, profile, endpoint, region), outside)
    places = outside.places(where)
    if not yes:
        there = erase.left(tenant, places)
        if not any(there.values()):
            raise NotFound(f"there is no tenant {tenant!r}: nothing is kept of it.")
        screen.give({"tenant": tenant, "deleted": False, "left": there})
        told = Text("Nothing was done: --yes deletes all of it.", style="bold")
        screen.show(_table("kept", there), told)
        return
    screen.say(f"closing tenant {tenant}")
    keys = erase.close(tenant, places)
    documents = erase.delete_documents(tenant, places)
    screen.say(f"{documents:,} documents are deleted; waiting for the queues to empty")
    waiting = wait(places.queues, outside, while_it_moves=True)
    if erase.drop_rows(tenant, places):
        waiting = wait(places.queues, outside, while_it_moves=True)
    gone = {"keys": keys, "documents": documents}
    if not waiting:  # else those who work on it still have to find its documents deleted
        gone |= erase.erase(tenant, places)
    there = erase.left(tenant, places)
    screen.give({"tenant": tenant, "deleted": True, "gone": gone, "left": there})
    screen.show(_table("left", there), Text(_sentence(tenant, there, waiting), style="bold"))
    if any(there.values()):
        raise typer.Exit(exits.FAILED)


def _sentence(tenant: str, there: dict[str, int], waiting: int) -> str:
    if not any(there.values()):
        return f"Nothing of tenant {tenant} is left. It stays closed."
    if waiting:
        return f"The queues are not empty ({waiting} to go): do this again when they are."
    return "Something is left, or came meanwhile: do this again in a minute."


def _table(head: str, there: dict[str, int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(head, no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    for name, number in there.items():
        table.add_row(name, f"{number:,}")
    return table
