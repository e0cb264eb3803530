"""The tables of docs/cost.md, computed from the template, the measured figures and the prices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ragline.domain.costs import Line, function_cost, spent
from ragline.domain.figures import Size, ingest_lines, storage_lines, usages
from ragline.local.template import load
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

MAINTENANCE_CALLS = {
    "s3.write": 3,
    "sqs.request": 2,
    "sqs.fifo_request": 1,
    "dynamodb.read_unit": 4,
}
"""Of a run that finds nothing to do: three LIST of the index, the counts of three queues, eight
queries of half a unit; leftover passwords, in Parameter Store, are looked for at no price. Counted
in ``tests/integration/test_drift_metrics.py``."""

DAILY_METRICS = ("RowsCompared", "IndexOps", "WaitIndexOps", "Busy", "ColdStart")
"""What the indexer sends when it is woken to compare, once a day where nothing comes in. Metrics
are paid by the hour in which they are sent. Maintenance itself sends none that is 0."""

DASHBOARD_METRICS = 50
"""A dashboard of more is not free."""

FREE = {
    "metrics sent": 10,
    "metrics that alarms": 10,
    "dashboards": 3,
    "Lambda's polls": 1_000_000,
    "traces": 100_000,
}
"""The free tiers of CloudWatch, SQS and X-Ray that do not end: see the price table's sources."""

OBSERVABILITY = ("full", "alarms", "none")
"""Values of the template's parameter: the idle table's columns."""

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
    """Name and body of the resources of a type, in template.yaml and those of its leaves that are
    there whatever the parameters."""
    leaves = {
        ROOT / "infra" / name for name in ("observability.yaml", "protection.yaml", "push.yaml")
    }
    for path in (ROOT / "template.yaml", *sorted(leaves)):
        for logical, resource in load(path)["Resources"].items():
            if resource["Type"] == kind:
                yield logical, resource


def queues_read() -> tuple[int, int]:
    """How many queues Lambda polls, and how many of these are FIFO."""
    queues = dict(of_type("AWS::SQS::Queue"))
    read = [
        event["Properties"]["Queue"]["Fn::GetAtt"][0]
        for _, properties in functions()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "SQS"
    ]
    return len(read), sum(queues[name]["Properties"].get("FifoQueue", False) for name in read)


def alarm_metrics() -> int:
    """How many metrics the alarms watch: each is paid by itself."""
    return sum(
        max(1, sum("MetricStat" in one for one in alarm["Properties"].get("Metrics", [])))
        for _, alarm in of_type("AWS::CloudWatch::Alarm")
    )


def dashboard_metrics() -> int:
    """How many metrics the dashboards name, without those that a search finds besides."""
    named = set()
    for _, dashboard in of_type("AWS::CloudWatch::Dashboard"):
        body = json.loads(dashboard["Properties"]["DashboardBody"]["Fn::Sub"])
        for widget in body["widgets"]:
            lines = widget["properties"]["metrics"]
            named |= {tuple(one[:-1]) for one in lines if isinstance(one[0], str)}
    return len(named)


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


