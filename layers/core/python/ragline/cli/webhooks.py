"""`ragline webhooks`: who is told when documents end. It calls the API, with an admin's key."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

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

app = typer.Typer(name="webhooks", help="Webhooks: register, list, rotate, redrive, remove.")

WebhookId = Annotated[str, typer.Argument(help="As `ragline webhooks ls` shows it.")]


class Undelivered(Answer):
    event_id: str
    event_time: str
    why: str
    attempts: int


class Webhook(Answer):
    """``undelivered`` and ``secret`` are only there where the API gives them."""

    webhook_id: str
    url: str
    collections: list[str] | None = None
    statuses: list[str]
    disabled: str | None = None
    undelivered: list[Undelivered] = Field(default_factory=list)
    secret: str = ""


class Webhooks(Answer):
    webhooks: list[Webhook]


class Sent(Answer):
    events: list[str]


@app.command(epilog=exits.EPILOG)
def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="An https address that takes a POST.")],
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", "-c", help="Only of this collection; may be repeated."),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only of this end, such as failed; may be repeated."),
    ] = None,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Register a webhook and print its signing secret, this once."""
    body: dict[str, Any] = {"url": url}
    body |= {"collections": collection} if collection else {}
    body |= {"statuses": status} if status else {}
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        made = client.ask(Webhook, "POST", "/api/v2/webhooks", json=body)
    _show_secret(Screen(as_json), made)


@app.command(epilog=exits.EPILOG)
def ls(
    ctx: typer.Context,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """List the webhooks, oldest first."""
    screen = Screen(as_json)
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        found = client.ask(Webhooks, "GET", "/api/v2/webhooks")
    screen.give(found.raw())
    screen.show(_table(found.webhooks) if found.webhooks else Text("no webhooks.", style="dim"))


@app.command(epilog=exits.EPILOG)
def show(
    ctx: typer.Context,
    webhook_id: WebhookId,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Show a webhook and what it could not be told."""
    screen = Screen(as_json)
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        found = client.ask(Webhook, "GET", _path(webhook_id))
    screen.give(found.raw())
    screen.show(_table([found]))
    for one in found.undelivered:
        said = f"{one.event_time}  {one.event_id}  {one.why} ({one.attempts} attempts)"
        screen.show_line(Text(line(said), style="yellow"))


@app.command(epilog=exits.EPILOG)
def rotate(
    ctx: typer.Context,
    webhook_id: WebhookId,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Give a webhook a new secret and print it; for a day the one before it signs as well."""
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        made = client.ask(Webhook, "POST", f"{_path(webhook_id)}/rotate")
    _show_secret(Screen(as_json), made)


@app.command(epilog=exits.EPILOG)
def redrive(
    ctx: typer.Context,
    webhook_id: WebhookId,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Send again what a webhook could not be told, oldest first."""
    screen = Screen(as_json)
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        sent = client.ask(Sent, "POST", f"{_path(webhook_id)}/redrive")
    screen.give(sent.raw())
    screen.show(Text(f"events sent again: {len(sent.events)}"))


@app.command(epilog=exits.EPILOG)
def rm(
    ctx: typer.Context,
    webhook_id: WebhookId,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Remove a webhook, and what it could not be told."""
    screen = Screen(as_json)
    with _client(ctx, Choice(stack, profile, endpoint, region)) as client:
        client.tell("DELETE", _path(webhook_id))
    screen.give({"webhook_id": webhook_id, "removed": True})
    screen.show(Text(f"{line(webhook_id)} is removed."))


def _client(ctx: typer.Context, choice: Choice) -> Client:
    outside = Outside.of(ctx)
    return Client(address(choice, outside), outside)


def _path(webhook_id: str) -> str:
    return f"/api/v2/webhooks/{quote(webhook_id, safe='')}"


def _show_secret(screen: Screen, made: Webhook) -> None:
    screen.give(made.raw())
    screen.say(f"webhook {made.webhook_id}. Its secret is not shown again:")
    if not screen.as_json:
        typer.echo(line(made.secret))


def _table(found: list[Webhook]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("webhook", "url", "collections", "ends"):
        table.add_column(column, overflow="fold", no_wrap=column == "webhook")
    for one in found:
        named = "all" if one.collections is None else ", ".join(one.collections) or "none"
        ends = f"disabled: {one.disabled}" if one.disabled else ", ".join(one.statuses)
        table.add_row(
            Text(line(one.webhook_id)),
            Text(line(one.url)),
            Text(line(named)),
            Text(line(ends), style="red" if one.disabled else ""),
        )
    return table
