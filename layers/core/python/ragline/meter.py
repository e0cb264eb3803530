"""Counts what an invocation uses: its time, and the requests that its boto3 clients make.

Hooks of botocore see every call; DynamoDB is asked to say what units each one took. What was
counted is handed over by ``drain`` now and then, not after every invocation: a write for each
would cost the api as much as its answers do. See ``domain.usage`` for what is not seen.
https://docs.aws.amazon.com/boto3/latest/guide/events.html
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from ragline.domain.errors import MalformedMessage
from ragline.domain.keys import parse_upload_key
from ragline.domain.usage import shared

WORTH_A_WRITE_SECONDS = 60
"""Little work waits so long for more."""

_READS = ("GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems")


class Meter:
    """One process's. Threads may count; invocations come one after another."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, float] = defaultdict(float)
        self._shares: dict[str, float] = defaultdict(float)
        self._pending: dict[str, dict[str, float]] = {}
        self._drained = -float(WORTH_A_WRITE_SECONDS)

    def count(self, meter: str, amount: float = 1) -> None:
        """``amount`` more of a meter, in this invocation."""
        with self._lock:
            self._counts[meter] += amount

    def works_for(self, tenant: str, share: float = 1) -> None:
        """This invocation is ``tenant``'s, by so big a share: chunks, where there are any."""
        with self._lock:
            self._shares[tenant] += share

    def works_for_upload(self, key: str) -> None:
        """This invocation is that tenant's whose upload this is; nobody's if it is none."""
        with suppress(MalformedMessage):
            self.works_for(parse_upload_key(key).partition.tenant)

    def watch(self, client: Any) -> None:
        """Count the calls of a boto3 client."""
        service = client.meta.service_model.service_name
        events = client.meta.events
        if service == "dynamodb":
            events.register("provide-client-params.dynamodb", _ask_for_units)
        events.register(f"after-call.{service}", self._called)

    def invoked(self, event: object, *, seconds: float, cpu_seconds: float, megabytes: int) -> None:
        """An invocation is over: what it used is its tenants'."""
        self.count("invocations")
        self.count("milliseconds", seconds * 1_000)
        self.count("cpu_milliseconds", cpu_seconds * 1_000)
        self.count("megabyte_milliseconds", seconds * 1_000 * megabytes)
        for meter, amount in _brought(event).items():
            self.count(meter, amount)
        with self._lock:
            for tenant, counts in shared(self._counts, self._shares).items():
                pending = self._pending.setdefault(tenant, defaultdict(float))
                for meter, amount in counts.items():
                    pending[meter] += amount
            self._counts.clear()
            self._shares.clear()

    def drain(self, worth_milliseconds: float) -> dict[str, dict[str, float]]:
        """Tenant → what is to be written down now; nothing if it is little work and soon.

        A write lasts some milliseconds: 1 % of 500.
        """
        now = self._clock()
        with self._lock:
            work = sum(counts["milliseconds"] for counts in self._pending.values())
            young = now - self._drained < WORTH_A_WRITE_SECONDS
            if not self._pending or (young and work < worth_milliseconds):
                return {}
            self._drained = now
            drained = {tenant: dict(counts) for tenant, counts in self._pending.items()}
            self._pending.clear()
        return drained

    def _called(self, model: Any, parsed: Mapping[str, Any], **_: object) -> None:
        for meter, amount in _of_call(model.service_model.service_name, model.name, parsed).items():
            self.count(meter, amount)


@cache
def meter() -> Meter:
    """This process's."""
    return Meter()


def _ask_for_units(params: dict[str, Any], model: Any, **_: object) -> dict[str, Any] | None:
    if "ReturnConsumedCapacity" not in model.input_shape.members:
        return None
    return {"ReturnConsumedCapacity": "TOTAL", **params}


def _of_call(service: str, operation: str, parsed: Mapping[str, Any]) -> dict[str, float]:
    """What one call counts as. Deleting objects is free."""
    found: dict[str, float] = {"calls": 1}
    if service == "dynamodb":
        which = "dynamodb_read_units" if operation in _READS else "dynamodb_write_units"
        found[which] = _units(parsed)
    elif service == "s3" and not operation.startswith("Delete"):
        found["s3_reads" if operation.startswith(("Get", "Head")) else "s3_writes"] = 1
    elif service == "sqs":
        found["sqs_requests"] = 1
    return found


def _units(parsed: Mapping[str, Any]) -> float:
    """As DynamoDB says. A call that it refused took units as well, but it does not say how many."""
    said = parsed.get("ConsumedCapacity")
    if not said:
        reasons = parsed.get("CancellationReasons") or ()
        return 2 * len(reasons) if reasons else 1
    each = said if isinstance(said, list) else [said]
    return sum(float(one.get("CapacityUnits", 0)) for one in each)


def _brought(event: object) -> dict[str, float]:
    """What it cost to bring the event: API Gateway's request, or the receive and the deletion of a
    batch, which Lambda does on our behalf and at our cost."""
    if not isinstance(event, dict):
        return {}
    if "httpMethod" in event:
        return {"api_requests": 1}
    records = event.get("Records")
    first = records[0] if isinstance(records, list) and records else {}
    if isinstance(first, dict) and first.get("eventSource") == "aws:sqs":
        fifo = str(first.get("eventSourceARN", "")).endswith(".fifo")
        return {"sqs_fifo_requests" if fifo else "sqs_requests": 2}
    return {}
