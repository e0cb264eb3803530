"""The catalogue of metrics, the code, the dashboard, the alarms and the pages say the same; and
each alarm goes off when it should, and only then."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ragline import metrics as catalogue
from ragline import telemetry
from ragline.domain.documents import Document, Partition, Progress, Reason, Status
from ragline.domain.ledger import ChunkState
from ragline.local import template
from ragline.metrics import CATALOGUE, DIMENSIONS, NAMESPACE, Metric
from ragline.telemetry import LedgerWatch, measure, observed
from tests.alarms import ALARM, OK, Metrics, calculate, state

ROOT = Path(__file__).parents[2]
CODE = ROOT / "layers/core/python/ragline"
LEAF = template.load(ROOT / "infra/observability.yaml")
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
PAGE = (ROOT / "docs/observability.md").read_text()
STACK = "ragline"  # what settings say where the template does not
OWN = {"service": "ragline", "stack": STACK}
GIVEN = {
    "Stack": STACK, "ApiName": "the-api", "LedgerTable": "the-table",
    **{name: name.removesuffix("Name") for name in LEAF["Parameters"] if name.endswith("Name")},
}  # fmt: skip
GIVEN["ApiName"] = "the-api"
NAMES = {metric.name: metric for metric in CATALOGUE}

AWS_METRICS = {
    "AWS/Lambda": {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"},
    "AWS/SQS": {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
        "NumberOfMessagesDeleted",
        "NumberOfMessagesReceived",
    },
    "AWS/ApiGateway": {"Count", "4XXError", "5XXError"},
    "AWS/DynamoDB": {"ReadThrottleEvents", "WriteThrottleEvents"},
}
"""Of AWS's own metrics, those that we know to exist:
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html"""


def resolved(value: Any) -> Any:
    """A part of the leaf with its parameters' values in place."""
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            name = value["Ref"]
            return GIVEN.get(name, LEAF["Parameters"].get(name, {}).get("Default", name))
        if set(value) == {"Fn::Sub"}:
            return re.sub(r"\$\{([\w:]+)\}", lambda m: str(GIVEN.get(m[1], m[1])), value["Fn::Sub"])
        return {key: resolved(one) for key, one in value.items()}
    return [resolved(one) for one in value] if isinstance(value, list) else value


ALARMS: dict[str, Any] = {
    name: resolved(one["Properties"])
    for name, one in LEAF["Resources"].items()
    if one["Type"] == "AWS::CloudWatch::Alarm"
}
DASHBOARD = json.loads(resolved(LEAF["Resources"]["Dashboard"]["Properties"]["DashboardBody"]))


# ── The catalogue ────────────────────────────────────────────────────────────────────────────────


def sources() -> Iterator[Path]:
    yield from (path for path in CODE.rglob("*.py") if path.name != "metrics.py")
    yield from (ROOT / "functions").glob("*/handler.py")


def constants() -> dict[str, set[str]]:
    """Constant of the catalogue → the names of its metrics."""
    found: dict[str, set[str]] = {}
    for name, value in vars(catalogue).items():
        if isinstance(value, Metric):
            found[name] = {value.name}
        elif isinstance(value, dict) and all(isinstance(v, Metric) for v in value.values()):
            found[name] = {one.name for one in value.values()}
    return {name: some for name, some in found.items() if some}


def test_a_metric_has_one_name_and_one_meaning() -> None:
    assert len(NAMES) == len(CATALOGUE)
    assert len({metric.meaning for metric in CATALOGUE}) == len(CATALOGUE)
    assert {name for some in constants().values() for name in some} == set(NAMES)


def test_no_metric_is_told_apart_by_tenant_or_document() -> None:
    assert {metric.by for metric in CATALOGUE} == {"", "leg", "code", "function"}


def test_every_metric_of_the_catalogue_is_measured_somewhere() -> None:
    used = set()
    for path in sources():
        tree = ast.parse(path.read_text())
        used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(constants()) - used == set()


