"""What the functions count of their own use, and when they write it down."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ragline.domain.errors import InvalidRequest
from ragline.domain.times import utc_now
from ragline.domain.usage import STACK, Usage, check_month, month_of, shared, total
from ragline.meter import Meter

READ, WRITE = "dynamodb_read_units", "dynamodb_write_units"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def work(meter: Meter, seconds: float = 1.0, event: object = None) -> None:
    meter.invoked(event or {}, seconds=seconds, cpu_seconds=seconds / 2, megabytes=1_024)


def call(meter: Meter, service: str, operation: str, **parsed: Any) -> None:
    model = SimpleNamespace(
        name=operation, service_model=SimpleNamespace(service_name=service), input_shape=None
    )
    meter._called(model, parsed)


def drained(meter: Meter, worth: float = 500) -> dict[str, dict[str, float]]:
    return meter.drain(worth)


def test_an_invocation_counts_its_time_and_its_time_times_memory() -> None:
    meter = Meter()
    meter.works_for("acme")
    work(meter, 2.0)
    used = drained(meter)["acme"]
    assert used["milliseconds"] == 2_000
    assert used["cpu_milliseconds"] == 1_000
    assert used["megabyte_milliseconds"] == 2_000 * 1_024
    assert used["invocations"] == 1


def test_a_batch_of_two_tenants_is_shared_by_their_chunks() -> None:
    meter = Meter()
    meter.works_for("acme", 30)
    meter.works_for("zeta", 10)
    meter.count("chunks", 40)
    work(meter, 4.0)
    used = drained(meter)
    assert {tenant: one["milliseconds"] for tenant, one in used.items()} == {
        "acme": 3_000,
        "zeta": 1_000,
    }
    assert used["zeta"]["chunks"] == 10


def test_what_belongs_to_nobody_is_the_stacks() -> None:
    meter = Meter()
    work(meter)
    assert list(drained(meter)) == [STACK]


def test_the_shares_of_one_invocation_do_not_reach_the_next() -> None:
    meter = Meter()
    meter.works_for("acme")
    work(meter)
    meter.works_for("zeta")
    work(meter)
    used = drained(meter)
    assert used["acme"]["milliseconds"] == used["zeta"]["milliseconds"] == 1_000


def test_little_work_waits_for_more_but_not_longer_than_a_minute() -> None:
    clock = Clock()
    meter = Meter(clock)
    work(meter, 0.01)
    assert drained(meter)  # a process that was just started may end at once
    work(meter, 0.01)
    assert not drained(meter)
    clock.now += 61
    work(meter, 0.01)
    assert drained(meter)[STACK]["invocations"] == 2


def test_much_work_is_written_down_at_once() -> None:
    meter = Meter(Clock())
    work(meter, 0.01)
    drained(meter)
    work(meter, 0.6)
    assert drained(meter)[STACK]["invocations"] == 1
    assert not drained(meter)


@pytest.mark.parametrize(
    ("service", "operation", "parsed", "expected"),
    [
        ("s3", "PutObject", {}, {"s3_writes": 1}),
        ("s3", "ListObjectsV2", {}, {"s3_writes": 1}),
        ("s3", "GetObject", {}, {"s3_reads": 1}),
        ("s3", "HeadObject", {}, {"s3_reads": 1}),
        ("s3", "DeleteObjects", {}, {}),
        ("sqs", "SendMessageBatch", {}, {"sqs_requests": 1}),
        (
            "dynamodb",
            "TransactWriteItems",
            {"ConsumedCapacity": [{"CapacityUnits": 12.0}, {"CapacityUnits": 2.0}]},
            {"dynamodb_write_units": 14},
        ),
        ("dynamodb", "Query", {"ConsumedCapacity": {"CapacityUnits": 0.5}}, {READ: 0.5}),
        ("dynamodb", "TransactWriteItems", {"CancellationReasons": [{}, {}]}, {WRITE: 4}),
        ("dynamodb", "PutItem", {"Error": {}}, {"dynamodb_write_units": 1}),
    ],
)  # fmt: skip
def test_a_call_counts_as_what_it_is_paid_as(
    service: str, operation: str, parsed: dict[str, Any], expected: dict[str, float]
) -> None:
    meter = Meter()
    call(meter, service, operation, **parsed)
    work(meter)
    used = drained(meter)[STACK]
    paid = {name: n for name, n in used.items() if name.startswith(("s3", "sqs", "dynamodb"))}
    assert paid == expected
    assert used["calls"] == 1


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"httpMethod": "GET"}, "api_requests"),
        ({"Records": [{"eventSource": "aws:sqs", "eventSourceARN": "a:Chunks"}]}, "sqs_requests"),
        (
            {"Records": [{"eventSource": "aws:sqs", "eventSourceARN": "a:Ops.fifo"}]},
            "sqs_fifo_requests",
        ),
        ({"Records": [{"eventSource": "aws:s3"}]}, None),
    ],
)
def test_what_brings_an_event_is_paid_too(event: dict[str, Any], expected: str | None) -> None:
    meter = Meter()
    work(meter, event=event)
    used = drained(meter)[STACK]
    brought = {name for name in used if name.endswith("_requests")}
    assert brought == ({expected} if expected else set())


def test_shares_add_up_to_the_whole() -> None:
    parts = shared({"calls": 9.0}, {"a": 1, "b": 2, "nobody": 0})
    assert parts == {"a": {"calls": 3.0}, "b": {"calls": 6.0}}


def test_what_functions_used_adds_up() -> None:
    both = total([Usage("a", {"calls": 1}), Usage("b", {"calls": 2, "s3_reads": 3})])
    assert (both["calls"], both["s3_reads"]) == (3, 3)


def test_a_month_is_checked() -> None:
    assert check_month(month_of(utc_now()))
    for wrong in ("2026", "2026-13", "2026-1", "november", "2026-11-01"):
        with pytest.raises(InvalidRequest, match="2026-11"):
            check_month(wrong)
