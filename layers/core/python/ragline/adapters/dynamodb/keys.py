"""API keys and usage plans in the ledger table. The only place that knows these attributes.

key   KEY#sha256   KEY    ByCollection: KEYS#tenant, time of creation#sha256
plan  PLAN#tenant  PLAN

Their partition keys begin unlike any document's, so that the authoriser's policy can name them:
it reads these, and nothing of what tenants keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb.items import BY_COLLECTION, key
from ragline.adapters.dynamodb.table import Table
from ragline.domain.access import KeyRecord, Plan, Rates, Role
from ragline.domain.errors import Conflict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from ragline.adapters.dynamodb.items import Item

_TEXTS = ("digest", "tenant", "name", "hint", "created_at", "expires_at", "revoked_at")


class DynamoKeys:
    """``ports.Keys``. Threads may share it, as they may its client."""

    def __init__(
        self, table_name: str, *, client: DynamoDBClient, backoff: Backoff | None = None
    ) -> None:
        self._table = Table(table_name, client, backoff or Backoff())

    def add(self, record: KeyRecord) -> None:
        item: Item = {
            **_key(record.digest),
            "role": {"S": record.role.value},
            "GSI1PK": {"S": _tenant_pk(record.tenant)},
            "GSI1SK": {"S": f"{record.created_at}#{record.digest}"},
            **{name: {"S": getattr(record, name)} for name in _TEXTS},
        }
        done = self._table.put(
            {
                "TableName": self._table.name,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(PK)",
            }
        )
        if not done:
            raise Conflict(f"there is an API key {record.key_id} already.")

    def find(self, digest: str) -> KeyRecord | None:
        item = self._table.get(f"KEY#{digest}", "KEY")
        return _read(item) if item else None

    def of(self, tenant: str) -> Sequence[KeyRecord]:
        listed = self._table.batch_get([_key(digest) for digest in self._digests(tenant)])
        records = (_read(item) for item in listed)
        return sorted(records, key=lambda one: (one.created_at, one.digest), reverse=True)

    def revoke(self, digest: str, at: str) -> KeyRecord | None:
        self._table.update(
            {
                "TableName": self._table.name,
                "Key": _key(digest),
                "UpdateExpression": "SET revoked_at = :at",
                "ConditionExpression": "revoked_at = :never",
                "ExpressionAttributeValues": {":at": {"S": at}, ":never": {"S": ""}},
            }
        )
        return self.find(digest)

    def drop(self, digest: str) -> None:
        self._table.delete(_key(digest))

    def plan(self, tenant: str) -> Plan | None:
        item = self._table.get(f"PLAN#{tenant}", "PLAN")
        return _read_plan(item) if item else None

    def keep_plan(self, plan: Plan) -> None:
        item: Item = {
            **key(f"PLAN#{plan.tenant}", "PLAN"),
            "tenant": {"S": plan.tenant},
            "plan_id": {"S": plan.plan_id},
            "meter": {"S": plan.meter},
        }
        for name in ("rate", "burst", "quota_per_day"):
            value = getattr(plan.rates, name)
            if value is not None:
                item[name] = {"N": str(value)}
        self._table.put({"TableName": self._table.name, "Item": item})

    def forget(self, tenant: str) -> None:
        keys = [_key(digest) for digest in self._digests(tenant)]
        self._table.delete_all([*keys, key(f"PLAN#{tenant}", "PLAN")])

    def _digests(self, tenant: str) -> Sequence[str]:
        found = self._table.query_all(
            IndexName=BY_COLLECTION,
            KeyConditionExpression="GSI1PK = :tenant",
            ExpressionAttributeValues={":tenant": {"S": _tenant_pk(tenant)}},
        )
        return [item["PK"]["S"].removeprefix("KEY#") for item in found]


def _key(digest: str) -> Item:
    return key(f"KEY#{digest}", "KEY")


def _tenant_pk(tenant: str) -> str:
    return f"KEYS#{tenant}"


def _read(item: Item) -> KeyRecord:
    return KeyRecord(role=Role(item["role"]["S"]), **{name: item[name]["S"] for name in _TEXTS})


def _read_plan(item: Item) -> Plan:
    numbers = {name: item[name]["N"] for name in ("rate", "burst", "quota_per_day") if name in item}
    rates = Rates(
        float(numbers["rate"]) if "rate" in numbers else None,
        int(numbers["burst"]) if "burst" in numbers else None,
        int(numbers["quota_per_day"]) if "quota_per_day" in numbers else None,
    )
    return Plan(item["tenant"]["S"], item["plan_id"]["S"], item["meter"]["S"], rates)
