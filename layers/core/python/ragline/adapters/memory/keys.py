"""API keys and usage plans in memory: the contract suite runs on them as on the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragline.domain.access import KeyRecord, Plan, Rates
from ragline.domain.errors import Conflict


class MemoryKeys:
    """``ports.Keys``."""

    def __init__(self) -> None:
        self._records: dict[str, KeyRecord] = {}
        self._plans: dict[str, Plan] = {}

    def add(self, record: KeyRecord) -> None:
        if record.digest in self._records:
            raise Conflict(f"there is an API key {record.key_id} already.")
        self._records[record.digest] = record

    def find(self, digest: str) -> KeyRecord | None:
        return self._records.get(digest)

    def of(self, tenant: str) -> Sequence[KeyRecord]:
        found = [one for one in self._records.values() if one.tenant == tenant]
        return sorted(found, key=lambda one: (one.created_at, one.digest), reverse=True)

    def revoke(self, digest: str, at: str) -> KeyRecord | None:
        record = self._records.get(digest)
        if record and not record.revoked_at:
            self._records[digest] = record = replace(record, revoked_at=at)
        return record

    def drop(self, digest: str) -> None:
        self._records.pop(digest, None)

    def plan(self, tenant: str) -> Plan | None:
        return self._plans.get(tenant)

    def keep_plan(self, plan: Plan) -> None:
        self._plans[plan.tenant] = plan

    def forget(self, tenant: str) -> None:
        self._records = {d: one for d, one in self._records.items() if one.tenant != tenant}
        self._plans.pop(tenant, None)


class MemoryPlans:
    """``ports.UsagePlans``."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}

    def set(self, tenant: str, rates: Rates, plan: Plan | None) -> Plan:
        kept = rates.over(plan.rates) if plan else rates
        made = Plan(tenant, plan.plan_id if plan else f"plan-{tenant}", f"meter-{tenant}", kept)
        self.plans[made.plan_id] = made
        return made

    def remove(self, plan: Plan) -> None:
        self.plans.pop(plan.plan_id, None)
