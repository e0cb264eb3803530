"""What CloudWatch learns of a query, from what the Api function writes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from ragline import wiring
from tests.unit.api.world import EVENTS, World

CONTEXT = SimpleNamespace(
    function_name="api",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:api",
    aws_request_id="8476a536",
)


def told_of(world: World, query: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> list[Any]:
    """The metrics of one query, line by line, as CloudWatch reads them from the output."""
    from functions.api.handler import lambda_handler

    for port in ("settings", "ledger", "index", "embedder", "reranker"):
        monkeypatch.setattr(wiring, port, getattr(world, port))
    event = json.loads((EVENTS / "api.json").read_text())
    event |= {"body": json.dumps({"query": query, "collection": "handbook"})}
    event |= {"isBase64Encoded": False}
    answer = lambda_handler(event, CONTEXT)
    assert answer["statusCode"] == 200
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[:1] == "{"]
    of_every_function = {"ColdStart", "Busy"}
    return [line for line in lines if "_aws" in line and not of_every_function & set(line)]


def test_a_query_is_counted_with_the_time_of_each_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()
    world.indexed("The barometer is read every morning.")
    (told,) = told_of(world, "barometer", monkeypatch, capsys)
    assert told["Queries"] == [1]
    assert {"QueryTotal", "QueryEmbed", "QueryDense", "QueryBm25", "QueryLedger"} <= set(told)
    assert told["QueryTotal"][0] >= told["QueryLedger"][0] > 0


def test_an_empty_leg_is_counted_under_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()
    world.indexed("The barometer is read every morning.")
    told = told_of(world, "to be or not to be", monkeypatch, capsys)
    (empty,) = [line for line in told if "EmptyLeg" in line]
    assert (empty["EmptyLeg"], empty["leg"]) == ([1], "bm25")
    assert empty["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Ragline"
    (queries,) = [line for line in told if "Queries" in line]
    assert "leg" not in queries
