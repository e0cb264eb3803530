"""The tables of docs/cost.md, computed from the template, the measured figures and the prices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragline.domain.costs import Line, function_cost, spent
from ragline.domain.figures import Size, ingest_lines, storage_lines, usages
from ragline.local.template import load
from ragline.metrics import BACKLOG, VERDICTS
from ragline.prices import figures, prices

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/cost.md"
MILLION = 1_000_000
DOCUMENT_CHUNKS = (20, 100, 1_000)
"""Of a document: the tables' columns."""

USUAL = 100

SOURCES = {"ApiFunction": "api"}
"""Functions whose logical name is not their own."""

POLLS_A_MONTH = 5 * 3 * 60 * 730
"""Of a queue that is empty: Lambda long-polls it five times at once, 20 seconds each.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html, and .../services-sqs-scaling.html
"""

MAINTENANCE_RUNS = 12 * 730
MAINTENANCE_MILLISECONDS = 300
"""Taken, not measured: some queries, and a listing of the index."""

IDLE_METRICS = len(VERDICTS) + len(BACKLOG) + 2
"""What the maintenance function sends every five minutes, with its own Busy and ColdStart."""

FREE = {"metrics sent": 10, "metrics that alarms": 10, "dashboards": 3, "Lambda's polls": 1_000_000}
"""The free tiers of CloudWatch and SQS that do not end: see the sources of the price table."""

INGEST_GOAL = IDLE_GOAL = 5.0

_GB_MONTHS = "_gigabyte_months"


def memory() -> dict[str, int]:
    """Function → its megabytes, as the template has them."""
    return {
        name: int(properties["MemorySize"])
        for name, properties in functions()
        if name not in {"maintenance", "dead-letters", "authorizer"}
    }


def functions() -> Iterator[tuple[str, dict[str, Any]]]:
    for logical, resource in of_type("AWS::Serverless::Function"):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", logical).lower()
        yield SOURCES.get(logical, name), resource["Properties"]


