"""Usage plans of Amazon API Gateway: one for each tenant that has limits of its own.

The gateway counts by the ``usageIdentifierKey`` that the authoriser answers with (the API's key
source is AUTHORIZER): the value of one of its API keys. That value is made of the tenant's name and
opens nothing, since every route asks the authoriser. So tenants' keys stay where they are hashed,
callers with tokens are counted too, and all of a tenant's callers share its limits.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ragline.adapters.aws_errors import translated
from ragline.domain.access import Plan, Rates

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient
    from mypy_boto3_apigateway.type_defs import PatchOperationTypeDef


class GatewayPlans:
    """``ports.UsagePlans``."""

    def __init__(self, client: APIGatewayClient, *, stack: str, api_id: str, stage: str) -> None:
        self._client = client
        self._stack = stack
        self._api_id, self._stage = api_id, stage

    def set(self, tenant: str, rates: Rates, plan: Plan | None) -> Plan:
        with translated(f"the usage plan of tenant {tenant}"):
            if plan is None:
                return self._made(tenant, rates)
            wanted = rates.over(plan.rates)
            if not self._serves(plan):  # the API was made anew, as local clouds do
                self._removed(plan)
                return self._made(tenant, wanted)
            if changes := _changes(rates):
                self._client.update_usage_plan(usagePlanId=plan.plan_id, patchOperations=changes)
        return Plan(tenant, plan.plan_id, plan.meter, wanted)

    def remove(self, plan: Plan) -> None:
        with translated(f"the usage plan of tenant {plan.tenant}"):
            self._removed(plan)

    def _serves(self, plan: Plan) -> bool:
        return (self._api_id, self._stage) in self._stages(plan)

    def _stages(self, plan: Plan) -> list[tuple[str, str]]:
        """The APIs that the plan counts for, with their stages; none if there is no plan."""
        try:
            found = self._client.get_usage_plan(usagePlanId=plan.plan_id)
        except self._client.exceptions.NotFoundException:
            return []
        return [(one["apiId"], one["stage"]) for one in found.get("apiStages", [])]

    def _removed(self, plan: Plan) -> None:
        """The meter and the stages go first: a plan that has any cannot be deleted."""
        for found in self._meters(plan.meter):
            self._client.delete_api_key(apiKey=found)
        for api_id, stage in self._stages(plan):
            gone: PatchOperationTypeDef = {
                "op": "remove", "path": "/apiStages", "value": f"{api_id}:{stage}",
            }  # fmt: skip
            self._client.update_usage_plan(usagePlanId=plan.plan_id, patchOperations=[gone])
        with contextlib.suppress(self._client.exceptions.NotFoundException):
            self._client.delete_usage_plan(usagePlanId=plan.plan_id)

    def _made(self, tenant: str, rates: Rates) -> Plan:
        """A try that was cut short left a meter or a plan, or both: they are used."""
        name = f"{self._stack}_{tenant}"
        meter = meter_of(self._stack, tenant)
        plan_id = (
            self._plan_named(name)
            or self._client.create_usage_plan(
                name=name, apiStages=[{"apiId": self._api_id, "stage": self._stage}]
            )["id"]
        )
        if changes := _changes(rates):
            self._client.update_usage_plan(usagePlanId=plan_id, patchOperations=changes)
        found = self._meters(meter)
        key_id = (
            found[0]
            if found
            else self._client.create_api_key(name=meter, value=meter, enabled=True)["id"]
        )
        pages = self._client.get_paginator("get_usage_plan_keys").paginate(usagePlanId=plan_id)
        if not any(one["id"] == key_id for page in pages for one in page["items"]):
            self._client.create_usage_plan_key(usagePlanId=plan_id, keyId=key_id, keyType="API_KEY")
        return Plan(tenant, plan_id, meter, rates)

    def _plan_named(self, name: str) -> str:
        pages = self._client.get_paginator("get_usage_plans").paginate()
        found = (plan["id"] for page in pages for plan in page["items"] if plan["name"] == name)
        return next(found, "")

    def _meters(self, name: str) -> list[str]:
        """The ids of the gateway's keys of exactly this name; it filters by how names begin."""
        pages = self._client.get_paginator("get_api_keys").paginate(nameQuery=name)
        return [one["id"] for page in pages for one in page["items"] if one["name"] == name]


def meter_of(stack: str, tenant: str = "") -> str:
    """By what the gateway counts a tenant's requests; '' for all that have no plan of their own.

    20 to 128 characters, as the gateway's keys must have; template.yaml makes the one for all.
    """
    meter = f"ragline-usage-plan-{stack}"
    return (
        f"{meter}_{tenant}" if tenant else meter
    )  # stacks' names have no "_": no two are the same


def _changes(rates: Rates) -> list[PatchOperationTypeDef]:
    """https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateUsagePlan.html"""
    wanted: dict[str, str] = {}
    if rates.rate is not None:
        wanted["/throttle/rateLimit"] = f"{rates.rate:g}"
    if rates.burst is not None:
        wanted["/throttle/burstLimit"] = str(rates.burst)
    if rates.quota_per_day is not None:
        wanted |= {"/quota/limit": str(rates.quota_per_day), "/quota/period": "DAY"}
    return [{"op": "replace", "path": path, "value": value} for path, value in wanted.items()]
