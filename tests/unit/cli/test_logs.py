from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from ragline.cli.logs import _short, read
from ragline.cli.outside import Outside
from ragline.cli.since import moment
from tests.unit.cli.aws_clients import session, stubbed
from tests.unit.cli.fakes import Clock, FakeCloud, FakeLocal, outside, run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINE = {"level": "ERROR", "message": "gave up", "service": "ragline", "document_id": "d1"}


def resources() -> Any:
    """Two pages of a stack's resources."""
    client, stubber = stubbed("cloudformation")
    kinds = {"Splitter": "Function", "DeadLetters": "Function", "ApiFunction": "Function"}
    summaries = [
        {
            "LogicalResourceId": name,
            "PhysicalResourceId": f"ragline-dev-{_short(name).replace('_', '-')}",
            "ResourceType": f"AWS::Lambda::{kind}",
            "LastUpdatedTimestamp": NOW,
            "ResourceStatus": "CREATE_COMPLETE",
        }
        for name, kind in {**kinds, "CoreLayer": "LayerVersion"}.items()
    ]
    stack = {"StackName": "ragline-dev"}
    stubber.add_response(
        "list_stack_resources",
        {"StackResourceSummaries": summaries[:2], "NextToken": "t"},
        stack,
    )
    stubber.add_response(
        "list_stack_resources",
        {"StackResourceSummaries": summaries[2:]},
        {**stack, "NextToken": "t"},
    )
    return client


class FakeLogs:
    """CloudWatch Logs by group; a group that is not there is a function that never ran."""

    class exceptions:  # noqa: N801 (as boto3 calls it)
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, **groups: list[dict[str, Any]]) -> None:
        self.groups = {
            f"/aws/lambda/ragline-dev-{k.replace('_', '-')}": v for k, v in groups.items()
        }
        self.asked: list[str] = []

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:
        group, start, at = asked["logGroupName"], asked["startTime"], asked.get("nextToken", "0")
        self.asked.append(group)
        if group not in self.groups:
            raise self.exceptions.ResourceNotFoundException
        events = [each for each in self.groups[group] if each["timestamp"] >= start][int(at) :]
        more = {"nextToken": str(int(at) + 1)} if len(events) > 1 else {}
        return {"events": events[:1], **more}


def event(number: int, message: str = "", at: datetime | None = None) -> dict[str, Any]:
    time = int((at or datetime.now(UTC)).timestamp() * 1000) + number
    return {"eventId": str(number), "timestamp": time, "message": message or f"line {number}\n"}


def world(logs: FakeLogs) -> Outside:
    given = session(cloudformation=resources(), logs=logs)
    return outside(environ={}, local=FakeLocal(FakeCloud()), session=lambda *_: given)


def test_lines_of_all_functions_are_shown_in_the_order_of_their_times() -> None:
    logs = FakeLogs(splitter=[event(1), event(3)], api=[event(2)])
    shown = run(world(logs), "logs").stdout.splitlines()
    assert [line.split(maxsplit=1)[1].split() for line in shown] == [
        ["splitter", "line", "1"],
        ["api", "line", "2"],
        ["splitter", "line", "3"],
    ]


@pytest.mark.parametrize("name", ["dead_letters", "DeadLetters", "ragline-dev-dead-letters"])
def test_one_function_can_be_named_as_it_is_called_anywhere(name: str) -> None:
    logs = FakeLogs(dead_letters=[event(1)], api=[event(2)])
    run(world(logs), "logs", name)
    assert logs.asked == ["/aws/lambda/ragline-dev-dead-letters"]


def test_an_unknown_function_exits_with_4_and_names_those_there_are() -> None:
    result = run(world(FakeLogs()), "logs", "chef")
    assert result.exit_code == 4
    assert "api, dead_letters, splitter" in result.stderr


def test_a_json_line_is_shown_by_level_message_and_fields() -> None:
    result = run(world(FakeLogs(api=[event(1, json.dumps(LINE))])), "logs")
    assert "ERROR   gave up document_id=d1" in result.stdout
    assert "ragline" not in result.stdout  # the service is the same on every line


def test_json_output_is_one_object_a_line() -> None:
    logs = FakeLogs(api=[event(1, json.dumps(LINE)), event(2, "[1, 2]")])
    lines = run(world(logs), "logs", "--json").stdout.splitlines()
    first, second = map(json.loads, lines)
    assert first["function"] == "api"
    assert first["message"] == LINE
    assert datetime.fromisoformat(first["time"]).tzinfo
    assert second["message"] == "[1, 2]"


def test_older_lines_than_asked_for_are_left_out() -> None:
    logs = FakeLogs(api=[event(1, "old", at=NOW), event(2, "new")])
    assert "old" not in run(world(logs), "logs", "--since", "5m").stdout
    logs = FakeLogs(api=[event(1, "old", at=NOW)])
    assert "old" in run(world(logs), "logs", "--since", "2026-01-01T00:00:00Z").stdout


def test_following_shows_each_line_once_as_it_comes() -> None:
    logs = FakeLogs(api=[event(1, at=NOW)])
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        number = len(clock.slept) + 1
        logs.groups["/aws/lambda/ragline-dev-api"].append(event(number, at=NOW))

    start = int(NOW.timestamp() * 1000)
    entries = read(logs, {"/aws/lambda/ragline-dev-api": "api"}, start, sleep=sleep)
    assert [next(entries).message for _ in range(4)] == ["line 1", "line 2", "line 3", "line 4"]


@pytest.mark.parametrize(("since", "ago"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_since_reads_a_span_of_time(since: str, ago: int) -> None:
    assert moment(since, NOW) == NOW - timedelta(seconds=ago)


def test_since_takes_a_time_without_zone_as_of_this_machine() -> None:
    assert moment("2026-01-01T00:00:00+02:00", NOW) == NOW - timedelta(hours=2)
    assert moment("2026-01-01", NOW) == datetime(2026, 1, 1).astimezone()


@pytest.mark.parametrize("since", ["", "10", "m", "yesterday", "-5m", "999999d"])
def test_since_refuses_anything_else(since: str) -> None:
    with pytest.raises(typer.BadParameter):
        moment(since, NOW)


def test_memory_that_a_local_cloud_does_not_measure_is_not_shown_as_nothing() -> None:
    report = "REPORT RequestId: 1\tDuration: 18.4 ms\tBilled Duration: 19 ms\tMax Memory Used: 0 MB"
    shown = run(world(FakeLogs(api=[event(1, report)])), "logs").stdout.splitlines()
    assert [line.split(maxsplit=2)[2] for line in shown] == ["took 18.4 ms"]


def test_what_lambda_writes_around_every_call_is_left_out_or_shortened() -> None:
    lines = [
        "START RequestId: 1 Version: $LATEST",
        json.dumps({"_aws": {"Timestamp": 1}, "Requests": [1.0]}),
        "REPORT RequestId: 1\tDuration: 18.4 ms\tBilled Duration: 19 ms\tMax Memory Used: 268 MB",
        "END RequestId: 1",
    ]
    events = [event(number, message) for number, message in enumerate(lines)]
    shown = run(world(FakeLogs(api=events)), "logs").stdout.splitlines()
    assert [line.split(maxsplit=2)[2] for line in shown] == ["took 18.4 ms, memory 268 MB"]
    everything = run(world(FakeLogs(api=events)), "logs", "--json").stdout.splitlines()
    assert len(everything) == len(lines)
