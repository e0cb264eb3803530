"""Collections' settings: an item each, listed by tenant in the index of collections."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ragline.adapters.dynamodb import items
from ragline.adapters.dynamodb.table import Table
from ragline.domain.chunking import Chunking, Strategy, Tables
from ragline.domain.collections import CollectionSettings, Walk, WalkKind
from ragline.domain.documents import Partition
from ragline.domain.messages import new_nonce
from ragline.domain.times import iso

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import PutTypeDef

    from ragline.adapters.dynamodb.items import Item

_FORGOTTEN_AFTER = timedelta(days=1)
"""A collection without settings keeps its stamp so long: whoever read the old one is refused."""


class Collections:
    """The part of ``DynamoLedger`` that keeps collections' settings."""

    _table: Table
    _clock: Callable[[], datetime]

    def collection(self, partition: Partition) -> CollectionSettings:
        found = self._table.get(items.collection_pk(partition), items.SETTINGS)
        return _read(partition, found) if found else CollectionSettings(partition)

    def keep_collection(self, collection: CollectionSettings) -> CollectionSettings | None:
        kept = replace(collection, stamp=new_nonce(), updated_at=iso(self._clock()))
        write: PutTypeDef = {
            "TableName": self._table.name,
            "Item": self._item(kept),
            "ConditionExpression": "attribute_not_exists(PK)",
        }
        if collection.stamp:
            write["ConditionExpression"] = "stamp = :before"
            write["ExpressionAttributeValues"] = {":before": {"S": collection.stamp}}
        return kept if self._table.put(write) else None

    def collections(self, tenant: str) -> Sequence[str]:
        found = self._table.query_all(
            IndexName=items.BY_COLLECTION,
            KeyConditionExpression="GSI1PK = :tenant",
            ExpressionAttributeValues={":tenant": {"S": items.collections_pk(tenant)}},
        )
        return sorted(item["GSI1SK"]["S"] for item in found)

    def _item(self, kept: CollectionSettings) -> Item:
        partition = kept.partition
        item: Item = {
            **items.key(items.collection_pk(partition), items.SETTINGS),
            "stamp": {"S": kept.stamp},
            "updated_at": {"S": kept.updated_at},
        }
        if kept.blank:
            gone = self._clock() + _FORGOTTEN_AFTER
            return {**item, "ttl": {"N": str(int(gone.timestamp()))}}
        item["GSI1PK"] = {"S": items.collections_pk(partition.tenant)}
        item["GSI1SK"] = {"S": partition.collection}
        if kept.chunking:
            item["chunking"] = {"S": json.dumps(asdict(kept.chunking))}
        if kept.walk:
            item["walk"] = {"S": json.dumps(asdict(kept.walk))}
        return item


def _read(partition: Partition, item: Item) -> CollectionSettings:
    return CollectionSettings(
        partition,
        _chunking(json.loads(item["chunking"]["S"])) if "chunking" in item else None,
        _walk(json.loads(item["walk"]["S"])) if "walk" in item else None,
        item["updated_at"]["S"],
        item["stamp"]["S"],
    )


def _chunking(kept: dict[str, object]) -> Chunking:
    made = Chunking(**kept)  # type: ignore[arg-type]
    return replace(made, strategy=Strategy(made.strategy), tables=Tables(made.tables))


def _walk(kept: dict[str, object]) -> Walk:
    made = Walk(**kept)  # type: ignore[arg-type]
    return replace(made, kind=WalkKind(made.kind))
