"""What goes on in a stack, as numbers: where `ragline top` has them from.

On AWS from CloudWatch's metrics. A local cloud has none, but its functions write the same lines,
and in these is all that CloudWatch would make metrics of: so there the lines are added up here.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from ragline import metrics
from ragline.cli import aws
from ragline.cli.logs import Entry, fields_of, read
from ragline.domain.documents import Status

ENDINGS = (Status.INDEXED, Status.PARTIAL, Status.EMPTY, Status.FAILED)
UNDER_WAY = (Status.AWAITING_UPLOAD, Status.SPLITTING, Status.PROCESSING)
TROUBLE = (Status.FAILED, Status.PARTIAL)
MOVED = "document moved"

_REPORT = re.compile(r"REPORT RequestId: \S+\s.*?\bDuration: ([\d.]+) ms")
_OWN = (
    *(metrics.ENDED[one] for one in ENDINGS),
    *metrics.CHUNKS.values(),
    metrics.QUERIES,
    metrics.DEAD_LETTERS,
)


@dataclass(frozen=True, slots=True)
class FunctionWork:
    """Of one function in the window; durations in milliseconds, None where it did not run."""

    invocations: int = 0
    errors: int = 0
    median: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """A document that ended badly."""

    time: str
    document_id: str
    status: str
    code: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class Work:
    """What was done in the window. ``counts``: metric → sum; ``query_p95`` in milliseconds.

    ``waits``: queue's logical name → how long its messages waited, in seconds.
    """

    functions: Mapping[str, FunctionWork]
    counts: Mapping[str, float]
    query_p95: float | None = None
    waits: Mapping[str, float] = field(default_factory=dict)
    troubles: Sequence[Trouble] = ()


class Watcher(Protocol):
    def work(self, since: datetime, now: datetime) -> Work: ...


class LogWatcher:
    """``Watcher`` by the functions' own lines; each is read once and kept while it counts.

    ``groups`` maps log groups to what to call their functions.
    """

    def __init__(self, logs: Any, groups: Mapping[str, str]) -> None:
        self._logs = logs
        self._groups = groups
        self._entries: dict[str, Entry] = {}

    def work(self, since: datetime, now: datetime) -> Work:
        first = int(since.timestamp() * 1_000)
        latest = max((one.time for one in self._entries.values()), default=first)
        for entry in read(self._logs, self._groups, max(first, latest - 10_000), sleep=None):
            self._entries[entry.event_id] = entry
        self._entries = {name: one for name, one in self._entries.items() if one.time >= first}
        return summed(sorted(self._entries.values(), key=lambda one: one.time), self._groups)


class MetricWatcher:
    """``Watcher`` by CloudWatch. ``functions`` maps functions' names to what to call them."""

    def __init__(
        self,
        cloudwatch: Any,
        logs: Any,
        stack: str,
        functions: Mapping[str, str],
        queues: Mapping[str, str],
    ) -> None:
        self._cloudwatch = cloudwatch
        self._logs = logs
        self._stack = stack
        self._functions = functions
        self._queues = queues

    def work(self, since: datetime, now: datetime) -> Work:
        """The statistics are those of one period: the window, and the minute that it begins in."""
        period = (math.ceil((now - since).total_seconds() / 60) + 1) * 60
        asked = {f"m{n}": one for n, one in enumerate(self._questions())}
        queries = [_query(name, *one[1:], period=period) for name, one in asked.items()]
        values: dict[tuple[str, str], float] = {}
        with aws.translated("reading CloudWatch metrics"):
            pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries,
                StartTime=since,
                EndTime=now,
                ScanBy="TimestampDescending",
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    if result["Values"]:
                        values[asked[result["Id"]][0]] = float(result["Values"][0])
        return Work(
            {
                name: FunctionWork(
                    int(values.get((name, "Invocations"), 0)),
                    int(values.get((name, "Errors"), 0)),
                    values.get((name, "p50")),
                    values.get((name, "p95")),
                )
                for name in self._functions.values()
            },
            {one.name: values[one.name, ""] for one in _OWN if (one.name, "") in values},
            values.get(("QueryTotal", "p95")),
            {name: values[name, "age"] for name in self._queues if (name, "age") in values},
            self._troubles(since),
        )

    def _questions(self) -> list[tuple[tuple[str, str], str, str, dict[str, str], str]]:
        """(what is meant, namespace, metric, dimensions, statistic)."""
        own = {"service": "ragline", "stack": self._stack}
        found = [((one.name, ""), metrics.NAMESPACE, one.name, own, "Sum") for one in _OWN]
        total = metrics.QUERY_STAGES["total"].name
        found.append((("QueryTotal", "p95"), metrics.NAMESPACE, total, own, "p95"))
        for function, name in self._functions.items():
            where = {"FunctionName": function}
            for metric, stat in (("Invocations", "Sum"), ("Errors", "Sum")):
                found.append(((name, metric), "AWS/Lambda", metric, where, stat))
            for stat in ("p50", "p95"):
                found.append(((name, stat), "AWS/Lambda", "Duration", where, stat))
        for name, url in self._queues.items():
            queue = {"QueueName": url.rsplit("/", 1)[-1]}
            age = "ApproximateAgeOfOldestMessage"
            found.append(((name, "age"), "AWS/SQS", age, queue, "Maximum"))
        return found

    def _troubles(self, since: datetime) -> list[Trouble]:
        groups = {f"/aws/lambda/{function}": name for function, name in self._functions.items()}
        start = int(since.timestamp() * 1_000)
        statuses = " || ".join(f'$.status = "{one.value}"' for one in TROUBLE)
        pattern = f'{{ $.message = "{MOVED}" && ({statuses}) }}'
        return _troubles(read(self._logs, groups, start, sleep=None, pattern=pattern))


