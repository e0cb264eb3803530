"""The ledger's items as they are, whole: for backups, and for erasing a tenant."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb.items import LIMITS, META, document_pk, tenant_pk
from ragline.adapters.dynamodb.table import Table
from ragline.adapters.dynamodb.usage import USAGE
from ragline.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from ragline.adapters.dynamodb.items import Item

_ERASED_AT_ONCE = 1_000

_TYPES = {"S", "N", "BOOL", "NULL", "SS", "NS", "L", "M"}
"""Of attributes. There are no binary ones, which JSON could not hold."""


class DynamoRecords:
    """``ports.Records``. A line is an item in DynamoDB's own JSON."""

    def __init__(
        self, table_name: str, *, client: DynamoDBClient, backoff: Backoff | None = None
    ) -> None:
        self._table = Table(table_name, client, backoff or Backoff())

    def all(self) -> Iterator[str]:
        for item in self._table.scan_all():
            yield json.dumps(item, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def put(self, records: Iterable[str]) -> int:
        return self._table.put_all(
            _item(line, number) for number, line in enumerate(records, start=1)
        )

    def empty(self) -> bool:
        others = self._table.scan_all(
            FilterExpression="NOT begins_with(SK, :usage)",
            ExpressionAttributeValues={":usage": {"S": USAGE}},
            ProjectionExpression="PK, SK",
        )
        return next(others, None) is None

    def documents(self, tenant: str) -> Iterator[str]:
        prefix = document_pk(tenant, "")
        for item in self._items(tenant):
            if item["SK"]["S"] == META and item["PK"]["S"].startswith(prefix):
                yield item["PK"]["S"].removeprefix(prefix)

    def of(self, tenant: str) -> Mapping[str, int]:
        kinds = (item["SK"]["S"].partition("#")[0].lower() for item in self._items(tenant))
        return dict(sorted(Counter(kinds).items()))

    def erase(self, tenant: str) -> int:
        gone = 0
        found = self._items(tenant)
        # Page by page: a huge document has a million records.
        while some := list(islice(found, _ERASED_AT_ONCE)):
            self._table.delete_all(some)
            gone += len(some)
        return gone

    def _items(self, tenant: str) -> Iterator[Item]:
        """The keys of a tenant's items, in whatever table's part they are: by the partition key,
        or by the attribute ``tenant``, which keys, plans and webhooks have."""
        found = self._table.scan_all(
            FilterExpression="(PK = :own OR begins_with(PK, :below) OR #tenant = :tenant) "
            "AND NOT (PK = :own AND SK = :limits)",
            ExpressionAttributeNames={"#tenant": "tenant"},
            ExpressionAttributeValues={
                ":own": {"S": tenant_pk(tenant)},
                ":below": {"S": f"{tenant_pk(tenant)}#"},
                ":tenant": {"S": tenant},
                ":limits": {"S": LIMITS},
            },
            ProjectionExpression="PK, SK",
        )
        yield from found


def _item(line: str, number: int) -> Item:
    try:
        item: Any = json.loads(line)
        keyed = all(isinstance(item[name]["S"], str) for name in ("PK", "SK"))
        typed = all(len(value) == 1 and set(value) <= _TYPES for value in item.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        keyed = typed = False
    if not (keyed and typed):
        raise InvalidRequest(f"record {number} is none of a ledger's: the backup is damaged.")
    read: Item = item
    return read