def test_nothing_is_measured_past_the_catalogue() -> None:
    for path in sources():
        text = path.read_text()
        assert "add_metric(" not in text or path.name == "telemetry.py", path
        assert not re.search(r"\bMetric\(", text), path


def test_every_stage_of_a_query_has_its_metric() -> None:
    text = (CODE / "usecases/search.py").read_text()
    measured = re.findall(r'clock\.(?:measure|add)\("(\w+)"', text)
    assert "sections" in measured
    assert set(measured) <= set(catalogue.QUERY_STAGES)


def rows(page: str, heading: str) -> list[list[str]]:
    section = page.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_tells_of_every_metric_in_the_words_of_the_catalogue() -> None:
    told = {row[0].strip("`"): row[1:] for row in rows(PAGE, "Metrics")}
    assert told == {
        metric.name: [metric.unit, f"`{metric.by}`" if metric.by else "", metric.meaning]
        for metric in CATALOGUE
    }


# ── The dashboard ────────────────────────────────────────────────────────────────────────────────


def shown() -> set[tuple[str, str]]:
    """Namespace and name of every metric on the dashboard."""
    found = set()
    for widget in DASHBOARD["widgets"]:
        for one in widget["properties"]["metrics"]:
            if isinstance(one[0], str):
                found.add((one[0], one[1]))
                continue
            (by, name) = re.findall(
                r"SEARCH\('\{Ragline,([\w,]+)\} MetricName=\"(\w+)\"", one[0]["expression"]
            )[0]
            assert set(by.split(",")) == {*DIMENSIONS, NAMES[name].by}, name
            found.add((NAMESPACE, name))
    return found


def test_the_dashboard_shows_every_metric_of_the_catalogue_and_none_that_is_not_sent() -> None:
    assert {name for namespace, name in shown() if namespace == NAMESPACE} == set(NAMES)
    for namespace, name in shown():
        assert namespace == NAMESPACE or name in AWS_METRICS[namespace]