def idle(observability: str = "full") -> list[Line]:
    """A month in which a million chunks are kept, and nobody asks."""
    measured, table = figures(), prices()
    size = Size(MILLION // USUAL, MILLION)
    stores = [
        Line(f"{_store(line.item)}, GB", line.quantity, line.usd)
        for line in storage_lines(size, measured, table)
    ]
    queues, fifo = queues_read()
    rates = table.rates["sqs.request"], table.rates["sqs.fifo_request"]
    polled = POLLS_A_MONTH * ((queues - fifo) * rates[0] + fifo * rates[1])
    secrets = len(list(of_type("AWS::SecretsManager::Secret")))
    return [
        *stores,
        Line(f"SQS: Lambda's polls of {queues} queues", queues * POLLS_A_MONTH, polled),
        _priced("Secrets Manager: the owner's key", secrets, "secretsmanager.secret_month"),
        *_maintenance(),
        _priced("CloudWatch: metrics sent", len(DAILY_METRICS) / 24, "cloudwatch.metric_month"),
        *_watched(observability),
    ]


def _maintenance() -> list[Line]:
    """What the one function takes that runs by the clock."""
    table, memory = prices(), dict(functions())["maintenance"]["MemorySize"]
    gb_seconds = MAINTENANCE_RUNS * MAINTENANCE_MILLISECONDS / 1_000 * memory / 1_024
    runs = table.cost("lambda.gb_second_x86_64", gb_seconds)
    runs += table.cost("lambda.request", MAINTENANCE_RUNS)
    asked = sum(
        table.cost(what, MAINTENANCE_RUNS * times) for what, times in MAINTENANCE_CALLS.items()
    )
    calls = MAINTENANCE_RUNS * sum(MAINTENANCE_CALLS.values())
    return [
        Line("Lambda: maintenance, runs", MAINTENANCE_RUNS, runs),
        Line("S3, SQS, DynamoDB: what it asks of them", calls, asked),
        _priced("X-Ray: its traces", MAINTENANCE_RUNS, "xray.trace"),
    ]


def _watched(observability: str) -> list[Line]:
    """Alarms and dashboards, as far as the parameter has them deployed."""
    alarms = alarm_metrics() if observability != "none" else 0
    dashboards = len(list(of_type("AWS::CloudWatch::Dashboard")))
    return [
        _priced("CloudWatch: metrics that alarms watch", alarms, "cloudwatch.alarm_metric_month"),
        _priced(
            "CloudWatch: dashboards",
            dashboards if observability == "full" else 0,
            "cloudwatch.dashboard_month",
        ),
    ]


def _priced(item: str, quantity: float, rate: str) -> Line:
    return Line(item, quantity, prices().cost(rate, quantity))


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
    whole, least = idle("full"), idle("none")
    data = sum(line.usd for line in least if "GB" in line.item)
    return [
        f"| AWS' list price of a million chunks taken in: documents of {sizes} | {taken_in} |",
        "| … kept for a month while nobody asks: data; all that runs; with alarms and dashboard "
        f"| {_usd(data)}; {_usd(spent(least))}; {_usd(spent(whole))} |",
        "| … the last two, less the free tiers that do not end "
        f"| {_usd(spent(least) - free(least))}; {_usd(spent(whole) - free(whole))} |",
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
    columns = {value: idle(value) for value in OBSERVABILITY}
    rows = []
    for n, line in enumerate(columns["full"]):
        costs = " | ".join(_usd(of[n].usd) if of[n].quantity else "-" for of in columns.values())
        rows.append(f"| {line.item} | {_amount(line.quantity)} | {costs} |")
    sums = " | ".join(f"**{_usd(spent(of))}**" for of in columns.values())
    left = [spent(of) - free(of) for of in columns.values()]
    after = " | ".join(f"**{_usd(one)}**" for one in left)
    goal = " | ".join(
        f"{_verdict(spent(of), IDLE_GOAL)}; {_verdict(one, IDLE_GOAL)} less these"
        for of, one in zip(columns.values(), left, strict=True)
    )
    return "\n".join(
        [
            f"| a month, `Observability` | how much | {' | '.join(columns)} |",
            "|---|---:|" + "---:|" * len(columns),
            *rows,
            f"| **together** | | {sums} |",
            f"| less the free tiers that do not end | | {after} |",
            f"| goal: at most {_usd(IDLE_GOAL)} | | {goal} |",
        ]
    )


def free(lines: list[Line]) -> float:
    """What of these the free tier gives back."""
    given = 0.0
    for line in lines:
        amount = sum(n for what, n in FREE.items() if what in line.item)
        if "dashboards" in line.item and dashboard_metrics() > DASHBOARD_METRICS:
            amount = 0
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
