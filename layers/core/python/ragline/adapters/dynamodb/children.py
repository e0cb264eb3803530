"""What a document has in it, beside its META: an item for each file that came in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ragline.adapters.dynamodb import items, writes
from ragline.adapters.dynamodb.documents import HELD_BY_META, STATE, Documents
from ragline.adapters.dynamodb.table import TRANSACTION
from ragline.domain import lifecycle
from ragline.domain.children import Child
from ragline.domain.documents import Document
from ragline.domain.tenants import Holdings, held_by

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from ragline.adapters.dynamodb.items import Item

_AFTER = "CHILD$"  # sorts right behind every CHILD#…


class Children(Documents):
    """The part of ``DynamoLedger`` that is about documents within documents."""

    def count_children(self, document: Document, children: int) -> None:
        self._change(
            document.partition.tenant,
            document.document_id,
            lambda old: lifecycle.counted_children(old, document.generation, children, self._now()),
            guard=(*STATE, "children"),
        )

    def record_child(self, document: Document, child: Child) -> bool:
        item = items.child_item(document, child, self._now())
        return self._table.put(
            {
                "TableName": self._table.name,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(PK) OR #generation <= :generation",
                "ExpressionAttributeNames": {"#generation": "generation"},
                "ExpressionAttributeValues": {":generation": {"N": str(child.generation)}},
            }
        )

    def children(
        self, tenant: str, document_id: str, *, after: str = "", limit: int | None = None
    ) -> Sequence[Child]:
        found = self._table.query_all(
            KeyConditionExpression="PK = :pk AND SK BETWEEN :low AND :high",
            ExpressionAttributeValues={
                ":pk": {"S": items.document_pk(tenant, document_id)},
                ":low": {"S": items.child_sk(after)},
                ":high": {"S": _AFTER},
            },
            ConsistentRead=True,
            # The first may be the one to begin after.
            **({} if limit is None else {"Limit": limit + 1}),
        )
        behind = (one for one in map(items.read_child, found) if one.place != after)
        return list(islice(behind, limit))

    def delete_many(self, tenant: str, document_ids: Collection[str]) -> None:
        wanted = sorted(set(document_ids))
        step = TRANSACTION - 1  # and what their tenant holds
        for start in range(0, len(wanted), step):
            some = wanted[start : start + step]
            if not self._delete_together(tenant, some):
                for one in some:
                    self.delete(tenant, one)

    def delete(self, tenant: str, document_id: str, sequencer: str = "") -> Document | None:
        old, record = self._change(
            tenant, document_id, lambda old: lifecycle.removed(old, sequencer, self._now())
        )
        return old.document if old and record and lifecycle.deletes(old, record) else None

    def _delete_together(self, tenant: str, document_ids: Sequence[str]) -> bool:
        """In one transaction; False if another writer was at one of them, or at their tenant's
        totals: one by one they would stand in one another's way there, too."""
        keys = [items.key(items.document_pk(tenant, one), items.META) for one in document_ids]
        changes: list[TransactWriteItemTypeDef] = []
        told, held, now = [], Holdings(), self._now()
        for raw in self._table.batch_get(keys):
            old = items.read_record(raw)
            new = lifecycle.removed(old, "", now)
            if new is None:
                continue
            item: Item = items.meta_item(new)
            guard = (*STATE, *HELD_BY_META)
            update = writes.update_unchanged(self._table.name, raw, item, guard)
            changes.append({"Update": update})
            held += held_by(new.document) - held_by(old.document)
            told.append((old, new))
        if held:
            changes.append(writes.move_totals(self._table.name, tenant, held))
        if changes and self._table.transact(changes) != "done":
            return False
        for old, new in told:
            self._tell(old, new)
        return True

    def _drop_children(self, tenant: str, document_id: str, below: int, keep: int) -> None:
        """The records of what was seen last in generations below ``below``, but not in ``keep``."""
        old = self._table.query_all(
            KeyConditionExpression="PK = :pk AND begins_with(SK, :prefix)",
            FilterExpression="#generation < :below AND #generation <> :keep",
            ExpressionAttributeNames={"#generation": "generation"},
            ExpressionAttributeValues={
                ":pk": {"S": items.document_pk(tenant, document_id)},
                ":prefix": {"S": items.child_sk("")},
                ":below": {"N": str(below)},
                ":keep": {"N": str(keep)},
            },
            ProjectionExpression="PK, SK",
            ConsistentRead=True,
        )
        self._table.delete_all(old)
