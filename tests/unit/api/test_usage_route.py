"""GET /api/v2/usage, and the cap on what a month's use costs."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ragline.domain.tenants import Caps
from ragline.domain.times import utc_now
from ragline.domain.usage import month_of
from ragline.prices import prices
from tests.unit.api.world import World

MONTH = month_of(utc_now())


@pytest.fixture
def used(world: World) -> World:
    """A tenant that used a million write units, and one that used ten."""
    world.indexed("first", "second", tenant="default")
    chunks = {"chunks": 2, "dynamodb_write_units": 1_000_000, "milliseconds": 50, "invocations": 1}
    world.the_usage.add("default", MONTH, "embedder", chunks)
    world.the_usage.add("other", MONTH, "embedder", {"dynamodb_write_units": 10})
    return world


def test_a_month_is_told_by_function_and_cost(api: TestClient, used: World) -> None:
    answer = api.get("/api/v2/usage").json()
    assert answer["month"] == MONTH
    assert answer["holds"] == {"documents": 1, "bytes": 9, "chunks": 2}
    [function] = answer["functions"]
    assert function["function"] == "embedder"
    assert function["requests"]["dynamodb_write_units"] == 1_000_000
    costs = {one["item"]: one["usd"] for one in answer["costs"]}
    assert costs["dynamodb_write_units"] == 0.625
    assert answer["usd"] == pytest.approx(sum(costs.values()))
    assert answer["usd_per_chunk"] == pytest.approx(answer["usd"] / 2, rel=1e-3)
    assert answer["prices"] == {"as_of": prices().as_of, "region": prices().region}


def test_what_is_kept_is_told_beside_it(api: TestClient, used: World) -> None:
    storage = {one["item"] for one in api.get("/api/v2/usage").json()["storage"]}
    assert {"uploads_gigabyte_months", "ledger_gigabyte_months"} <= storage


def test_a_month_in_which_nothing_was_used_costs_nothing(api: TestClient, used: World) -> None:
    answer = api.get("/api/v2/usage", params={"month": "2020-02"}).json()
    assert (answer["functions"], answer["usd"], answer["usd_per_chunk"]) == ([], 0, None)


@pytest.mark.parametrize("month", ["2026", "2026-13", "last", "2026-11-01", ""])
def test_a_month_that_is_none_is_refused(api: TestClient, month: str) -> None:
    answer = api.get("/api/v2/usage", params={"month": month})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "2026-11" in answer.json()["detail"]


def test_a_tenant_that_has_used_its_cap_may_bring_nothing_more(
    api: TestClient, used: World
) -> None:
    body = {"filename": "more.md", "size": 5}
    used.the_ledger.cap("default", Caps(cost=0.70))
    assert api.post("/api/v2/documents", json=body).status_code == 201
    used.the_ledger.cap("default", Caps(cost=0.60))
    for refused in (
        api.post("/api/v2/documents", json=body),
        api.post("/api/v2/documents/upload", files={"file": ("a.md", b"text")}),
    ):
        assert refused.json()["code"] == "quota_exceeded"
        assert "max_cost, $0.60" in refused.json()["detail"]
    # what is there can be found all the same
    found = api.post("/api/v2/query", json={"query": "first", "collection": "handbook"})
    assert found.json()["hits"]


def test_use_is_not_looked_up_where_there_is_no_cap(api: TestClient, used: World) -> None:
    used.asked.clear()
    api.post("/api/v2/documents", json={"filename": "more.md", "size": 5})
    assert "usage_book" not in used.asked