def of_type(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and body of the resources of a type, in template.yaml and its leaves."""
    for path in (ROOT / "template.yaml", *sorted((ROOT / "infra").glob("*.yaml"))):
        for logical, resource in load(path)["Resources"].items():
            if resource["Type"] == kind:
                yield logical, resource


def queues_read() -> tuple[int, int]:
    """How many queues Lambda polls, and how many of these are FIFO."""
    read = sum(
        event["Type"] == "SQS"
        for _, properties in functions()
        for event in properties.get("Events", {}).values()
    )
    fifo = sum(
        queue["Properties"].get("FifoQueue", False) for _, queue in of_type("AWS::SQS::Queue")
    )
    return read, fifo


def alarm_metrics() -> int:
    """How many metrics the alarms watch: each is paid by itself."""
    return sum(
        max(1, sum("MetricStat" in one for one in alarm["Properties"].get("Metrics", [])))
        for _, alarm in of_type("AWS::CloudWatch::Alarm")
    )


def ingest(chunks_each: int) -> list[Line]:
    """What taking in a million chunks costs, by what it is paid for."""
    size = Size(MILLION // chunks_each, MILLION)
    measured, table = figures(), prices()
    lambdas = [
        Line(f"Lambda: {used.function}", used["milliseconds"] / 1_000, function_cost(used, table))
        for used in usages(size, measured)
    ]
    told = {
        "api_requests": "API Gateway: requests",
        "dynamodb_write_units": "DynamoDB: write units",
        "dynamodb_read_units": "DynamoDB: read units",
        "s3_writes": "S3: PUT and LIST",
        "s3_reads": "S3: GET",
        "sqs_requests": "SQS: requests",
        "sqs_fifo_requests": "SQS: FIFO requests",
        "log_gigabytes": "CloudWatch: logs, GB",
    }
    others = [
        Line(told[line.item], line.quantity, line.usd)
        for line in ingest_lines(size, measured, table)
        if line.item in told
    ]
    return [*lambdas, *others]


def idle() -> list[Line]:
    """A month in which a million chunks are kept, and nobody asks."""
    measured, table = figures(), prices()
    size = Size(MILLION // USUAL, MILLION)
    stores = [
        Line(f"{_store(line.item)}, GB", line.quantity, line.usd)
        for line in storage_lines(size, measured, table)
    ]
    queues, fifo = queues_read()
    polls = queues * POLLS_A_MONTH
    rates = table.rates["sqs.request"], table.rates["sqs.fifo_request"]
    polled = POLLS_A_MONTH * ((queues - fifo) * rates[0] + fifo * rates[1])
    dashboards = len(list(of_type("AWS::CloudWatch::Dashboard")))
    watched = alarm_metrics()
    metrics = [
        Line(
            "CloudWatch: metrics sent while idle",
            IDLE_METRICS,
            IDLE_METRICS * table.rates["cloudwatch.metric_month"],
        ),
        Line(
            "CloudWatch: metrics that alarms watch",
            watched,
            watched * table.rates["cloudwatch.alarm_metric_month"],
        ),
        Line(
            "CloudWatch: dashboards",
            dashboards,
            dashboards * table.rates["cloudwatch.dashboard_month"],
        ),
    ]
    runs = dict(functions())["maintenance"]
    gb_seconds = MAINTENANCE_RUNS * MAINTENANCE_MILLISECONDS / 1_000 * runs["MemorySize"] / 1_024
    maintenance = table.cost("lambda.gb_second_x86_64", gb_seconds) + table.cost(
        "lambda.request", MAINTENANCE_RUNS
    )
    return [
        *stores,
        Line(f"SQS: Lambda's polls of {queues} queues", polls, polled),
        Line("Lambda: maintenance, runs", MAINTENANCE_RUNS, maintenance),
        *metrics,
    ]


def _store(item: str) -> str:
    name = item.removesuffix(_GB_MONTHS)
    return "DynamoDB: ledger, with point-in-time recovery" if name == "ledger" else f"S3: {name}"


def write() -> None:
    """Put the tables into their places."""
    text = PAGE.read_text()
    for name, table in tables().items():
        text = placed(text, name, table)
    PAGE.write_text(text)


def placed(text: str, name: str, table: str) -> str:
    marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = text.partition(marks[0])
    _, _, after = rest.partition(marks[1])
    return f"{before}{marks[0]}\n{table}\n{marks[1]}{after}"


def tables() -> dict[str, str]:
    """The marks that a table stands between → the table."""
    return {"ingest": _ingest_table(), "idle": _idle_table(), "prices": _price_table()}


def readme_rows() -> list[str]:
    """The rows of the README's table of figures."""
    taken_in = ", ".join(_usd(spent(ingest(each))) for each in DOCUMENT_CHUNKS)
    sizes = ", ".join(f"{each:,}" for each in DOCUMENT_CHUNKS)
    lines = idle()
    data = sum(line.usd for line in lines if "GB" in line.item)
    watched = sum(line.usd for line in lines if line.item.startswith("CloudWatch"))
    rest = spent(lines) - data - watched
    return [
        f"| AWS' list price of a million chunks taken in: documents of {sizes} | {taken_in} |",
        "| … kept for a month while nobody asks: data; polls and maintenance; alarms, dashboard, "
        f"metrics | {_usd(data)}; {_usd(rest)}; {_usd(watched)} |",
        f"| … that, less the free tiers that do not end | {_usd(spent(lines) - free(lines))} |",
    ]


def _ingest_table() -> str:
    columns = {each: ingest(each) for each in DOCUMENT_CHUNKS}
    quantities = {line.item: line.quantity for line in columns[USUAL]}
    rows = []
    for item, quantity in quantities.items():
        unit = " s" if item.startswith("Lambda") else ""
        costs = (_usd(next(one.usd for one in of if one.item == item)) for of in columns.values())
        rows.append(f"| {item} | {_amount(quantity)}{unit} | {' | '.join(costs)} |")
    sums = " | ".join(f"**{_usd(spent(of))}**" for of in columns.values())
    goal = " | ".join(_verdict(spent(of), INGEST_GOAL) for of in columns.values())
    head = " | ".join(f"documents of {each:,} chunks" for each in DOCUMENT_CHUNKS)
    return "\n".join(
        [
            f"| a million chunks | how much, at {USUAL} | {head} |",
            "|---|---:|" + "---:|" * len(columns),
            *rows,
            f"| **together** | | {sums} |",
            f"| goal: at most {_usd(INGEST_GOAL)} | | {goal} |",
        ]
    )


def _idle_table() -> str:
    lines = idle()
    rows = [f"| {line.item} | {_amount(line.quantity)} | {_usd(line.usd)} |" for line in lines]
    whole = spent(lines)
    after = whole - free(lines)
    return "\n".join(
        [
            "| a month | how much | |",
            "|---|---:|---:|",
            *rows,
            f"| **together** | | **{_usd(whole)}** |",
            f"| less the free tiers that do not end | | **{_usd(after)}** |",
            f"| goal: at most {_usd(IDLE_GOAL)} | | {_verdict(whole, IDLE_GOAL)}; "
            f"{_verdict(after, IDLE_GOAL)} less these |",
        ]
    )


def free(lines: list[Line]) -> float:
    """What of these the free tier gives back."""
    given = 0.0
    for line in lines:
        amount = sum(n for what, n in FREE.items() if what in line.item)
        given += line.usd * min(1.0, amount / line.quantity) if line.quantity else 0.0
    return given


def _price_table() -> str:
    table = prices()
    rows = [
        f"| {name} | ${rate:.10f}".rstrip("0") + f" | {table.sources[name.split('.')[0]]} |"
        for name, rate in table.rates.items()
    ]
    head = f"| {table.region}, {table.as_of} | for one | source |"
    return "\n".join([head, "|---|---:|---|", *rows])


def _usd(amount: float) -> str:
    return f"${amount:.2f}"


def _amount(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 else f"{quantity:.3g}"


def _verdict(amount: float, goal: float) -> str:
    return "reached" if amount <= goal else "missed"
