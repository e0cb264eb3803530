"""`ragline tenants`: what tenants hold, and their caps. It needs rights in AWS, and no key."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen
from ragline.cli.target import Choice, account
from ragline.domain.documents import check_name
from ragline.domain.errors import InvalidRequest, NotFound
from ragline.domain.tenants import HELD, Tenant
from ragline.ports import Ledger

app = typer.Typer(name="tenants", help="Tenants: what they hold, and the most that they may.")

NONE = "none"
MONTHLY = "$ a month"
Name = Annotated[str, typer.Argument(metavar="TENANT")]


@app.command("set", epilog=exits.EPILOG)
def set_caps(
    ctx: typer.Context,
    tenant: Name,
    max_documents: Annotated[
        str | None, typer.Option(metavar="NUMBER|none", help="Documents that are not deleted.")
    ] = None,
    max_bytes: Annotated[
        str | None,
        typer.Option(metavar="NUMBER|none", help="Bytes of their newest versions."),
    ] = None,
    max_chunks: Annotated[
        str | None, typer.Option(metavar="NUMBER|none", help="Chunks that they are cut into.")
    ] = None,
    max_cost: Annotated[
        str | None,
        typer.Option(metavar="DOLLARS|none", help="What its use of a month may cost."),
    ] = None,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Cap what a tenant may hold. What is not named stays; `none` takes a cap away.

    A cap below what is held deletes nothing: there is only no room for more.
    """
    check_name(tenant, "tenant")
    given: dict[str, float | None] = {
        name: _number(value, f"--max-{name}")
        for name, value in zip(HELD, (max_documents, max_bytes, max_chunks), strict=True)
        if value is not None
    }
    if max_cost is not None:
        given["cost"] = _dollars(max_cost, "--max-cost")
    if not given:
        raise InvalidRequest(
            "name a cap: --max-documents, --max-bytes, --max-chunks or --max-cost."
        )
    screen, ledger = Screen(as_json), _ledger(ctx, Choice(stack, profile, endpoint, region))
    caps = replace(ledger.tenant(tenant).caps, **given)  # type: ignore[arg-type]
    ledger.cap(tenant, caps)
    _show(screen, ledger.tenant(tenant))


@app.command(epilog=exits.EPILOG)
def show(
    ctx: typer.Context,
    tenant: Name,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Say what a tenant holds, and its caps."""
    ledger = _ledger(ctx, Choice(stack, profile, endpoint, region))
    if tenant not in ledger.tenants():
        raise NotFound(f"there is no tenant {tenant!r}: it has no document and no cap.")
    _show(Screen(as_json), ledger.tenant(tenant))


@app.command("list", epilog=exits.EPILOG)
def list_tenants(
    ctx: typer.Context,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """List the tenants that have documents or caps. Reads the whole ledger."""
    screen, ledger = Screen(as_json), _ledger(ctx, Choice(stack, profile, endpoint, region))
    found = [ledger.tenant(name) for name in ledger.tenants()]
    screen.give({"tenants": [_told(one) for one in found]})
    screen.show(_list(found) if found else Text("no tenants.", style="dim"))


def _ledger(ctx: typer.Context, choice: Choice) -> Ledger:
    outside = Outside.of(ctx)
    return outside.ports(account(choice, outside)).ledger


def _number(value: str, option: str) -> int | None:
    if value == NONE:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise InvalidRequest(f"{option} wants a whole number or 'none', got {value[:40]!r}.")
    return int(value)


def _dollars(value: str, option: str) -> float | None:
    if value == NONE:
        return None
    if not re.fullmatch(r"\d{1,9}(\.\d{1,2})?", value, re.ASCII):
        raise InvalidRequest(f"{option} wants dollars such as 25 or 2.50, got {value[:40]!r}.")
    return float(value)


def _show(screen: Screen, tenant: Tenant) -> None:
    screen.give(_told(tenant))
    screen.show(_table(tenant))


def _told(tenant: Tenant) -> dict[str, Any]:
    return {"tenant": tenant.name, "holds": asdict(tenant.holds), "caps": asdict(tenant.caps)}


def _table(tenant: Tenant) -> Table:
    """A tenant's caps, one in a row. What it spent is the book's to tell: see ``ragline cost``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(Text(tenant.name), overflow="fold")
    for name in ("held", "cap"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in HELD:
        cap = getattr(tenant.caps, name)
        held = f"{getattr(tenant.holds, name):,}"
        table.add_row(name, held, NONE if cap is None else f"{cap:,}")
    cost = tenant.caps.cost
    table.add_row(MONTHLY, "", NONE if cost is None else f"{cost:,.2f}")
    return table


def _list(tenants: list[Tenant]) -> Table:
    """A tenant in a row, its caps below what it holds: beside it they would be too wide."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("tenant", overflow="fold")
    for name in (*HELD, MONTHLY):
        table.add_column(name, justify="right", overflow="fold")
    for each in tenants:
        cells = []
        for name in HELD:
            cap = getattr(each.caps, name)
            cells.append(
                f"{getattr(each.holds, name):,}" + ("" if cap is None else f"\nof {cap:,}")
            )
        cost = each.caps.cost
        table.add_row(Text(each.name), *cells, "" if cost is None else f"\nof {cost:,.2f}")
    return table
