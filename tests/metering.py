"""What DynamoDB would charge for the calls that a ledger makes, by the rules that AWS gives.

Sizes of items
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
Units of reads and writes
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    A write: 1 unit per KB of the item before or after it, whichever is larger; also one whose
    condition does not hold, and one of an item that is not there. A strongly consistent read: 1
    unit per 4 KB, of each item by itself for BatchGetItem and of all together for Query; also one
    that finds nothing.
Transactions, twice that per item
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
Indexes, besides: 1 unit for an entry that comes or goes, 2 for one that moves
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html

What AWS does not say is taken to be dear: a cancelled transaction costs what it would have written,
and the indexes' part in a transaction is doubled too. Whatever has no price here is refused, so
that nothing goes uncounted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragline.adapters.dynamodb.items import Item

KB = 1024
_TRANSACTION = 2
_BATCH_READ = 100


@dataclass(frozen=True, slots=True)
class Units:
    """Write units by what was written, and read units."""

    writes: Counter[str] = field(default_factory=Counter)
    reads: int = 0

    @property
    def written(self) -> int:
        return self.writes.total()


@dataclass(frozen=True, slots=True)
class _Write:
    """One item that a call writes: under which name it is counted, and what it would become."""

    kind: str
    key: Item
    proposed: Item | None = None


class Metered:
    """A DynamoDB client whose calls on one table are counted; ``since_last`` has their price."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table
        self._writes: Counter[str] = Counter()
        self._reads = 0
        known = client.describe_table(TableName=table)["Table"]
        self._indexes = []
        for index in known["GlobalSecondaryIndexes"]:
            # So an entry changes only when its keys do, and is never above 1 KB.
            assert index["Projection"]["ProjectionType"] == "KEYS_ONLY"
            self._indexes.append([part["AttributeName"] for part in index["KeySchema"]])

    def since_last(self) -> Units:
        """What was used since this was asked before."""
        used = Units(self._writes, self._reads)
        self._writes, self._reads = Counter(), 0
        return used

    def put_item(self, **request: Any) -> Any:
        item = request["Item"]
        write = _Write(_kind(item), item, item)
        return self._write(self._client.put_item, request, [write])

    def update_item(self, **request: Any) -> Any:
        write = _Write(_kind(request["Key"]), request["Key"])
        return self._write(self._client.update_item, request, [write])

    def transact_write_items(self, **request: Any) -> Any:
        writes = [_of_transaction(one) for one in request["TransactItems"]]
        return self._write(self._client.transact_write_items, request, writes, _TRANSACTION)

    def batch_write_item(self, **request: Any) -> Any:
        keys = [one["DeleteRequest"]["Key"] for one in request["RequestItems"][self._table]]
        writes = [_Write(_kind(key), key) for key in keys]
        return self._write(self._client.batch_write_item, request, writes)

    def get_item(self, **request: Any) -> Any:
        answer = self._client.get_item(**request)
        self._read(request, [answer.get("Item")])
        return answer

    def batch_get_item(self, **request: Any) -> Any:
        answer = self._client.batch_get_item(**request)
        asked, found = request["RequestItems"][self._table], answer["Responses"][self._table]
        self._read(asked, [*found, *[None] * (len(asked["Keys"]) - len(found))])
        return answer

    def query(self, **request: Any) -> Any:
        assert "IndexName" not in request, "no price for queries of an index"
        whole = {name: value for name, value in request.items() if name != "ProjectionExpression"}
        read = self._client.query(**whole)["Items"]
        self._read(request, [{"": {"S": " " * sum(map(item_size, read))}}])
        return self._client.query(**request)

    def _read(self, request: Any, items: Iterable[Item | None]) -> None:
        assert request["ConsistentRead"], "no price for other reads"
        self._reads += sum(units(item_size(item), 4 * KB) for item in items)

    def _write(
        self, call: Callable[..., Any], request: Any, writes: Sequence[_Write], times: int = 1
    ) -> Any:
        before = self._items(writes)
        try:
            return call(**request)
        finally:
            after = self._items(writes)
            for write, old, new in zip(writes, before, after, strict=True):
                size = max(item_size(one) for one in (old, new, write.proposed))
                self._writes[write.kind] += times * units(size, KB)
                self._writes["indexes"] += times * self._moves(old, new)

    def _moves(self, old: Item | None, new: Item | None) -> int:
        moves = 0
        for names in self._indexes:
            was, now = _entry(old, names), _entry(new, names)
            if was != now:
                moves += (was is not None) + (now is not None)
        return moves

    def _items(self, writes: Sequence[_Write]) -> list[Item | None]:
        """The items as they stand, read behind the meter's back."""
        keys = [{name: write.key[name] for name in ("PK", "SK")} for write in writes]
        found: dict[tuple[str, str], Item] = {}
        for start in range(0, len(keys), _BATCH_READ):
            asked = {"Keys": keys[start : start + _BATCH_READ], "ConsistentRead": True}
            answer = self._client.batch_get_item(RequestItems={self._table: asked})
            found |= {_place(item): item for item in answer["Responses"][self._table]}
        return [found.get(_place(key)) for key in keys]


def units(size: int, per: int) -> int:
    return max(1, -(-size // per))


def item_size(item: Item | None) -> int:
    """Bytes; 0 for no item."""
    return sum(len(name.encode()) + _value_size(value) for name, value in (item or {}).items())


def _value_size(value: Any) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            digits = Decimal(content).normalize().as_tuple().digits
            return (len(digits) + 1) // 2 + 1
        case "BOOL":
            return 1
        case "SS":
            return 3 + sum(1 + len(one.encode()) for one in content)
    raise ValueError(f"no size is known for attributes of type {kind}")


def _of_transaction(one: Any) -> _Write:
    ((verb, what),) = one.items()
    item = what.get("Item")
    key = item or what["Key"]
    kind = _kind(key)
    return _Write("counts" if (verb, kind) == ("Update", "documents") else kind, key, item)


def _kind(key: Item) -> str:
    pk, sk = key["PK"]["S"], key["SK"]["S"]
    if sk == "META":
        return "documents" if "#DOC#" in pk else "collections"
    if sk in {"LIMITS", "TOTALS"}:
        return "totals"
    return {"CHUNK": "chunks", "RANGE": "ranges", "FAILURE": "failures", "CLAIM": "claims"}[
        sk.partition("#")[0]
    ]


def _entry(item: Item | None, names: Sequence[str]) -> list[Any] | None:
    return [item[name] for name in names] if item and all(name in item for name in names) else None


def _place(item: Item) -> tuple[str, str]:
    return item["PK"]["S"], item["SK"]["S"]
