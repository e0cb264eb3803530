"""`ragline top`: the same frame from lines of logs as from CloudWatch's metrics."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from ragline.cli.outside import Outside
from ragline.cli.top import Frame, Queue, rendered
from ragline.cli.watching import FunctionWork, MetricWatcher, Trouble, Work
from tests.unit.cli.fakes import Clock, FakeCloud, FakeLocal, FakeSession, outside, run
from tests.unit.cli.test_logs import FakeLogs, event

NOW = datetime.now(UTC)
MOVED = {"message": "document moved", "document_id": "d1", "trace_id": "t1"}


class FakeStack:
    """CloudFormation of a stack with one nested in it."""

    meta = type("Meta", (), {"endpoint_url": "http://127.0.0.1:4566", "region_name": "us-east-1"})

    def describe_stacks(self, **asked: Any) -> Any:
        return {"Stacks": [{"Outputs": [{"OutputKey": "LedgerTableName", "OutputValue": "l"}]}]}

    def list_stack_resources(self, **asked: Any) -> Any:
        if asked["StackName"] == "nested":
            return {"StackResourceSummaries": [resource("Lambda::Function", "Sockets", "sockets")]}
        return {
            "StackResourceSummaries": [
                resource("Lambda::Function", "Splitter", "ragline-dev-splitter"),
                resource("SQS::Queue", "PagesQueue", "http://q/pages"),
                resource("SQS::Queue", "DeadPages", "http://q/dead"),
                resource("CloudFormation::Stack", "Push", "nested"),
            ]
        }


def resource(kind: str, logical: str, physical: str) -> dict[str, str]:
    return {
        "ResourceType": f"AWS::{kind}",
        "LogicalResourceId": logical,
        "PhysicalResourceId": physical,
    }


class FakeSqs:
    def get_queue_attributes(self, **asked: Any) -> Any:
        waiting = "7" if asked["QueueUrl"].endswith("pages") else "1"
        return {"Attributes": {"ApproximateNumberOfMessages": waiting}}


class FakeDynamo:
    def query(self, **asked: Any) -> Any:
        status = asked["ExpressionAttributeValues"][":status"]["S"]
        if status != "STATUS#splitting":
            return {"Count": 0}
        last = "ExclusiveStartKey" in asked  # two pages
        return {"Count": 1} if last else {"Count": 2, "LastEvaluatedKey": {"PK": {"S": "d2"}}}


def emf(name: str, *values: float, **dimensions: str) -> str:
    directive = {"Namespace": "Ragline", "Metrics": [{"Name": name, "Unit": "Count"}]}
    told = {"_aws": {"CloudWatchMetrics": [{**directive, "Dimensions": [[]]}]}, name: list(values)}
    return json.dumps({**told, **dimensions})


def report(milliseconds: float) -> str:
    return f"REPORT RequestId: 1\tDuration: {milliseconds} ms\tBilled Duration: 2 ms\t"


def lines() -> Iterator[dict[str, Any]]:
    texts = [
        *(report(took) for took in (10.0, 20.0, 400.0)),
        json.dumps({"message": "invocation failed", "level": "ERROR"}),
        emf("DocumentsIndexed", 1, 1),
        emf("ChunksIndexed", 30),
        emf("WaitPages", 4_000),
        emf("QueryTotal", 80, 90, 900),
        json.dumps({**MOVED, "status": "splitting"}),
        json.dumps({**MOVED, "status": "failed", "code": "corrupt"}),
        "not JSON",
    ]
    return (event(number, text, at=NOW) for number, text in enumerate(texts))


def world(logs: FakeLogs | None = None, clock: Clock | None = None) -> Outside:
    given = FakeSession(
        {
            "cloudformation": FakeStack(),
            "sqs": FakeSqs(),
            "dynamodb": FakeDynamo(),
            "logs": logs or FakeLogs(splitter=list(lines())),
        }
    )
    return outside(environ={}, local=FakeLocal(FakeCloud()), session=lambda *_: given, clock=clock)


def test_one_frame_as_json_tells_queues_functions_documents_and_failures() -> None:
    frame = json.loads(run(world(), "top", "--json").stdout)
    assert [one["name"] for one in frame["queues"]] == ["PagesQueue", "DeadPages"]
    assert frame["queues"][0] | {"waiting": 7, "wait": 4.0} == frame["queues"][0]
    assert frame["under_way"] == {"awaiting_upload": 0, "splitting": 3, "processing": 0}
    work = frame["work"]
    assert work["functions"]["splitter"] == {
        "invocations": 3, "errors": 1, "median": 20.0, "p95": 400.0,
    }  # fmt: skip
    assert work["functions"]["sockets"]["invocations"] == 0  # of the nested stack
    assert work["counts"]["DocumentsIndexed"] == 2
    assert work["counts"]["ChunksIndexed"] == 30
    assert work["query_p95"] == 900
    (trouble,) = work["troubles"]
    assert (trouble["document_id"], trouble["code"], trouble["trace_id"]) == ("d1", "corrupt", "t1")


def test_one_frame_for_people_shows_the_same() -> None:
    shown = run(world(), "top", "--once").stdout
    for word in ("PagesQueue", "4.0 s", "splitter", "indexed 2", "corrupt", "p95 900 ms", "t1"):
        assert word in shown


def test_lines_of_before_the_window_do_not_count() -> None:
    old = [event(1, emf("DocumentsIndexed", 1), at=NOW - timedelta(hours=2))]
    frame = json.loads(run(world(FakeLogs(splitter=old)), "top", "--json").stdout)
    assert frame["work"]["counts"] == {}
    frame = json.loads(run(world(FakeLogs(splitter=old)), "top", "--json", "--since", "3h").stdout)
    assert frame["work"]["counts"] == {"DocumentsIndexed": 1}


def test_a_window_that_is_none_is_refused_before_anything_is_asked() -> None:
    assert run(world(), "top", "--once", "--since", "ages").exit_code == 2


def test_it_goes_on_until_it_is_interrupted() -> None:
    class Impatient(Clock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(self.slept) == 3:
                raise KeyboardInterrupt

    clock = Impatient()
    assert run(world(clock=clock), "top", "--every", "1").exit_code == 130
    assert clock.slept == [1, 1, 1]


class FakeCloudWatch:
    """Answers each question with what it is told of the metric, and remembers the questions."""

    def __init__(self, **values: float) -> None:
        self.values = values
        self.asked: list[Any] = []

    def get_paginator(self, name: str) -> Any:
        assert name == "get_metric_data"
        return self

    def paginate(self, **asked: Any) -> Any:
        self.asked = asked["MetricDataQueries"]
        found = []
        for query in self.asked:
            stat = query["MetricStat"]
            known = self.values.get(f"{stat['Metric']['MetricName']}_{stat['Stat']}")
            found.append({"Id": query["Id"], "Values": [] if known is None else [known]})
        half = len(found) // 2
        return [{"MetricDataResults": found[:half]}, {"MetricDataResults": found[half:]}]


def test_on_aws_the_same_comes_from_metrics() -> None:
    cloudwatch = FakeCloudWatch(
        Invocations_Sum=12, Errors_Sum=1, Duration_p50=20, Duration_p95=400,
        DocumentsIndexed_Sum=2, QueryTotal_p95=900, ApproximateAgeOfOldestMessage_Maximum=4,
    )  # fmt: skip
    failed = [event(1, json.dumps({**MOVED, "status": "partial", "code": "throttled"}), at=NOW)]
    functions, queues = {"ragline-dev-api": "api"}, {"PagesQueue": "https://sqs/1/pages"}
    watcher = MetricWatcher(cloudwatch, FakeLogs(api=failed), "ragline-dev", functions, queues)
    work = watcher.work(NOW - timedelta(minutes=15), NOW)
    assert work.functions == {"api": FunctionWork(12, 1, 20, 400)}
    assert work.counts == {"DocumentsIndexed": 2}
    assert (work.query_p95, work.waits) == (900, {"PagesQueue": 4})
    assert [one.status for one in work.troubles] == ["partial"]
    stats = [one["MetricStat"] for one in cloudwatch.asked]
    assert {one["Period"] for one in stats} == {960}
    own = [one["Metric"] for one in stats if one["Metric"]["Namespace"] == "Ragline"]
    assert all({"Name": "stack", "Value": "ragline-dev"} in one["Dimensions"] for one in own)
    (age,) = [one["Metric"] for one in stats if one["Metric"]["Namespace"] == "AWS/SQS"]
    assert age["Dimensions"] == [{"Name": "QueueName", "Value": "pages"}]


@pytest.mark.parametrize("width", [100, 160])
def test_a_frame_fits_a_terminal_and_shows_no_control_characters(width: int) -> None:
    trouble = Trouble("2026-01-01T00:00:00+00:00", "d\x1b[2J1", "failed", "corrupt", "t" * 32)
    work = Work({"splitter": FunctionWork(3, 1, 20.0, 400.0)}, {}, None, {}, [trouble])
    frame = Frame("dev", "now", 15.0, [Queue("DeadPages", 1, 0, 0)], {}, work)
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(rendered(frame))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in shown
    assert "d[2J1" in shown
    assert all(len(line) <= width for line in shown.splitlines())


def framed(width: int, *troubles: Trouble, functions: tuple[str, ...] = ("dead-letters",)) -> str:
    queue = Queue("DeadInvocations", 12_345, 1_234, 1_234, 7_200)
    work = Work({one: FunctionWork(12_345, 123, 20.0, 40_000.0) for one in functions}, {},
                None, {}, troubles)  # fmt: skip
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(rendered(Frame("dev", "now", 15.0, [queue], {}, work)))
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= width for line in shown.splitlines())
    return shown


@pytest.mark.parametrize("width", [80, 100, 160])
def test_queues_and_functions_are_shown_with_whole_heads_and_values(width: int) -> None:
    words = " ".join(framed(width).replace("│", " ").split())
    for whole in (
        "queue waiting in hand held wait",
        "DeadInvocations 12,345 1,234 1,234 120 min",
        "function runs errors p50 ms p95 ms",
        "dead-letters 12,345 123 20 40,000",
    ):
        assert whole in words
    assert "…" not in words.replace("--trace …", "")


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("document_id", ["0123abcd-0123-4567-89ab-0123456789ab", "d" * 64])
def test_what_failed_last_has_whole_ids_and_its_status(width: int, document_id: str) -> None:
    trace = "0123456789abcdef" * 2
    trouble = Trouble("2026-01-01T00:00:00+00:00", document_id, "failed", "too_large", trace)
    shown = framed(width, trouble, trouble).partition("what failed last")[2]
    words = shown.replace("│", " ").split()
    for whole in ("2026-01-01T00:00:00+00:00", document_id, "failed", "too_large", trace):
        assert words.count(whole) == 2


def test_an_id_wider_than_the_screen_is_folded_and_not_cut() -> None:
    assert framed(80, Trouble("now", "z" * 128, "failed", "corrupt", "1")).count("z") == 128


def test_on_a_narrow_screen_functions_come_last_for_it_may_be_short_as_well() -> None:
    shown = framed(80)
    assert shown.index("what failed last") < shown.index("dead-letters")
