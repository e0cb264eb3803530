"""What tenants used, in the ledger's table: one item per tenant, month and function.

usage    TENANT#t (STACK for the stack's own)    USAGE#2026-11#embedder    a number per meter
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb.items import key, tenant_pk
from ragline.adapters.dynamodb.table import Table
from ragline.domain.usage import STACK, Usage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from ragline.adapters.dynamodb.items import Item

USAGE = "USAGE#"

_TENANT = tenant_pk("")


class DynamoUsageBook:
    """``ports.UsageBook``."""

    def __init__(
        self, table_name: str, *, client: DynamoDBClient, backoff: Backoff | None = None
    ) -> None:
        self._table = Table(table_name, client, backoff or Backoff())

    def add(self, tenant: str, month: str, function: str, counts: Mapping[str, float]) -> None:
        used = {name: amount for name, amount in counts.items() if amount}
        if not used:
            return
        added = ", ".join(f"#{name} :{name}" for name in used)
        self._table.apply(
            {
                "TableName": self._table.name,
                "Key": key(_pk(tenant), f"{_prefix(month)}{function}"),
                "UpdateExpression": f"ADD {added}",
                "ExpressionAttributeNames": {f"#{name}": name for name in used},
                "ExpressionAttributeValues": {
                    f":{name}": {"N": f"{amount:.3f}"} for name, amount in used.items()
                },
            }
        )

    def of(self, tenant: str, month: str) -> Sequence[Usage]:
        found = self._table.query_all(
            KeyConditionExpression="PK = :pk AND begins_with(SK, :prefix)",
            ExpressionAttributeValues={":pk": {"S": _pk(tenant)}, ":prefix": {"S": _prefix(month)}},
            ConsistentRead=True,
        )
        return [_read(item) for item in found]

    def everyone(self, month: str) -> Iterator[tuple[str, Usage]]:
        for item in self._table.scan_all(
            FilterExpression="begins_with(SK, :prefix)",
            ExpressionAttributeValues={":prefix": {"S": _prefix(month)}},
        ):
            pk = item["PK"]["S"]
            yield (pk.removeprefix(_TENANT) if pk.startswith(_TENANT) else STACK), _read(item)


def _pk(tenant: str) -> str:
    return "STACK" if tenant == STACK else tenant_pk(tenant)


def _prefix(month: str) -> str:
    return f"{USAGE}{month}#"


def _read(item: Item) -> Usage:
    function = item["SK"]["S"].split("#", 2)[2]
    return Usage(function, {name: float(at["N"]) for name, at in item.items() if "N" in at})