def summed(entries: Sequence[Entry], groups: Mapping[str, str]) -> Work:
    """What CloudWatch would have made of these lines."""
    durations: dict[str, list[float]] = defaultdict(list)
    failed: Counter[str] = Counter()
    measured: dict[str, list[float]] = defaultdict(list)
    for entry in entries:
        if report := _REPORT.match(entry.message):
            durations[entry.function].append(float(report[1]))
            continue
        told = fields_of(entry.message)
        if told is None:
            continue
        if told.get("message") == "invocation failed":
            failed[entry.function] += 1
        for name, values in _measured(told):
            measured[name] += values
    functions = {
        name: FunctionWork(
            len(durations[name]),
            failed[name],
            _at(durations[name], 0.5),
            _at(durations[name], 0.95),
        )
        for name in groups.values()
    }
    queues = {"pages": "PagesQueue", "chunks": "ChunksQueue", "index_ops": "IndexOpsQueue"}
    waits = {
        queue: measured[metrics.WAITED[source].name][-1] / 1_000
        for source, queue in queues.items()
        if measured[metrics.WAITED[source].name]
    }
    counts = {one.name: sum(measured[one.name]) for one in _OWN if one.name in measured}
    return Work(
        functions,
        counts,
        _at(measured[metrics.QUERY_STAGES["total"].name], 0.95),
        waits,
        _troubles(entries),
    )


def _measured(told: Mapping[str, Any]) -> list[tuple[str, list[float]]]:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""
    names = {
        metric["Name"]
        for directive in told.get("_aws", {}).get("CloudWatchMetrics", ())
        for metric in directive["Metrics"]
    }
    found = ((name, told[name]) for name in names)
    return [(name, value if isinstance(value, list) else [value]) for name, value in found]


def _troubles(entries: Any) -> list[Trouble]:
    """The latest first."""
    found = []
    for entry in entries:
        told = fields_of(entry.message) or {}
        if told.get("message") == MOVED and told.get("status") in set(TROUBLE):
            time = datetime.fromtimestamp(entry.time / 1_000).astimezone()
            found.append(
                Trouble(
                    time.isoformat(timespec="seconds"),
                    str(told.get("document_id", "")),
                    str(told["status"]),
                    str(told.get("code", "")),
                    str(told.get("trace_id", "")),
                )
            )
    return found[::-1]


def _at(values: Sequence[float], share: float) -> float | None:
    """The value that this share of all is not above; None of none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None


def _query(
    name: str, namespace: str, metric: str, dimensions: Mapping[str, str], stat: str, *, period: int
) -> dict[str, Any]:
    where = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    asked = {"Namespace": namespace, "MetricName": metric, "Dimensions": where}
    return {"Id": name, "MetricStat": {"Metric": asked, "Period": period, "Stat": stat}}


def minutes(since: datetime, now: datetime) -> float:
    return max((now - since) / timedelta(minutes=1), 1 / 60)
