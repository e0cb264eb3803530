"""`ragline cost`: what a month cost, of all tenants or of one; and what files would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from ragline.cli import options
from ragline.cli.client import Client
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen
from ragline.cli.target import Choice, account, address
from ragline.domain.costs import Line, Prices, a_chunk, bill, function_cost, spent
from ragline.domain.documents import Document, check_document_id, check_name
from ragline.domain.errors import InvalidRequest, NotFound
from ragline.domain.figures import ingest_lines, size_of, storage_lines
from ragline.domain.times import utc_now
from ragline.domain.usage import STACK, Usage, check_month, month_of
from ragline.ports import Ledger, UsageBook
from ragline.prices import figures, prices
from ragline.usecases.usage import Account, by_tenant, made_up

NOBODY = "(the stack itself)"
LEAST = 0.000001
"""The least amount that is shown, in dollars."""
MEASURED = {"gb", "gigabyte", "gigabytes"}
"""Words in the names of what is measured and not counted."""


def cost(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant, in detail.")] = None,
    month: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="A month, UTC.", show_default="this one")
    ] = None,
    document: Annotated[
        str | None, typer.Option(help="A document's share (its id), of tenant --tenant.")
    ] = None,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Say what a month's use cost, by AWS' list prices: measured by the functions, and approximate.

    Reads the ledger with AWS credentials; with RAGLINE_API_URL it asks the API of
    its tenant's own. See docs/cost.md for what is counted.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    choice = Choice(stack, profile, endpoint, region)
    if document is not None and month is not None:
        raise InvalidRequest(
            "a document is told for the month it was indexed in: leave out --month."
        )
    when = month_of(utc_now()) if month is None else check_month(month)
    if outside.environ.get("RAGLINE_API_URL") and not (choice.anything or tenant or document):
        with Client(address(choice, outside), outside) as client:
            told = client.usage(when)
        screen.give(told)
        lines = [Line(**one) for one in told["costs"]]
        screen.show(_lines(lines), _foot(told["usd"], told["usd_per_chunk"]))
        return
    where = account(choice, outside)
    book, table = outside.usage_book(where), prices()
    if tenant is None and document is None:
        _show_all(list(book.everyone(when)), when, table, screen)
        return
    name = check_name(tenant or "default", "tenant")
    ledger = outside.ports(where).ledger
    if document is not None:
        _show_share(_known(name, document, ledger), book, table, screen)
        return
    found = made_up(ledger.tenant(name), when, book.of(name, when), table, figures())
    screen.give(_answer(found, table))
    screen.show(_functions(found.used, table), Text(), _lines(found.lines))
    screen.show(_foot(found.usd, found.a_chunk), Text(), Text("Kept for a month:", style="bold"))
    screen.show(_lines(found.storage))


def estimate(files: Sequence[Path], screen: Screen) -> None:
    """Tell what taking in these files would cost, from their sizes alone."""
    measured, table = figures(), prices()
    size = size_of(((file.suffix.lower(), file.stat().st_size) for file in files), measured)
    ingest, kept = ingest_lines(size, measured, table), storage_lines(size, measured, table)
    screen.give(
        {
            "documents": size.documents,
            "bytes": size.bytes,
            "chunks": size.chunks,
            "usd": round(spent(ingest), 6),
            "usd_a_month_kept": round(spent(kept), 6),
            "costs": [_one(line) for line in ingest],
            "prices": {"as_of": table.as_of, "region": table.region},
        }
    )
    screen.show(
        Text(f"{size.documents:,} documents, {size.bytes:,} bytes, some {size.chunks:,} chunks."),
        _lines(ingest),
        Text(
            f"About {_usd(spent(ingest))} to take in, {_usd(spent(kept))} a month to keep, by AWS' "
            f"list prices of {table.as_of}. Nothing was sent.",
            style="bold",
        ),
    )


def _show_all(
    found: Sequence[tuple[str, Usage]], month: str, table: Prices, screen: Screen
) -> None:
    used: dict[str, list[Usage]] = defaultdict(list)
    for tenant, usage in found:
        used[tenant].append(usage)
    costs = by_tenant(used, table)
    whole = sum(usd for _, usd in costs)
    screen.give(
        {
            "month": month,
            "tenants": [
                {
                    "tenant": tenant or None,
                    "usd": round(usd, 6),
                    "costs": [_one(line) for line in bill(used[tenant], table)],
                }
                for tenant, usd in costs
            ],
            "usd": round(whole, 6),
        }
    )
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("tenant", "chunks", "GB-seconds", "write units", "$"):
        rows.add_column(name, justify="left" if name == "tenant" else "right", no_wrap=True)
    for tenant, usd in costs:
        lines = {line.item: line.quantity for line in bill(used[tenant], table)}
        chunks = sum(one["chunks"] for one in used[tenant])
        numbers = (chunks, lines.get("gb_seconds", 0), lines.get("dynamodb_write_units", 0))
        name = NOBODY if tenant == STACK else tenant
        rows.add_row(Text(name), *(f"{number:,.0f}" for number in numbers), _usd(usd))
    screen.show(rows if costs else Text(f"nothing was used in {month}.", style="dim"))
    screen.show(_foot(whole, a_chunk([usage for _, usage in found], table)))


def _known(tenant: str, document_id: str, ledger: Ledger) -> Document:
    found = ledger.get(tenant, check_document_id(document_id))
    if found is None:
        raise NotFound(f"tenant {tenant!r} has no document {document_id!r}.")
    return found


def _show_share(document: Document, book: UsageBook, table: Prices, screen: Screen) -> None:
    """Its share of what its tenant's chunks cost in the month it was indexed in."""
    month = document.timings.get("indexed", document.updated_at)[: len("2026-11")]
    by_chunk = a_chunk(book.of(document.partition.tenant, month), table)
    chunks = document.progress.chunks_total
    usd = None if by_chunk is None else by_chunk * chunks
    screen.give(
        {
            "document_id": document.document_id,
            "month": month,
            "chunks": chunks,
            "usd": None if usd is None else round(usd, 9),
        }
    )
    told = "nothing that was measured" if usd is None else _usd(usd)
    screen.show(Text(f"{chunks:,} chunks, indexed in {month}: {told}."))