def test_widgets_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for one in DASHBOARD["widgets"]:
        cells = {
            (x, y)
            for x in range(one["x"], one["x"] + one["width"])
            for y in range(one["y"], one["y"] + one["height"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_own_metrics_are_asked_for_with_the_dimensions_that_they_are_sent_with() -> None:
    for widget in DASHBOARD["widgets"]:
        for one in widget["properties"]["metrics"]:
            if one[0] == NAMESPACE:
                assert dict(zip(one[2:-1:2], one[3:-1:2], strict=True)) == OWN, one
                assert not NAMES[one[1]].by, one


# ── The alarms ───────────────────────────────────────────────────────────────────────────────────


def watched(alarm: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Metrics" not in alarm:
        yield alarm
    for query in alarm.get("Metrics", ()):
        if "MetricStat" in query:
            yield query["MetricStat"]["Metric"]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_metrics_that_are_sent(name: str) -> None:
    for metric in watched(ALARMS[name]):
        namespace, asked = metric["Namespace"], metric["MetricName"]
        dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        if namespace == NAMESPACE:
            assert dimensions == OWN
            assert not NAMES[asked].by
        else:
            assert asked in AWS_METRICS[namespace]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_somebody_and_where_to_read_on(name: str) -> None:
    assert ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == ["Alerts"]
    assert f"docs/runbook.md, {name}." in ALARMS[name]["AlarmDescription"]
    assert len(ALARMS[name].get("Metrics", ())) <= 10  # CloudWatch takes no more in an alarm


def test_every_alarm_has_its_entry_in_the_runbook_and_the_other_way_round() -> None:
    entries = re.split(r"^## (?:\w+ )?`(\w+)`\n", RUNBOOK, flags=re.MULTILINE)
    told = dict(zip(entries[1::2], entries[2::2], strict=True))
    assert set(told) == {*ALARMS, "MonthlyBudget"}
    for name, text in told.items():
        labels = re.findall(r"^\*\*([^*]+)\.\*\* \S", text, re.MULTILINE)
        assert labels == ["What it means", "Look", "Do"], name


def test_the_crash_of_any_function_is_watched() -> None:
    templates = [template.load(path) for path in (ROOT / "template.yaml", ROOT / "infra/push.yaml")]
    deployed = {
        re.sub(r"\$\{(AWS::StackName|Stack)\}", STACK, one["Properties"]["FunctionName"]["Fn::Sub"])
        for body in templates
        for one in body["Resources"].values()
        if one["Type"] == "AWS::Serverless::Function"
    }
    crashes = {
        metric["Dimensions"][0]["Value"]
        for alarm in ALARMS.values()
        for metric in watched(alarm)
        if metric["MetricName"] == "Errors"
    }
    answering = {"ragline-api", "ragline-authorizer"}  # a crash of these is a 5xx of the gateway
    assert crashes == deployed - answering
    assert "5XXError" in {metric["MetricName"] for metric in watched(ALARMS["ApiErrors"])}


def test_every_dead_letter_queue_is_watched_and_is_on_the_dashboard() -> None:
    templates = [template.load(path) for path in (ROOT / "template.yaml", ROOT / "infra/push.yaml")]
    dead = {name for one in templates for name in one["Resources"] if name.startswith("Dead")}
    dead -= {"DeadLetters", "DeadLettersLogs"}  # who reads them
    depth = "ApproximateNumberOfMessagesVisible"
    alarms = [metric for alarm in ALARMS.values() for metric in watched(alarm)]
    names = {m["Dimensions"][0]["Value"] for m in alarms if m["MetricName"] == depth}
    assert dead <= names
    shown_too = {
        one[3]
        for widget in DASHBOARD["widgets"]
        for one in widget["properties"]["metrics"]
        if one[1:2] == [depth]
    }
    assert dead <= shown_too


def test_the_root_gives_the_leaf_every_name_that_it_asks_for() -> None:
    included = template.load(ROOT / "template.yaml")["Resources"]["Watch"]["Properties"]
    given, declared = set(included["Parameters"]), LEAF["Parameters"]
    assert {name for name, one in declared.items() if "Default" not in one} <= given
    assert given <= set(declared)
    pushed = set(template.load(ROOT / "infra/push.yaml")["Outputs"])
    for value in included["Parameters"].values():
        part, _, output = ".".join(value.get("Fn::GetAtt", [""])).partition(".Outputs.")
        assert part != "Push" or output in pushed


MINUTE, FIVE, HOUR = 60, 300, 3_600
START = 1_000 * HOUR
END = START + 12 * HOUR
Drive = Callable[[Metrics, int], None]


def lambda_(name: str, function: str, *values: float) -> Drive:
    dimensions = {"FunctionName": f"{STACK}-{function}"}
    return lambda metrics, at: metrics.put("AWS/Lambda", name, dimensions, at, *values)


def sqs(queue: str, **values: float) -> Drive:
    def drive(metrics: Metrics, at: int) -> None:
        for name, value in values.items():
            metrics.put("AWS/SQS", name, {"QueueName": queue}, at, value)

    return drive


def gateway(requests: int, errors: int) -> Drive:
    def drive(metrics: Metrics, at: int) -> None:
        where = {"ApiName": "the-api", "Stage": "live"}
        for n in range(requests):
            metrics.put("AWS/ApiGateway", "Count", where, at, 1)
            metrics.put("AWS/ApiGateway", "5XXError", where, at, float(n < errors))

    return drive


def table(**values: float) -> Drive:
    def drive(metrics: Metrics, at: int) -> None:
        for name, value in values.items():
            metrics.put("AWS/DynamoDB", name, {"TableName": "the-table"}, at, value)

    return drive


def told(*work: Callable[[], None]) -> Drive:
    """What our own code sends when it does this work, as the log has it."""

    def drive(metrics: Metrics, at: int) -> None:
        for line in sent(*work):
            metrics.put_emf(line, at)

    return drive


CONTEXT = SimpleNamespace(
    function_name="ragline-api",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:ragline-api",
    aws_request_id="8476a536",
)


def sent(*work: Callable[[], None]) -> list[dict[str, Any]]:
    """The EMF lines of one invocation that does this."""
    import contextlib
    import io

    @observed
    def handler(event: Any, context: Any) -> None:
        for one in work:
            one()

    telemetry.metrics.clear_metrics()  # what other tests of this process measured is not told here
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        handler({}, CONTEXT)
    lines = (json.loads(line) for line in printed.getvalue().splitlines() if line[:1] == "{")
    return [line for line in lines if "_aws" in line]


def document(status: Status, **fields: Any) -> Document:
    made = Document(
        Partition("acme", "reports"), "d1", "a.md", status, "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:09.000Z", generation=1, progress=Progress(chunks_total=4),
        timings={
            "uploaded": "2026-01-01T00:00:01.000Z",
            "split": "2026-01-01T00:00:03.000Z",
            "indexed": "2026-01-01T00:00:09.000Z",
        },
        trace_id="t1",
    )  # fmt: skip
    return replace(made, **fields)


def ended(status: Status, times: int = 1) -> list[Callable[[], None]]:
    reason = Reason("corrupt", "it ends too early.", "split")
    why = reason if status in {Status.FAILED, Status.PARTIAL} else None
    return [lambda: LedgerWatch().moved(document(status, reason=why))] * times


def of(metric: Metric, *values: float) -> list[Callable[[], None]]:
    return [lambda value=value: measure(metric, value) for value in values]  # type: ignore[misc]


OLD, DEEP = 4_000.0, 90_000.0
AGE, LEFT, TAKEN, RECEIVED = (
    "ApproximateAgeOfOldestMessage",
    "ApproximateNumberOfMessagesVisible",
    "NumberOfMessagesDeleted",
    "NumberOfMessagesReceived",
)


def moving(queue: str) -> Drive:
    return sqs(queue, **{AGE: OLD, LEFT: DEEP, TAKEN: 40})


def standing(queue: str) -> Drive:
    return sqs(queue, **{AGE: OLD, LEFT: 1, TAKEN: 0})


def deliveries_given_up(count: int, *, when: Callable[[int], bool] = lambda at: True) -> Drive:
    tell = told(*of(catalogue.DELIVERIES["given_up"], count))
    return lambda metrics, at: tell(metrics, at) if when(at) else None


SCENARIOS: dict[str, tuple[list[Drive], list[Drive]]] = {
    "DeadLettersArrived": (
        [told(*of(catalogue.MESSAGES_RETURNED, 3))],
        [told(*of(catalogue.DEAD_LETTERS, 1))],
    ),
    "DeadLettersUnread": (
        [sqs("DeadPages", **{LEFT: 0})],
        [sqs("DeadDeliveries", **{LEFT: 1})],
    ),
    "PagesQueueStuck": ([moving("PagesQueue")], [standing("PagesQueue")]),
    "ChunksQueueStuck": ([moving("ChunksQueue")], [standing("ChunksQueue")]),
    "IndexOpsQueueStuck": ([moving("IndexOpsQueue")], [standing("IndexOpsQueue")]),
    "ApiErrors": ([gateway(100, 5)], [gateway(100, 6)]),
    "FunctionErrors": (
        [lambda_("Errors", "splitter", 1, 1), lambda_("Errors", "notifier", 0, 1, 1)],
        [lambda_("Errors", "splitter", 1, 1, 1), lambda_("Errors", "sockets", 1, 1)],
    ),
    "ChangesLost": ([sqs("DeadChanges", **{LEFT: 0})], [sqs("DeadChanges", **{LEFT: 1})]),
    "DeliveriesQueueStuck": (
        [sqs("DeliveriesQueue", **{AGE: 20_000, LEFT: 0, RECEIVED: 0})],  # until the next attempts
        [sqs("DeliveriesQueue", **{AGE: 20, LEFT: 3, RECEIVED: 0})],
    ),
    "DeliveriesGivenUp": (  # every five minutes: 10 and 20 within an hour
        [deliveries_given_up(1, when=lambda at: at % HOUR < 10 * FIVE)],
        [deliveries_given_up(1), deliveries_given_up(1)],
    ),
    "DocumentsFailing": (
        [told(*ended(Status.FAILED, 3), *ended(Status.INDEXED, 12))],
        [told(*ended(Status.FAILED, 3), *ended(Status.INDEXED, 8))],
    ),
    "DocumentsGivenUp": (
        [told(*of(catalogue.VERDICTS["repaired"], 4))],
        [told(*of(catalogue.VERDICTS["gave_up"], 1))],
    ),
    "SlowQueries": (
        [told(*of(catalogue.QUERY_STAGES["total"], *[90.0] * 98, 9_000, 9_000))],
        [told(*of(catalogue.QUERY_STAGES["total"], *[90.0] * 9, 9_000))],
    ),
    "Throttles": (
        [lambda_("Throttles", "embedder", 0, 1), table(ReadThrottleEvents=9)],
        [lambda_("Throttles", "embedder", 0, 1), table(WriteThrottleEvents=10)],
    ),
    "IndexerLag": ([sqs("IndexOpsQueue", **{AGE: 899.0})], [sqs("IndexOpsQueue", **{AGE: 901.0})]),
    "IndexDrift": (
        [told(*of(catalogue.ROWS_COMPARED, 900))],
        [told(*of(catalogue.ROWS_COMPARED, 900), *of(catalogue.ROWS_MISSING, 1))],
    ),
    "MaintenanceSilent": (
        [lambda_("Invocations", "maintenance", 1)],
        [lambda_("Invocations", "maintenance")],  # nothing is sent of what does not run
    ),
}  # fmt: skip
"""Alarm → what happens every five minutes that is no trouble, and that is."""


def test_every_alarm_is_driven() -> None:
    assert set(SCENARIOS) == set(ALARMS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_alarm_goes_off_when_it_should_and_is_over_when_the_trouble_is(name: str) -> None:
    fine, trouble = SCENARIOS[name]
    metrics = Metrics()
    for at in range(START, END, FIVE):
        for drive in trouble if START + 4 * HOUR <= at < START + 8 * HOUR else fine:
            drive(metrics, at)
    states = [state(ALARMS[name], metrics, at) for at in range(START + 3 * HOUR, END, HOUR)]
    assert states[0] == OK
    assert states[3:5] == [ALARM, ALARM]
    assert states[-1] == OK


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - {"MaintenanceSilent"}))
def test_an_alarm_is_quiet_where_nothing_happens(name: str) -> None:
    assert state(ALARMS[name], Metrics(), END) == OK


@pytest.mark.parametrize("queue", ["Pages", "Chunks", "IndexOps"])
@pytest.mark.parametrize(
    ("old", "drains", "expected"),
    [(False, False, OK), (False, True, OK), (True, True, OK), (True, False, ALARM)],
)
def test_a_queue_is_stuck_when_it_is_old_and_not_draining_however_deep(
    queue: str, old: bool, drains: bool, expected: str
) -> None:
    metrics = Metrics()
    for at in range(START, END, MINUTE):
        drive = sqs(
            f"{queue}Queue", **{AGE: OLD if old else 20.0, LEFT: DEEP, TAKEN: float(drains)}
        )
        drive(metrics, at)
    assert state(ALARMS[f"{queue}QueueStuck"], metrics, END) == expected


@pytest.mark.parametrize(
    ("waiting", "taken", "expected"),
    [(0.0, 0.0, OK), (0.0, 5.0, OK), (DEEP, 5.0, OK), (3.0, 0.0, ALARM)],
)
def test_deliveries_are_stuck_when_they_are_to_be_seen_and_nobody_takes_any(
    waiting: float, taken: float, expected: str
) -> None:
    """Those to be tried again are old and hidden, and those that fail are never deleted."""
    metrics = Metrics()
    for at in range(START, END, MINUTE):
        sqs("DeliveriesQueue", **{AGE: OLD, LEFT: waiting, RECEIVED: taken})(metrics, at)
    assert state(ALARMS["DeliveriesQueueStuck"], metrics, END) == expected


def test_a_surplus_without_anything_missing_is_drift_too() -> None:
    metrics = Metrics()
    told(*of(catalogue.ROWS_SURPLUS, 1))(metrics, END - HOUR)
    assert state(ALARMS["IndexDrift"], metrics, END) == ALARM


def test_two_documents_that_fail_of_two_are_too_few_to_tell() -> None:
    metrics = Metrics()
    for at in (END - 2_700, END - 1_800, END - 900):
        told(*ended(Status.FAILED, 2))(metrics, at)
    assert state(ALARMS["DocumentsFailing"], metrics, END) == OK


def test_one_bad_moment_is_no_alarm_where_several_are_asked_for() -> None:
    metrics = Metrics()
    for at in range(START, END, FIVE):
        gateway(100, 50 if at == END - FIVE else 0)(metrics, at)
    assert state(ALARMS["ApiErrors"], metrics, END) == OK


def test_operations_between_metrics_need_both_and_lists_take_what_is_there() -> None:
    series = {"a": {0: 1.0, 300: 2.0}, "b": {300: 3.0}}
    assert calculate("a + b", series) == {300: 5.0}
    assert calculate("SUM([a, b])", series) == {0: 1.0, 300: 5.0}
    assert calculate("IF(a > 1 AND b == 3, 100 * a / b, 0)", series) == {300: 200 / 3}
    with pytest.raises(KeyError):
        calculate("FILL(a, 0)", series)


# ── What the ledger's watch makes of a document's end ────────────────────────────────────────────


def values(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        metric["Name"]: line[metric["Name"]]
        for line in lines
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }


def test_a_document_that_is_indexed_tells_how_long_each_stage_took() -> None:
    found = values(sent(*ended(Status.INDEXED)))
    assert found["DocumentsIndexed"] == [1]
    assert found["DocumentsFailed"] == [0]
    assert found["TimeAwaiting"] == [1_000]
    assert found["TimeSplitting"] == [2_000]
    assert found["TimeProcessing"] == [6_000]
    assert found["TimeToSearchable"] == [8_000]


def test_times_of_several_attempts_are_told_of_none() -> None:
    retried = document(Status.INDEXED)
    retried = replace(retried, timings={**retried.timings, "retried": retried.updated_at})
    found = values(sent(lambda: LedgerWatch().moved(retried)))
    assert found["DocumentsIndexed"] == [1]
    assert not [name for name in found if name.startswith("Time")]


def test_failures_are_told_apart_by_their_code() -> None:
    (line,) = [line for line in sent(*ended(Status.PARTIAL)) if "Failures" in line]
    assert line["code"] == "corrupt"
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stack", "code", "service"]]


def test_chunks_are_counted_by_how_far_they_came() -> None:
    found = values(sent(lambda: LedgerWatch().counted(ChunkState.INDEXED, 16)))
    assert found["ChunksIndexed"] == [16]


def test_a_status_on_the_way_is_no_end() -> None:
    found = values(sent(lambda: LedgerWatch().moved(document(Status.PROCESSING))))
    assert set(found) <= {"Busy", "ColdStart"}


def test_metrics_can_be_switched_off_altogether(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    assert not sent(*ended(Status.FAILED), *of(catalogue.REQUESTS, 1))


def test_every_metric_has_the_dimensions_that_dashboards_ask_for() -> None:
    for line in sent(*ended(Status.FAILED), *of(catalogue.REQUESTS, 1)):
        for directive in line["_aws"]["CloudWatchMetrics"]:
            (dimensions,) = directive["Dimensions"]
            by = {NAMES[metric["Name"]].by for metric in directive["Metrics"]} - {""}
            assert set(dimensions) == {*DIMENSIONS, *by}
            assert {line["service"], line["stack"]} == {"ragline", STACK}


def test_the_leaf_is_plain_yaml_that_cloudformation_reads() -> None:
    """Aliases are YAML too, but CloudFormation refuses them."""
    events = yaml.parse((ROOT / "infra/observability.yaml").read_text(), yaml.SafeLoader)
    assert not [event for event in events if isinstance(event, yaml.AliasEvent)]
