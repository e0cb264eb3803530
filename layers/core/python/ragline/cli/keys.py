"""`ragline keys`: who may call the API, and how often. It needs rights in AWS, and no key."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.key_ports import KeyPorts
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line
from ragline.cli.target import Choice, account
from ragline.domain.access import KeyRecord, Rates, Role
from ragline.domain.times import iso, utc_now
from ragline.usecases import keys as usecase

app = typer.Typer(name="keys", help="API keys: make, list, revoke; limits of a tenant's callers.")

Tenant = Annotated[str, typer.Option(help="Whose documents it opens.")]
Rate = Annotated[
    float | None, typer.Option(help="Requests a second that the tenant's callers share.")
]
Burst = Annotated[int | None, typer.Option(help="Requests that may come at once.")]
Quota = Annotated[int | None, typer.Option("--quota-per-day", help="Requests in a day.")]


@app.command(epilog=exits.EPILOG)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="For whom, or for what; for people.")],
    tenant: Tenant = "default",
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.WRITER,
    expires_days: Annotated[int | None, typer.Option(help="It is over after so many days.")] = None,
    rate: Rate = None,
    burst: Burst = None,
    quota: Quota = None,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Make a key and print it, this once: what is kept of it is a hash."""
    screen = Screen(as_json)
    ports = _ports(ctx, Choice(stack, profile, endpoint, region))
    rates = Rates(rate, burst, quota)
    if rates.anything:
        usecase.limit(tenant, rates, keys=ports.keys, plans=ports.plans)
    made = usecase.create(tenant, role, name, keys=ports.keys, now=utc_now(), days=expires_days)
    screen.give({"key": made.key, **_told(made.record)})
    screen.say(f"{role.value} of tenant {tenant}, key id {made.record.key_id}. Not shown again:")
    if not as_json:
        typer.echo(made.key)


@app.command("list", epilog=exits.EPILOG)
def list_keys(
    ctx: typer.Context,
    tenant: Tenant = "default",
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """List a tenant's keys, newest first, and its limits."""
    screen = Screen(as_json)
    ports = _ports(ctx, Choice(stack, profile, endpoint, region))
    found = usecase.listed(tenant, keys=ports.keys)
    plan = ports.keys.plan(tenant)
    limits = _limits(plan.rates if plan else Rates())
    screen.give({"tenant": tenant, "limits": limits, "keys": [_told(one) for one in found]})
    screen.show(_table(found))
    told = ", ".join(f"{name} {value:,.15g}" for name, value in limits.items() if value is not None)
    screen.show(Text(f"limits of tenant {tenant}: {told or 'none of its own'}", style="dim"))


@app.command(epilog=exits.EPILOG)
def revoke(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(help="As `ragline keys list` shows it.")],
    tenant: Tenant = "default",
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Close a key for good. It may go on for 15 seconds, where it was used a moment ago."""
    screen = Screen(as_json)
    ports = _ports(ctx, Choice(stack, profile, endpoint, region))
    record = usecase.revoke(tenant, key_id, keys=ports.keys, now=utc_now())
    screen.give(_told(record))
    screen.show(Text(f"{record.key_id} ({line(record.name)}) is revoked."))


@app.command(epilog=exits.EPILOG)
def limit(
    ctx: typer.Context,
    tenant: Tenant = "default",
    rate: Rate = None,
    burst: Burst = None,
    quota: Quota = None,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Limit how often a tenant's callers may ask, by keys and tokens together."""
    screen = Screen(as_json)
    rates = Rates(rate, burst, quota)
    if not rates.anything:
        raise typer.BadParameter("give --rate and --burst, or --quota-per-day, or all three.")
    ports = _ports(ctx, Choice(stack, profile, endpoint, region))
    usecase.limit(tenant, rates, keys=ports.keys, plans=ports.plans)
    plan = ports.keys.plan(tenant)
    screen.give({"tenant": tenant, "limits": _limits(plan.rates if plan else rates)})
    screen.show(Text(f"The limits of tenant {tenant} are set; `ragline keys list` shows them."))


def _ports(ctx: typer.Context, choice: Choice) -> KeyPorts:
    outside = Outside.of(ctx)
    return outside.keys(account(choice, outside))


def _told(record: KeyRecord) -> dict[str, Any]:
    return {
        "key_id": record.key_id,
        "tenant": record.tenant,
        "role": record.role.value,
        "name": record.name,
        "ends_with": record.hint,
        "created_at": record.created_at,
        "expires_at": record.expires_at or None,
        "revoked_at": record.revoked_at or None,
    }


def _limits(rates: Rates) -> dict[str, float | int | None]:
    return {"rate": rates.rate, "burst": rates.burst, "quota_per_day": rates.quota_per_day}


def _table(records: Any) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("key id", "role", "name", "ends with", "created", "state"):
        table.add_column(column, no_wrap=column != "name")
    now = iso(utc_now())
    for one in records:
        state = one.over(now) or (f"until {one.expires_at}" if one.expires_at else "open")
        row = (one.key_id, one.role.value, one.name, f"…{one.hint}", one.created_at, state)
        table.add_row(*(Text(line(cell)) for cell in row))
    return table
