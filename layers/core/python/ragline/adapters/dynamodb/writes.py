"""The conditional writes of the ledger, as DynamoDB wants them said. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from ragline.adapters.dynamodb import items
from ragline.domain.documents import Document, Reason, Status
from ragline.domain.ledger import ChunkState, Failure, RangeRecord
from ragline.domain.tenants import HELD, NO_CAPS, Caps, Holdings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import PutTypeDef, TransactWriteItemTypeDef, UpdateTypeDef

    from ragline.adapters.dynamodb.items import Item


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
    # A clause that names nothing is a syntax error.
    clauses = [f"SET {', '.join(sets)}"] if sets else []
    if removes:
        clauses.append("REMOVE " + ", ".join(f"#{name}" for name in removes))
    return {
        "TableName": table,
        "Key": {"PK": item["PK"], "SK": item["SK"]},
        "UpdateExpression": " ".join(clauses),
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


def put_range(table: str, item: Item, was: RangeRecord | None) -> TransactWriteItemTypeDef:
    """Record a range, if none is recorded yet, or in the place of one that is still lost."""
    if was is None:
        return {"Put": put_absent(table, item)}
    return {
        "Put": {
            "TableName": table,
            "Item": item,
            "ConditionExpression": "attribute_exists(lost)",
        }
    }


def drop_lost(table: str, document: Document, number: int) -> TransactWriteItemTypeDef:
    """Make one range undone again, if it is lost."""
    pk = items.document_pk(document.partition.tenant, document.document_id)
    return {
        "Delete": {
            "TableName": table,
            "Key": items.key(pk, items.range_sk(document.generation, number)),
            "ConditionExpression": "attribute_exists(lost)",
        }
    }


def drop_failed(table: str, document: Document, ordinal: int) -> TransactWriteItemTypeDef:
    """Make one chunk pending again, if it has failed."""
    pk = items.document_pk(document.partition.tenant, document.document_id)
    return {
        "Delete": {
            "TableName": table,
            "Key": items.key(pk, items.chunk_sk(document.generation, ordinal)),
            "ConditionExpression": "#state = :failed",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":failed": {"N": str(ChunkState.FAILED.value)}},
        }
    }


def add_counts(
    table: str,
    document: Document,
    counts: Mapping[str, int],
    now: str,
    chunk_reason: Reason | None = None,
    unless: Collection[Status] = (Status.DELETED, Status.AWAITING_UPLOAD),
) -> TransactWriteItemTypeDef:
    """Move counts of META, if it is still of this generation and in none of these statuses.

    Those given are the ones in which no generation is wanted (in the sense of ``wants``).
    """
    values: Item = {f":{name}": {"N": str(by)} for name, by in counts.items()}
    values |= {f":unless_{status.value}": {"S": status.value} for status in unless}
    values |= {":generation": {"N": str(document.generation)}, ":now": {"S": now}}
    statuses = ", ".join(f":unless_{status.value}" for status in unless)
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
            "ConditionExpression": f"#generation = :generation AND NOT #status IN ({statuses})",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
    }


def move_totals(
    table: str, tenant: str, by: Holdings, caps: Caps = NO_CAPS
) -> TransactWriteItemTypeDef:
    """Move what a tenant holds, in the transaction that changes it.

    With ``caps``, only if what grows stays within them: that is the condition.
    """
    moved = {name: change for name in HELD if (change := getattr(by, name))}
    counted = {**moved, items.MOVES: 1}
    values: Item = {f":{name}": {"N": str(change)} for name, change in counted.items()}
    terms = []
    for name, change in moved.items():
        cap = getattr(caps, name)
        if cap is not None and change > 0:
            values[f":most_{name}"] = {"N": str(cap - change)}
            fits = f"#{name} <= :most_{name}"
            new = f"attribute_not_exists(#{name}) OR " if cap >= change else ""
            terms.append(f"({new}{fits})")
    update: UpdateTypeDef = {
        "TableName": table,
        "Key": items.key(items.tenant_pk(tenant), items.TOTALS),
        "UpdateExpression": f"ADD {', '.join(f'#{name} :{name}' for name in counted)}",
        "ExpressionAttributeNames": {f"#{name}": name for name in counted},
        "ExpressionAttributeValues": values,
    }
    if terms:
        update["ConditionExpression"] = " AND ".join(terms)
    return {"Update": update}


def set_caps(table: str, tenant: str, caps: Caps) -> UpdateTypeDef:
    """Set each cap, or take it away; what else is kept in the item stays."""
    capped = (*HELD, "cost")
    names = {f"#{name}": name for name in capped}
    given = {name: cap for name in capped if (cap := getattr(caps, name)) is not None}
    clauses = [f"SET {', '.join(f'#{name} = :{name}' for name in given)}"] if given else []
    if gone := [f"#{name}" for name in capped if name not in given]:
        clauses.append(f"REMOVE {', '.join(gone)}")
    update: UpdateTypeDef = {
        "TableName": table,
        "Key": items.key(items.tenant_pk(tenant), items.LIMITS),
        "UpdateExpression": " ".join(clauses),
        "ExpressionAttributeNames": names,
    }
    if given:
        update["ExpressionAttributeValues"] = {
            f":{name}": {"N": str(cap)} for name, cap in given.items()
        }
    return update


def set_totals(table: str, tenant: str, holds: Holdings, moves: int) -> UpdateTypeDef:
    """Set what a tenant holds, if it has moved so many times and no more."""
    names = {f"#{name}": name for name in (*HELD, items.MOVES)}
    values: Item = {f":{name}": {"N": str(getattr(holds, name))} for name in HELD}
    values |= {":moves": {"N": str(moves)}, ":next": {"N": str(moves + 1)}}
    sets = ", ".join(f"#{name} = :{name}" for name in HELD)
    absent = " OR attribute_not_exists(#moves)" if not moves else ""
    return {
        "TableName": table,
        "Key": items.key(items.tenant_pk(tenant), items.TOTALS),
        "UpdateExpression": f"SET {sets}, #moves = :next",
        "ConditionExpression": f"#moves = :moves{absent}",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def count_failure(table: str, key: Item, failure: Failure, now: str, ttl: int) -> UpdateTypeDef:
    """Count one kind of failure once more, unless the letter that tells of it was the last one."""
    update: UpdateTypeDef = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": (
            "SET #first = if_not_exists(#first, :first), #last = :last, "
            "#reason = :reason, #letter = :letter, #ttl = :ttl ADD #attempts :attempts"
        ),
        "ExpressionAttributeNames": {
            f"#{name}": name for name in ("first", "last", "reason", "letter", "ttl", "attempts")
        },
        "ExpressionAttributeValues": {
            ":first": {"S": failure.first or now},
            ":last": {"S": failure.last or now},
            ":reason": items.reason_value(failure.reason),
            ":letter": {"S": failure.letter},
            ":ttl": {"N": str(ttl)},
            ":attempts": {"N": str(failure.attempts)},
        },
    }
    if failure.letter:
        update["ConditionExpression"] = "attribute_not_exists(#letter) OR #letter <> :letter"
    return update


def _unchanged(raw: Item, guard: Sequence[str]) -> tuple[str, dict[str, str], Item]:
    """A condition that the attributes in ``guard`` are as in ``raw``; its names and values."""
    names = {f"#{name}": name for name in guard}
    values: Item = {f":was_{name}": raw[name] for name in guard if name in raw}
    terms = [
        f"#{name} = :was_{name}" if name in raw else f"attribute_not_exists(#{name})"
        for name in guard
    ]
    return " AND ".join(terms), names, values
