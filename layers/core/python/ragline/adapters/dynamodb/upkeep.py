"""What the ledger is asked across documents and records: by retries, repairs and audits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from ragline.adapters.cursors import EARLIEST, LATEST, decode_cursor, encode_cursor
from ragline.adapters.dynamodb import items, writes
from ragline.adapters.dynamodb.table import Table
from ragline.domain.documents import Document, Partition, Status
from ragline.domain.ledger import Audit, DocumentPage, Work
from ragline.domain.lifecycle import TROUBLED, Record
from ragline.domain.tenants import Caps, Holdings, Tenant, held_by
from ragline.domain.times import check_time, iso

if TYPE_CHECKING:
    from ragline.adapters.dynamodb.items import Item

_RECORDS = ("CHUNK", "RANGE")


class Upkeep:
    """The half of ``DynamoLedger`` that reads many items, and drops those of dead generations."""

    _table: Table
    _clock: Callable[[], datetime]

    def overdue(self, limit: int = 100) -> Sequence[Record]:
        now = iso(self._clock())
        found = chain.from_iterable(self._leased(status, now, limit) for status in Status)
        # The index may lag behind: what counts is what META says.
        records = [items.read_record(item) for item in self._table.batch_get(list(found))]
        late = [one for one in records if one.lease_until and one.lease_until <= now]
        return sorted(late, key=lambda one: one.lease_until)[:limit]

    def troubled(
        self, tenant: str, *, since: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> DocumentPage:
        everywhere = Partition(tenant, "")
        low = check_time(since, "since") if since else EARLIEST
        high = decode_cursor(everywhere, cursor)[0] if cursor else LATEST
        if low > high:
            return DocumentPage(())
        answer = self._table.query(
            IndexName=items.BY_TROUBLE,
            KeyConditionExpression="GSI3PK = :pk AND GSI3SK BETWEEN :low AND :high",
            ExpressionAttributeValues={
                ":pk": {"S": items.troubled_pk(tenant)},
                ":low": {"S": low},
                ":high": {"S": high},
            },
            ScanIndexForward=False,
            Limit=limit + 1,  # the first is the cursor's own
        )
        places = [one for one in answer["Items"] if one["GSI3SK"]["S"] < high][:limit]
        keys = [items.key(one["PK"]["S"], one["SK"]["S"]) for one in places]
        known = {one["PK"]["S"]: items.read_record(one) for one in self._table.batch_get(keys)}
        documents = [known[one["PK"]["S"]].document for one in places if one["PK"]["S"] in known]
        more = "LastEvaluatedKey" in answer or len(answer["Items"]) > limit
        last = encode_cursor(everywhere, places[-1]["GSI3SK"]["S"]) if more and places else None
        return DocumentPage([one for one in documents if one.status in TROUBLED], last)

    def work(self, document: Document) -> Work:
        pk = items.document_pk(document.partition.tenant, document.document_id)
        found = chain.from_iterable(
            self._records(pk, f"{kind}#{document.generation:08d}#") for kind in _RECORDS
        )
        return items.read_work(found).get(document.generation, Work())

    def audit(self) -> Iterator[Audit]:
        """Two reads of the whole table in all; one document at a time is held in memory."""
        for pk in [item["PK"]["S"] for item in self._table.scan(items.META)]:
            if "#DOC#" not in pk:
                continue
            found = list(self._records(pk, ""))
            meta = next((one for one in found if one["SK"]["S"] == items.META), None)
            if meta is None:
                continue
            record = items.read_record(meta)
            deleted = record.document.status is Status.DELETED
            yield Audit(
                record.document, items.read_work(found), deleted and bool(record.lease_until)
            )

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

    def _drop_records(self, tenant: str, document_id: str, below: int, keep: int) -> None:
        """Those of generations below ``below``, but not of ``keep``."""
        pk = items.document_pk(tenant, document_id)
        for kind in _RECORDS:
            old = self._table.query_all(
                KeyConditionExpression="PK = :pk AND SK BETWEEN :low AND :high",
                ExpressionAttributeValues={
                    ":pk": {"S": pk},
                    ":low": {"S": f"{kind}#"},
                    ":high": {"S": f"{kind}#{below:08d}"},
                },
                ProjectionExpression="PK, SK",
                ConsistentRead=True,
            )
            kept = f"{kind}#{keep:08d}#"
            # Page by page: a removal that runs out of time has come as far as it has read.
            self._table.delete_all(filter(partial(_is_not_of, kept), old))

    def _records(self, pk: str, prefix: str) -> Iterator[Item]:
        values: Item = {":pk": {"S": pk}}
        condition = "PK = :pk"
        if prefix:
            condition += " AND begins_with(SK, :prefix)"
            values[":prefix"] = {"S": prefix}
        return self._table.query_all(
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
        )

    def _leased(self, status: Status, until: str, limit: int) -> Iterator[Item]:
        answer = self._table.query(
            IndexName=items.BY_STATUS,
            KeyConditionExpression="GSI2PK = :pk AND GSI2SK <= :until",
            ExpressionAttributeValues={
                ":pk": {"S": items.leased_pk(status)},
                ":until": {"S": until},
            },
            Limit=limit,
        )
        return (items.key(one["PK"]["S"], one["SK"]["S"]) for one in answer["Items"])


def _is_not_of(prefix: str, item: Item) -> bool:
    return not item["SK"]["S"].startswith(prefix)
