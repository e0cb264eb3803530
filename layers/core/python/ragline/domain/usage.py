"""What was used of the services that are paid by use. Pure.

Measured by the functions themselves, kept per tenant, month and function. A batch that holds work
of several tenants is shared among them by chunks. It is approximate: what a process that is killed
had not written yet is lost, an invocation that timed out is not counted, and requests that are not
boto3's (LanceDB's own S3 client, an upload by its URL) are not seen. Nor is what Textract or a
model of Bedrock takes for OCR.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ragline.domain.errors import InvalidRequest

METERS = (
    "invocations", "milliseconds", "cpu_milliseconds", "megabyte_milliseconds", "chunks", "calls",
    "api_requests", "dynamodb_write_units", "dynamodb_read_units", "s3_writes", "s3_reads",
    "sqs_requests", "sqs_fifo_requests", "vision_tokens", "vision_usd",
)  # fmt: skip
"""What is counted. ``megabyte_milliseconds``: the function's memory times its time, as Lambda bills
it; ``calls``: of AWS services, all together; ``s3_writes`` are LISTs too, which cost the same;
``chunks``: that went through the function. ``vision_usd``: what ``vision_tokens`` cost, in dollars,
for each model has prices of its own."""

STACK = ""
"""In a tenant's place: what belongs to no tenant, such as maintenance."""

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one function used for one tenant in one month: meter → how much."""

    function: str
    counts: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, meter: str) -> float:
        return self.counts.get(meter, 0.0)


def month_of(now: datetime) -> str:
    """The month that something is counted in, UTC: ``2026-11``."""
    return f"{now:%Y-%m}"


def check_month(text: str) -> str:
    """Raises InvalidRequest if the text is no month."""
    if not _MONTH.fullmatch(text):
        raise InvalidRequest(f"month {text[:20]!r} is none: give a year and a month as '2026-11'.")
    return text


def shared(counts: Mapping[str, float], shares: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Tenant → its part of ``counts``, by ``shares``; all is the stack's if nobody has a share."""
    whole = sum(shares.values())
    if not whole:
        return {STACK: dict(counts)}
    return {
        tenant: {meter: amount * share / whole for meter, amount in counts.items()}
        for tenant, share in shares.items()
        if share
    }


def total(usages: Iterable[Usage]) -> dict[str, float]:
    """Meter → how much, of all functions together."""
    sums = dict.fromkeys(METERS, 0.0)
    for usage in usages:
        for meter, amount in usage.counts.items():
            sums[meter] = sums.get(meter, 0.0) + amount
    return sums
