"""What use costs, by a price table. Pure: quantities in, dollars out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ragline.domain.usage import Usage, total

ARCHITECTURE = "x86_64"
"""What the functions run on; a test compares it with the template."""

MEGABYTE_MILLISECONDS = 1024 * 1000
"""In a GB-second."""

GIGABYTE = 1024**3

RATES = {
    "invocations": "lambda.request",
    "megabyte_milliseconds": f"lambda.gb_second_{ARCHITECTURE}",
    "api_requests": "apigateway.request",
    "dynamodb_write_units": "dynamodb.write_unit",
    "dynamodb_read_units": "dynamodb.read_unit",
    "s3_writes": "s3.write",
    "s3_reads": "s3.read",
    "sqs_requests": "sqs.request",
    "sqs_fifo_requests": "sqs.fifo_request",
}
"""Meter → its price. Meters that are not here are told, not paid."""


@dataclass(frozen=True, slots=True)
class Prices:
    """``rates``: dollars by the unit, such as ``s3.read``. ``sources``: service → where from."""

    as_of: str
    region: str
    rates: Mapping[str, float]
    sources: Mapping[str, str] = field(default_factory=dict)

    def cost(self, rate: str, quantity: float) -> float:
        """Dollars for a quantity in the rate's own unit."""
        return self.rates[rate] * quantity


@dataclass(frozen=True, slots=True)
class Line:
    """One item of a bill: how much of what, and what it costs in dollars."""

    item: str
    quantity: float
    usd: float


def function_cost(usage: Usage, prices: Prices) -> float:
    """Lambda's time and requests of one function, in dollars."""
    return sum(
        metered(meter, usage[meter], prices).usd
        for meter in ("megabyte_milliseconds", "invocations")
    )


def bill(usages: Iterable[Usage], prices: Prices) -> list[Line]:
    """Everything that is paid by use, by meter; what was not used is left out."""
    sums = total(usages)
    lines = [metered(meter, sums[meter], prices) for meter in RATES if sums[meter]]
    if sums["vision_tokens"]:
        lines.append(Line("vision_tokens", sums["vision_tokens"], sums["vision_usd"]))
    return lines


def metered(meter: str, amount: float, prices: Prices) -> Line:
    """What so much of a meter costs."""
    quantity = amount / MEGABYTE_MILLISECONDS if meter == "megabyte_milliseconds" else amount
    name = "gb_seconds" if meter == "megabyte_milliseconds" else meter
    return Line(name, quantity, prices.cost(RATES[meter], quantity))


def spent(lines: Sequence[Line]) -> float:
    """Dollars, of all lines together."""
    return sum(line.usd for line in lines)


def a_chunk(usages: Sequence[Usage], prices: Prices) -> float | None:
    """What a chunk cost in dollars, of all functions that it went through; None without chunks.

    Chunks are counted by the embedder, which each passes once. What the api and the analyst were
    asked besides is left out: it is not the chunks' doing.
    """
    ingest = [usage for usage in usages if usage.function not in {"api", "analyst"}]
    chunks = sum(usage["chunks"] for usage in ingest if usage.function == "embedder")
    return spent(bill(ingest, prices)) / chunks if chunks else None
