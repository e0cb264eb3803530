"""What a deployed stack tells of itself: one trace through all functions, metrics of the catalogue
and nothing else, no word of what passes through it; and `ragline top` adds it up."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from ragline.local import aws
from ragline.metrics import CATALOGUE
from tests.alarms import Metrics
from tests.e2e.stack import NAME, CommandLine, Stack, until
from tests.unit.test_observability import ALARMS, SCENARIOS

TEXT, QUESTION, NOTE = "Zwetschgendatschi", "Quittengelee", "Holunderblüte"
"""Words that stand in a document, in questions and in metadata, and nowhere else."""


def lines(stack: Stack) -> list[str]:
    """Every line that every function wrote so far."""
    client = aws.session().client("logs", endpoint_url=stack.endpoint_url, config=aws.config())
    found: list[str] = []
    for group in client.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{NAME}")["logGroups"]:
        name = group["logGroupName"]
        for page in client.get_paginator("filter_log_events").paginate(logGroupName=name):
            found += [f"{name}: {event['message']}" for event in page["events"]]
    return found


@pytest.fixture(scope="module")
def traffic(stack: Stack) -> dict[str, Any]:
    """Documents that go well and badly, questions good and bad, callers without a key."""
    text = f"# {TEXT}\n\nA {TEXT} is baked on a tray, and eaten on the same day.\n".encode()
    good = stack.upload("cake.md", text, "kitchen", metadata={"note": NOTE})
    broken = stack.upload("cake.pdf", b"%PDF-1.7\n" + text * 3, "kitchen")
    stack.ended(good, broken)
    target = stack.register("cake.txt", text + b"!", "kitchen")["upload"]["url"]
    stack.query(f"How is {QUESTION} made?", "kitchen", rerank=True)
    for body in (
        {"question": QUESTION, "collection": "kitchen", "filters": {"metadata": {"colour": NOTE}}},
        {"question": QUESTION * 2_000, "collection": "kitchen"},
        {"question": {"deep": [QUESTION]}, "collection": "kitchen"},
    ):
        assert stack.api.post("/api/v2/query", json=body).status_code in (400, 422)
    stack.api.post("/api/v2/query", content=f'{{"question": "{QUESTION}'.encode())
    wrong = httpx.post(
        f"{stack.api_url}/api/v2/query", json={"question": QUESTION},
        headers={"x-api-key": "Brombeerkuchen"}, timeout=30, trust_env=False,
    )  # fmt: skip
    assert wrong.status_code in (401, 403)
    return {"good": good, "broken": broken, "url": target, "key": stack.api.headers["x-api-key"]}


def test_logs_hold_no_text_no_question_no_key_and_no_presigned_url(
    stack: Stack, traffic: dict[str, Any]
) -> None:
    written = "\n".join(lines(stack))
    assert traffic["good"] in written
    assert traffic["broken"] in written
    secrets = (TEXT, QUESTION, NOTE, "Brombeerkuchen", traffic["key"], traffic["url"])
    for secret in (*secrets, "X-Amz-Signature"):
        assert secret not in written, [line for line in lines(stack) if secret in line][:3]


def test_one_trace_runs_from_the_upload_to_the_row_in_the_index(
    stack: Stack, traffic: dict[str, Any], tmp_path: Path
) -> None:
    ragline = CommandLine(tmp_path, stack.endpoint_url)
    trace = stack.document(traffic["good"])["trace_id"]
    assert trace
    found = ragline("logs", "--trace", trace)
    assert {"api", "splitter", "embedder", "indexer"} <= {one["function"] for one in found}
    moved = [
        one["message"]["status"]
        for one in found
        if isinstance(one["message"], dict) and one["message"].get("message") == "document moved"
    ]
    assert moved == ["awaiting_upload", "splitting", "processing", "indexed"]
    other = stack.document(traffic["broken"])["trace_id"]
    assert other not in {"", trace}


PAGES = [Path(__file__).parents[2] / "docs" / name for name in ("observability.md", "runbook.md")]


def told_commands() -> list[str]:
    text = "\n".join(page.read_text() for page in PAGES)
    return sorted({" ".join(one.split()) for one in re.findall(r"`ragline\s([^`]+)`", text)})


def test_the_commands_of_the_pages_do_what_the_pages_say(
    stack: Stack, traffic: dict[str, Any], tmp_path: Path
) -> None:
    ragline = CommandLine(tmp_path, stack.endpoint_url)
    trace = stack.document(traffic["good"])["trace_id"]
    given = {"DOCUMENT": traffic["good"], "TRACE_ID": trace, "FUNCTION": "indexer"}
    for command in told_commands():
        words = [given.get(word, word) for word in command.split()]
        if words[0] == "top":  # it would go on for ever
            words = [*words, *({"--once"} - set(words))]
        done = ragline.run(*words)
        # A redrive finds nothing here that another attempt would mend, and may exit with 1.
        allowed = {0, 1} if words[0] == "redrive" else {0}
        assert done.returncode in allowed, (command, done.stdout, done.stderr)
        assert "error:" not in done.stderr
        if words[0] == "status":
            assert trace in done.stdout


def test_a_document_that_was_dropped_has_a_trace_of_its_own(stack: Stack, tmp_path: Path) -> None:
    dropped = stack.drop("plum/cake.md", b"# Plums\n\nPlums ripen in September.", "orchard")
    until(lambda: any(one["document_id"] == dropped for one in stack.documents("orchard")), dropped)
    stack.indexed(dropped)
    trace = stack.document(dropped)["trace_id"]
    found = CommandLine(tmp_path, stack.endpoint_url)("logs", "--trace", trace)
    assert {"splitter", "embedder", "indexer"} <= {one["function"] for one in found}


def test_functions_send_metrics_of_the_catalogue_and_no_others(
    stack: Stack, traffic: dict[str, Any]
) -> None:
    known = {metric.name: metric for metric in CATALOGUE}
    sent: set[str] = set()
    for line in lines(stack):
        text = line.partition(": ")[2]
        told = json.loads(text) if text.startswith("{") else {}
        for directive in told.get("_aws", {}).get("CloudWatchMetrics", ()):
            for metric in directive["Metrics"]:
                sent.add(metric["Name"])
                assert metric["Unit"] == known[metric["Name"]].unit
                by = {known[metric["Name"]].by} - {""}
                assert set(directive["Dimensions"][0]) == {"service", "stack", *by}
                assert told["stack"] == NAME
    needed = "DocumentsIndexed DocumentsFailed Failures ChunksIndexed EncodeTime EmbedTokens Busy"
    needed += " WaitChunks WaitIndexOps TimeToSearchable QueryTotal QueryRerank ColdStart Requests"
    assert set(needed.split()) <= sent


def test_top_adds_up_what_the_stack_did(
    stack: Stack, traffic: dict[str, Any], tmp_path: Path
) -> None:
    ragline = CommandLine(tmp_path, stack.endpoint_url)
    frame = ragline("top", "--once")
    assert frame["work"]["counts"]["DocumentsIndexed"] >= 1
    assert frame["work"]["counts"]["DocumentsFailed"] >= 1
    assert frame["work"]["functions"]["embedder"]["invocations"] >= 1
    assert frame["under_way"]["awaiting_upload"] >= 1
    assert {"PagesQueue", "ChunksQueue", "IndexOpsQueue"} <= {q["name"] for q in frame["queues"]}
    (trouble,) = [
        one for one in frame["work"]["troubles"] if one["document_id"] == traffic["broken"]
    ]
    assert trouble["trace_id"] == stack.document(traffic["broken"])["trace_id"]
    screen = ragline.screen("top", "--once")
    for word in ("queues", "embedder", "awaiting_upload", traffic["broken"]):
        assert word in screen


PLAIN = sorted(
    name for name, one in ALARMS.items() if "Metrics" not in one and name != "MaintenanceSilent"
)
"""Alarms without metric math, which is all that the local cloud evaluates; it knows no silence."""


@pytest.mark.parametrize("name", PLAIN)
def test_the_local_cloud_s_alarm_goes_off_by_the_same_numbers(stack: Stack, name: str) -> None:
    client = aws.session().client(
        "cloudwatch", endpoint_url=stack.endpoint_url, config=aws.config()
    )
    alarm = {**ALARMS[name], "AlarmName": f"e2e-{name}", "AlarmActions": [], "OKActions": []}
    client.put_metric_alarm(**alarm)

    def state_after(drives: Any, times: int) -> str:
        metrics = Metrics()
        for drive in drives * times:
            drive(metrics, 0)
        for (namespace, metric, dimensions), samples in metrics.samples.items():
            where = [{"Name": key, "Value": value} for key, value in sorted(dimensions)]
            values = [value for _, value in samples]
            for at in range(0, len(values), 150):  # PutMetricData takes so many
                datum = {"MetricName": metric, "Dimensions": where, "Values": values[at : at + 150]}
                client.put_metric_data(Namespace=namespace, MetricData=[datum])
        (found,) = client.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
        return str(found["StateValue"])

    fine, trouble = SCENARIOS[name]
    assert state_after(fine, 1) != "ALARM"
    assert state_after(trouble, 40) == "ALARM"
