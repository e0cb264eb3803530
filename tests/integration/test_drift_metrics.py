"""The hourly comparison, from maintenance through the queue to the indexer's metrics."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from botocore.client import BaseClient

from ragline import wiring
from ragline.domain.errors import Throttled
from ragline.domain.messages import Optimize
from ragline.domain.times import utc_now
from ragline.settings import settings
from tests import cost_tables
from tests.integration.test_handlers import aws, consume, event, handle, raises, take, upload
from tests.unit.pipeline import HANDBOOK

__all__ = ["aws"]


def indexed() -> None:
    """One document, all the way; and a file of its index, by which partitions are known."""
    handle("splitter", upload())
    parts = take(settings().chunks_queue_url, "embedder")
    handle("embedder", parts)
    consume(settings().chunks_queue_url, parts)
    ops = take(settings().index_ops_queue_url, "indexer")
    handle("indexer", ops)
    consume(settings().index_ops_queue_url, ops)
    name = f"{HANDBOOK.tenant}.{HANDBOOK.collection}.hash"
    wiring.objects().put(f"index/{name}.lance/data/1.lance", b"")


def measured(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    return {name: value for line in lines for name, value in json.loads(line).items()}


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_row_is_measured_within_the_hour(
    aws: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lost: int,
) -> None:
    indexed()
    on_the_hour = (utc_now() + timedelta(hours=2)).replace(minute=0)
    monkeypatch.setattr("functions.maintenance.handler.utc_now", lambda: on_the_hour)
    capsys.readouterr()
    handle("maintenance", event("maintenance"))
    assert not measured(capsys)  # nothing waits, stands still or is repaired
    if lost:
        (row,) = wiring.index().entries(HANDBOOK)
        wiring.index().delete(HANDBOOK, row[0])
    handle("indexer", take(settings().index_ops_queue_url, "indexer"))
    found = measured(capsys)
    rows = {name: value for name, value in found.items() if name.startswith("Rows")}
    assert rows == {"RowsCompared": [1], **({"RowsMissing": [1]} if lost else {})}


def test_a_run_of_maintenance_that_finds_nothing_asks_as_little_as_its_cost_says(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed()
    asked: Counter[str] = Counter()
    called = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: BaseClient, name: str, given: Any) -> Any:
        asked[name] += 1
        return called(client, name, given)

    half_past = utc_now().replace(minute=30)
    monkeypatch.setattr("functions.maintenance.handler.utc_now", lambda: half_past)
    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    handle("maintenance", event("maintenance"))
    calls = cost_tables.MAINTENANCE_CALLS
    assert asked == {
        "ListObjectsV2": calls["s3.write"],
        "GetQueueAttributes": calls["sqs.request"] + calls["sqs.fifo_request"],
        "Query": 2 * calls["dynamodb.read_unit"],  # an eventually consistent one takes half
        "GetParametersByPath": 1,  # free
    }


def test_maintenance_tells_what_waits_and_nothing_of_itself(
    aws: None, capsys: pytest.CaptureFixture[str]
) -> None:
    handle("splitter", upload())
    capsys.readouterr()
    handle("maintenance", event("maintenance"))
    (line,) = [one for one in capsys.readouterr().out.splitlines() if '"_aws"' in one]
    (directive,) = json.loads(line)["_aws"]["CloudWatchMetrics"]
    assert [one["Name"] for one in directive["Metrics"]] == ["BacklogChunks"]


def test_a_comparison_that_fails_gives_no_message_back(
    aws: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    indexed()
    asked = Optimize(tenant=HANDBOOK.tenant, collection=HANDBOOK.collection, compare=("d1",))
    wiring.queues().send_ops([asked])
    monkeypatch.setattr(wiring.ledger(), "get_many", raises(Throttled("too many reads.")))
    payload = take(settings().index_ops_queue_url, "indexer")
    assert handle("indexer", payload) == {"batchItemFailures": []}


def test_between_the_hours_nothing_is_compared(
    aws: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    indexed()
    past = (utc_now() + timedelta(hours=2)).replace(minute=5)
    monkeypatch.setattr("functions.maintenance.handler.utc_now", lambda: past)
    handle("maintenance", event("maintenance"))
    with pytest.raises(KeyError):
        take(settings().index_ops_queue_url, "indexer")
