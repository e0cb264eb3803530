"""Tenants' usage plans at the gateway: made, changed, taken away; each as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ragline.adapters.usage_plans import GatewayPlans, meter_of
from ragline.domain.access import Plan, Rates
from ragline.local import aws
from ragline.local.cloud import Cloud


@pytest.fixture
def gateway(local: Cloud) -> Any:
    return aws.session().client("apigateway", endpoint_url=local.endpoint_url, config=aws.config())


@pytest.fixture
def plans(gateway: Any) -> Iterator[GatewayPlans]:
    api = gateway.create_rest_api(name="some")["id"]
    yield GatewayPlans(gateway, stack="some", api_id=api, stage="live")
    gateway.delete_rest_api(restApiId=api)


def found(gateway: Any, plan: Plan) -> dict[str, Any]:
    return dict(gateway.get_usage_plan(usagePlanId=plan.plan_id))


def meters(gateway: Any, name: str) -> list[Any]:
    return list(gateway.get_api_keys(nameQuery=name, includeValues=True)["items"])


def test_a_plan_has_its_limits_its_api_and_one_meter(gateway: Any, plans: GatewayPlans) -> None:
    plan = plans.set("acme", Rates(5, 10, 1_000), None)
    assert plan == Plan("acme", plan.plan_id, "ragline-usage-plan-some_acme", Rates(5, 10, 1_000))
    told = found(gateway, plan)
    assert float(told["throttle"]["rateLimit"]) == 5
    assert int(told["throttle"]["burstLimit"]) == 10
    assert (int(told["quota"]["limit"]), told["quota"]["period"]) == (1_000, "DAY")
    assert [stage["stage"] for stage in told["apiStages"]] == ["live"]
    [meter] = meters(gateway, plan.meter)
    assert meter["value"] == plan.meter
    keys = gateway.get_usage_plan_keys(usagePlanId=plan.plan_id)["items"]
    assert [key["id"] for key in keys] == [meter["id"]]
    plans.remove(plan)


def test_what_a_change_leaves_open_stays(gateway: Any, plans: GatewayPlans) -> None:
    made = plans.set("acme", Rates(5, 10), None)
    changed = plans.set("acme", Rates(quota_per_day=7), made)
    assert changed == Plan("acme", made.plan_id, made.meter, Rates(5, 10, 7))
    told = found(gateway, changed)
    assert float(told["throttle"]["rateLimit"]) == 5
    assert int(told["quota"]["limit"]) == 7
    plans.remove(changed)


def test_what_a_try_that_was_cut_short_left_is_used(gateway: Any, plans: GatewayPlans) -> None:
    first = plans.set("acme", Rates(5, 10), None)  # and its record was never written
    again = plans.set("acme", Rates(6, 12), None)
    assert again.plan_id == first.plan_id
    assert len(meters(gateway, first.meter)) == 1
    assert float(found(gateway, again)["throttle"]["rateLimit"]) == 6
    plans.remove(again)


def test_tenants_whose_names_begin_alike_are_two(gateway: Any, plans: GatewayPlans) -> None:
    longer = plans.set("acme-2", Rates(5, 10), None)
    shorter = plans.set("acme", Rates(6, 12), None)
    assert shorter.plan_id != longer.plan_id
    plans.remove(shorter)
    assert float(found(gateway, longer)["throttle"]["rateLimit"]) == 5
    assert len(meters(gateway, longer.meter)) == 1
    plans.remove(longer)


def test_a_plan_that_is_removed_is_gone_and_again_is_no_error(
    gateway: Any, plans: GatewayPlans
) -> None:
    plan = plans.set("acme", Rates(5, 10), None)
    for _ in range(2):
        plans.remove(plan)
    assert meters(gateway, plan.meter) == []
    assert plan.plan_id not in {one["id"] for one in gateway.get_usage_plans()["items"]}


@pytest.mark.parametrize("gone", [True, False])
def test_a_plan_of_an_api_that_was_made_anew_is_made_anew(
    gateway: Any, plans: GatewayPlans, gone: bool
) -> None:
    old = plans.set("acme", Rates(5, 10), None)
    if gone:
        plans.remove(old)
    later = GatewayPlans(gateway, stack="some", api_id="another", stage="live")
    plan = later.set("acme", Rates(quota_per_day=7), old)
    assert plan.rates == Rates(5, 10, 7)
    told = found(gateway, plan)
    assert [stage["apiId"] for stage in told["apiStages"]] == ["another"]
    assert float(told["throttle"]["rateLimit"]) == 5
    assert len(meters(gateway, plan.meter)) == 1
    later.remove(plan)


def test_no_meter_of_a_tenant_is_another_s_or_the_one_of_all() -> None:
    names = [
        meter_of(stack, tenant)
        for stack in ("ragline", "ragline-dev")
        for tenant in ("", "dev", "dev-x", "dev_x")
    ]
    assert len(set(names)) == len(names)
    assert all(20 <= len(name) <= 128 for name in names)
