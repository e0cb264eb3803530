"""The conditional writes of the ledger, as DynamoDB wants them said. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ragline.adapters import dynamodb_items as items
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.ledger import ChunkState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import PutTypeDef, TransactWriteItemTypeDef, UpdateTypeDef

    from ragline.adapters.dynamodb_items import Item


def put_absent(table: str, item: Item) -> PutTypeDef:
    return {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(PK)"}


def put_unchanged(table: str, raw: Item | None, item: Item, guard: Sequence[str]) -> PutTypeDef:
    """Replace the item as a whole, if the attributes in ``guard`` are still as in ``raw``."""
    if raw is None:
        return put_absent(table, item)
    condition, names, values = _unchanged(raw, guard)
    return {
        "TableName": table,
        "Item": item,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def update_unchanged(table: str, raw: Item, item: Item, guard: Sequence[str]) -> UpdateTypeDef:
    """Write only where ``item`` differs from ``raw``, if ``guard`` is still as in ``raw``.

    What differs not is not written: a count that moves meanwhile keeps its move.
    """
    condition, names, values = _unchanged(raw, guard)
    sets = []
    for name in sorted(item):
        if item[name] != raw.get(name):
            names[f"#{name}"] = name
            values[f":new_{name}"] = item[name]
            sets.append(f"#{name} = :new_{name}")
    removes = [name for name in items.OPTIONAL if name in raw and name not in item]
    names |= {f"#{name}": name for name in removes}
    update = f"SET {', '.join(sets)}"
    if removes:
        update += " REMOVE " + ", ".join(f"#{name}" for name in removes)
    return {
        "TableName": table,
        "Key": {"PK": item["PK"], "SK": item["SK"]},
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def put_chunk(
    table: str,
    document: Document,
    ordinal: int,
    was: ChunkState | None,
    state: ChunkState,
    reason: Reason | None,
    now: str,
) -> TransactWriteItemTypeDef:
    """Move one chunk, if it is still where it was read (None: not recorded yet)."""
    item = items.chunk_item(document, ordinal, state, reason, now)
    if was is None:
        return {"Put": put_absent(table, item)}
    return {
        "Put": {
            "TableName": table,
            "Item": item,
            "ConditionExpression": "#state = :was",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":was": {"N": str(was.value)}},
        }
    }


def add_counts(
    table: str,
    document: Document,
    counts: Mapping[str, int],
    now: str,
    chunk_reason: Reason | None = None,
) -> TransactWriteItemTypeDef:
    """Move counts of META, if it still wants this generation (in the sense of ``wants``)."""
    values: Item = {f":{name}": {"N": str(by)} for name, by in counts.items()}
    values |= {
        ":generation": {"N": str(document.generation)},
        ":deleted": {"S": Status.DELETED.value},
        ":awaiting": {"S": Status.AWAITING_UPLOAD.value},
        ":now": {"S": now},
    }
    # Some counts are reserved words of DynamoDB's expressions, so every name has a placeholder.
    names = {f"#{name}": name for name in ("status", "generation", "updated_at", *counts)}
    update = "SET #updated_at = :now"
    if chunk_reason:
        update += ", #reason = :reason"
        names["#reason"] = "chunk_reason"
        values[":reason"] = items.reason_value(chunk_reason)
    pk = items.document_pk(document.partition.tenant, document.document_id)
    return {
        "Update": {
            "TableName": table,
            "Key": items.key(pk, items.META),
            "UpdateExpression": f"{update} ADD {', '.join(f'#{name} :{name}' for name in counts)}",
            "ConditionExpression": (
                "#generation = :generation AND NOT #status IN (:deleted, :awaiting)"
            ),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
    }


def _unchanged(raw: Item, guard: Sequence[str]) -> tuple[str, dict[str, str], Item]:
    """A condition that the attributes in ``guard`` are as in ``raw``; its names and values."""
    names = {f"#{name}": name for name in guard}
    values: Item = {f":was_{name}": raw[name] for name in guard if name in raw}
    terms = [
        f"#{name} = :was_{name}" if name in raw else f"attribute_not_exists(#{name})"
        for name in guard
    ]
    return " AND ".join(terms), names, values
