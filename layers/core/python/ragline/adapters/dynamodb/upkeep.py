"""What the ledger is asked across documents and records: by listings, retries, repairs, audits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

from ragline.adapters.cursors import EARLIEST, LATEST, decode_cursor, encode_cursor
from ragline.adapters.dynamodb import items
from ragline.adapters.dynamodb.documents import Documents
from ragline.domain import lifecycle
from ragline.domain.chunks import ORDINALS_PER_RANGE
from ragline.domain.documents import Document, Partition, Reason, Status
from ragline.domain.errors import OutOfTime
from ragline.domain.ledger import Audit, ChunkState, DocumentPage, Work
from ragline.domain.lifecycle import TROUBLED, Record
from ragline.domain.times import check_time, iso

if TYPE_CHECKING:
    from ragline.adapters.dynamodb.items import Item

_RECORDS = ("CHUNK", "RANGE")

_LAST = 9_999
"""The number of the last range that a document may have: nine digits hold its ordinals."""

_DROPPED_AT_ONCE = 1_000

_PAGE = 100
_PAGES_PER_LIST = 10


class Upkeep(Documents):
    """The part of ``DynamoLedger`` that reads many items, and drops those of dead generations."""

    def list(
        self,
        partition: Partition,
        *,
        status: Status | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DocumentPage:
        """As the port says, of ``since <= created_at < until``.

        The index only says which documents there are; what they are is read consistently.
        """
        low = check_time(since, "since") if since else EARLIEST
        high = check_time(until, "until") if until else LATEST
        if cursor:
            # A bound, not a start key: DynamoDB refuses one that other bounds leave out.
            high = min(high, decode_cursor(partition, cursor)[0])
        found: list[Document] = []
        start: Item | None = None
        for _ in range(_PAGES_PER_LIST if low < high else 0):
            page, start = self._page(partition, low, high, start)
            for position, (place, document) in enumerate(page, start=1):
                if lifecycle.listed(document, partition, status):
                    found.append(document)
                if len(found) == limit:
                    more = start or position < len(page)
                    return DocumentPage(found, encode_cursor(partition, place) if more else None)
            if start is None:
                break
        last = encode_cursor(partition, start["GSI1SK"]["S"]) if start else None
        return DocumentPage(found, last)

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

    def work(self, document: Document, number: int | None = None) -> Work:
        generation = document.generation
        lowest, highest = (0, _LAST) if number is None else (number, number)
        chunks = self._between(
            document,
            items.chunk_sk(generation, lowest * ORDINALS_PER_RANGE),
            items.chunk_sk(generation, (highest + 1) * ORDINALS_PER_RANGE - 1),
        )
        ranges = self._between(
            document, items.range_sk(generation, lowest), items.range_sk(generation, highest)
        )
        return items.read_work(chain(chunks, ranges)).get(generation, Work())

    def failed(self, document: Document) -> Mapping[int, Reason | None]:
        generation = document.generation
        found = self._between(
            document,
            items.chunk_sk(generation, 0),
            items.chunk_sk(generation, (_LAST + 1) * ORDINALS_PER_RANGE - 1),
            only=ChunkState.FAILED,
        )
        work = items.read_work(found).get(generation, Work())
        return {n: work.reasons.get(n) for n in work.failed}

    def audit(self) -> Iterator[Audit]:
        """Two reads of the whole table in all; one document at a time is held in memory."""
        for pk in [item["PK"]["S"] for item in self._table.scan(items.META)]:
            if "#DOC#" not in pk:
                continue
            metas: list[Item] = []
            work = items.read_work(_without_meta(self._records(pk, ""), metas))
            for meta in metas:
                record = items.read_record(meta)
                deleted = record.document.status is Status.DELETED
                yield Audit(record.document, work, deleted and bool(record.lease_until))

    def _page(
        self, partition: Partition, low: str, high: str, start: Item | None
    ) -> tuple[Sequence[tuple[str, Document]], Item | None]:
        """One page of ``low <= place < high``, newest first, and where the next one starts."""
        after = {"ExclusiveStartKey": start} if start else {}
        answer = self._table.query(
            IndexName=items.BY_COLLECTION,
            KeyConditionExpression="GSI1PK = :pk AND GSI1SK BETWEEN :low AND :high",
            ExpressionAttributeValues={
                ":pk": {"S": items.collection_pk(partition)},
                ":low": {"S": low},
                ":high": {"S": high},
            },
            ProjectionExpression="GSI1SK",
            ScanIndexForward=False,
            Limit=_PAGE,
            **after,
        )
        places = [item["GSI1SK"]["S"] for item in answer["Items"]]
        ids = {place: place.partition("#")[2] for place in places if place < high}
        known = self.get_many(partition.tenant, ids.values())
        page = [(place, known[one]) for place, one in ids.items() if one in known]
        return page, answer.get("LastEvaluatedKey")

    def _drop_records(
        self, tenant: str, document_id: str, below: int, keep: int, deadline: float
    ) -> None:
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
            dead = filter(partial(_is_not_of, kept), old)
            while some := list(islice(dead, _DROPPED_AT_ONCE)):
                if time.monotonic() > deadline:
                    raise OutOfTime("records are still to be dropped; the rest was put back.")
                self._table.delete_all(some)

    def _chunks(self, document: Document) -> Iterator[tuple[int, ChunkState]]:
        """Ordinal and state of every chunk of the generation that has one."""
        low = items.chunk_sk(document.generation, 0)
        high = items.chunk_sk(document.generation, (_LAST + 1) * ORDINALS_PER_RANGE - 1)
        for item in self._between(document, low, high, brief=True):
            yield int(item["SK"]["S"].rpartition("#")[2]), items.read_state(item)

    def _between(
        self,
        document: Document,
        low: str,
        high: str,
        *,
        only: ChunkState | None = None,
        brief: bool = False,
    ) -> Iterator[Item]:
        """The document's records from one sort key to another, inclusive.

        ``only`` those of a state; of each just its key and state if ``brief``, which is read in
        half the time.
        """
        pk = items.document_pk(document.partition.tenant, document.document_id)
        values: Item = {":pk": {"S": pk}, ":low": {"S": low}, ":high": {"S": high}}
        request: dict[str, object] = {}
        if only is not None:
            values[":state"] = {"N": str(only.value)}
            request["FilterExpression"] = "#state = :state"
        if brief:
            request["ProjectionExpression"] = "SK, #state"
        if request:
            request["ExpressionAttributeNames"] = {"#state": "state"}
        return self._table.query_all(
            KeyConditionExpression="PK = :pk AND SK BETWEEN :low AND :high",
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **request,
        )

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


def _without_meta(found: Iterator[Item], metas: list[Item]) -> Iterator[Item]:
    """All but META, which goes to ``metas``: what was read is not kept any longer than needed."""
    for item in found:
        if item["SK"]["S"] == items.META:
            metas.append(item)
        else:
            yield item


def _is_not_of(prefix: str, item: Item) -> bool:
    return not item["SK"]["S"].startswith(prefix)