def _answer(found: Account, table: Prices) -> dict[str, Any]:
    return {
        "tenant": found.tenant.name,
        "month": found.month,
        "functions": [
            {"function": one.function, **one.counts, "usd": round(function_cost(one, table), 6)}
            for one in found.used
        ],
        "costs": [_one(line) for line in found.lines],
        "usd": round(found.usd, 6),
        "usd_per_chunk": found.a_chunk,
        "storage": [_one(line) for line in found.storage],
    }


def _one(line: Line) -> dict[str, Any]:
    return {"item": line.item, "quantity": line.quantity, "usd": round(line.usd, 6)}


def _functions(used: Sequence[Usage], table: Prices) -> Table:
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("function", "invocations", "seconds", "calls", "write units", "$ of Lambda"):
        rows.add_column(name, justify="left" if name == "function" else "right", no_wrap=True)
    for one in used:
        rows.add_row(
            one.function,
            f"{one['invocations']:,.0f}",
            f"{one['milliseconds'] / 1_000:,.1f}",
            f"{one['calls']:,.0f}",
            f"{one['dynamodb_write_units']:,.0f}",
            _usd(function_cost(one, table)),
        )
    return rows


def _lines(lines: Sequence[Line]) -> Table:
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("what", "how much", "$"):
        rows.add_column(name, justify="left" if name == "what" else "right", no_wrap=True)
    for line in lines:
        rows.add_row(line.item.replace("_", " "), _quantity(line), _usd(line.usd))
    return rows


def _foot(usd: float, by_chunk: float | None) -> Text:
    each = "" if by_chunk is None else f", {_usd(1_000_000 * by_chunk)} for a million chunks"
    return Text(f"Together {_usd(usd)}{each}.", style="bold")


def _usd(amount: float) -> str:
    """Cents; below a dollar four digits, but no further than a millionth."""
    if 0 < amount < LEAST:
        return f"<${LEAST:.6f}"
    if amount >= 1:
        return f"${amount:,.2f}"
    whole, decimals = f"{float(f'{amount:.4g}'):.6f}".split(".")
    return f"${whole}.{decimals.rstrip('0'):0<2}"


def _quantity(line: Line) -> str:
    """What is counted as a whole number, for an estimate has fractions; what is measured, in
    gigabytes, with three digits."""
    if any(word in MEASURED for word in line.item.split("_")):
        return _three_digits(line.quantity)
    return "<1" if 0 < line.quantity < 0.5 else f"{line.quantity:,.0f}"


def _three_digits(number: float) -> str:
    if not number:
        return "0"
    power = int(f"{number:.2e}".partition("e")[2])  # of what it is rounded to
    return f"{number:,.{max(0, 2 - power)}f}"
