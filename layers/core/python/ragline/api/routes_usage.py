"""What the caller's tenant used, and what it costs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ragline.api import examples, schemas
from ragline.api.dependencies import Deps, Tenant
from ragline.api.openapi import answers
from ragline.domain.costs import Line, Prices, function_cost, metered
from ragline.domain.errors import InvalidRequest
from ragline.domain.times import utc_now
from ragline.domain.usage import Usage, check_month, month_of
from ragline.prices import figures, prices
from ragline.usecases.usage import Account, account

router = APIRouter(prefix="/api/v2", tags=["usage"])

_TIMES = {"invocations", "milliseconds", "cpu_milliseconds", "megabyte_milliseconds"}


@router.get(
    "/usage",
    summary="What was used in a month, and its cost",
    responses=answers({200: ("The tenant's month.", examples.USAGE)}, InvalidRequest),
)
def usage(
    deps: Deps,
    tenant: Tenant,
    month: Annotated[
        str | None,
        Query(description="A year and a month, UTC; this one by default.", examples=["2026-11"]),
    ] = None,
) -> schemas.usage.UsageView:
    """Of the caller's own tenant. Functions measure themselves: see docs/cost.md for how exact
    that is. Dollars are AWS' list prices, without free tier, taxes and discounts."""
    asked = month_of(utc_now()) if month is None else check_month(month)
    found = account(
        tenant,
        asked,
        book=deps.usage_book(),
        ledger=deps.ledger(),
        prices=prices(),
        figures=figures(),
    )
    return view(found, prices())


def view(found: Account, table: Prices) -> schemas.usage.UsageView:
    holds = found.tenant.holds
    return schemas.usage.UsageView(
        month=found.month,
        holds=schemas.usage.Held(documents=holds.documents, bytes=holds.bytes, chunks=holds.chunks),
        functions=[_function(each, table) for each in found.used],
        costs=[_cost(line) for line in found.lines],
        usd=round(found.usd, 6),
        usd_per_chunk=None if found.a_chunk is None else round(found.a_chunk, 9),
        storage=[_cost(line) for line in found.storage],
        prices=schemas.usage.PriceTable(as_of=table.as_of, region=table.region),
    )


def _function(used: Usage, table: Prices) -> schemas.usage.FunctionUse:
    time = metered("megabyte_milliseconds", used["megabyte_milliseconds"], table)
    return schemas.usage.FunctionUse(
        function=used.function,
        invocations=round(used["invocations"], 3),
        milliseconds=round(used["milliseconds"], 1),
        gb_seconds=round(time.quantity, 3),
        requests={
            meter: round(amount, 3)
            for meter, amount in sorted(used.counts.items())
            if meter not in _TIMES
        },
        usd=round(function_cost(used, table), 6),
    )


def _cost(line: Line) -> schemas.usage.Cost:
    return schemas.usage.Cost(
        item=line.item, quantity=round(line.quantity, 3), usd=round(line.usd, 6)
    )
