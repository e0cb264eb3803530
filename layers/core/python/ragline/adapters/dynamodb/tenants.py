"""What tenants hold and may hold: an item of caps and one of totals for each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from ragline.adapters.dynamodb import items, writes
from ragline.adapters.dynamodb.table import Table
from ragline.domain.tenants import Caps, Holdings, Tenant, held_by


class Tenants:
    """The part of ``DynamoLedger`` that knows its tenants. Totals move with the documents' own
    writes: see ``Documents`` and ``Counting``."""

    _table: Table

    def tenant(self, tenant: str) -> Tenant:
        pk = items.tenant_pk(tenant)
        found = self._table.batch_get([items.key(pk, items.LIMITS), items.key(pk, items.TOTALS)])
        return items.read_tenant(tenant, found)

    def tenants(self) -> Sequence[str]:
        kinds = (items.LIMITS, items.TOTALS)
        found = chain.from_iterable(self._table.scan(kind) for kind in kinds)
        return sorted({item["PK"]["S"].removeprefix("TENANT#") for item in found})

    def cap(self, tenant: str, caps: Caps) -> None:
        self._table.apply(writes.set_caps(self._table.name, tenant, caps))

    def recount_tenant(self, tenant: str) -> bool:
        before = self.tenant(tenant)
        found = self._table.scan_all(
            FilterExpression="SK = :sk AND begins_with(PK, :pk)",
            ExpressionAttributeValues={
                ":sk": {"S": items.META},
                ":pk": {"S": items.document_pk(tenant, "")},
            },
        )
        holds = sum((held_by(items.read_record(one).document) for one in found), Holdings())
        return self._table.update(writes.set_totals(self._table.name, tenant, holds, before.moves))
