"""One DynamoDB table: consistent reads, and writes that say whether they happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from ragline.adapters.aws_errors import cancellation_codes, of_code, translated
from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb.items import key
from ragline.domain.errors import ServiceUnavailable, Throttled, WriteConflict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        PutTypeDef,
        QueryInputTypeDef,
        QueryOutputTypeDef,
        TransactWriteItemTypeDef,
        UpdateTypeDef,
        WriteRequestOutputTypeDef,
    )

    from ragline.adapters.dynamodb.items import Item

BATCH_READ = 100
"""Items that DynamoDB reads in one BatchGetItem."""

BATCH_WRITE = 25
"""Items that DynamoDB writes in one BatchWriteItem."""

TRANSACTION = 100
"""Items that DynamoDB writes in one TransactWriteItems."""

Written = Literal["done", "refused", "stale", "conflict", "throttled"]


class Table:
    """A table's name, its client, and how patient we are with it."""

    def __init__(self, name: str, client: DynamoDBClient, backoff: Backoff) -> None:
        self.name = name
        self.backoff = backoff
        self._client = client
        self._what = f"table {name}"

    def get(self, pk: str, sk: str) -> Item | None:
        with translated(self._what):
            found = self._client.get_item(TableName=self.name, Key=key(pk, sk), ConsistentRead=True)
        return found.get("Item")

    def batch_get(self, keys: Sequence[Item]) -> Iterator[Item]:
        """The items there are, in no order.

        Raises:
            Throttled: some stayed unread however often we asked.
        """
        for start in range(0, len(keys), BATCH_READ):
            yield from self._batch(keys[start : start + BATCH_READ])

    def query(self, **request: object) -> QueryOutputTypeDef:
        with translated(self._what):
            asked: QueryInputTypeDef = {"TableName": self.name, **request}  # type: ignore[typeddict-item]
            return self._client.query(**asked)

    def query_all(self, **request: object) -> Iterator[Item]:
        """Every item that ``query`` finds, page by page."""
        start: dict[str, object] = {}
        while True:
            answer = self.query(**request, **start)
            yield from answer["Items"]
            last = answer.get("LastEvaluatedKey")
            if not last:
                return
            start = {"ExclusiveStartKey": last}

    def scan(self, sk: str) -> Iterator[Item]:
        """The keys of every item whose sort key is ``sk``, page by page."""
        return self.scan_all(
            FilterExpression="SK = :sk",
            ExpressionAttributeValues={":sk": {"S": sk}},
            ProjectionExpression="PK, SK",
        )

    def scan_all(self, **request: Any) -> Iterator[Item]:
        """Every item of the table that ``request`` selects, page by page, strongly consistent."""
        start: dict[str, Any] = {}
        while True:
            with translated(self._what):
                answer = self._client.scan(
                    TableName=self.name, ConsistentRead=True, **request, **start
                )
            yield from answer["Items"]
            last = answer.get("LastEvaluatedKey")
            if not last:
                return
            start = {"ExclusiveStartKey": last}

    def delete_all(self, keys: Iterable[Item]) -> None:
        """Delete these items; absent ones are no error.

        Raises:
            Throttled: some were not deleted however often we asked.
        """
        left = iter(keys)
        while some := list(islice(left, BATCH_WRITE)):
            self._delete_batch(some)

    def put(self, put: PutTypeDef) -> bool:
        """False if its condition did not hold, or another writer was at the item."""
        try:
            with translated(self._what):
                self._client.put_item(**put)
        except WriteConflict:
            return False
        return True

    def delete(self, one: Item) -> Item | None:
        """Delete the item of this key; what it was, None if there was none."""
        with translated(self._what):
            done = self._client.delete_item(TableName=self.name, Key=one, ReturnValues="ALL_OLD")
        return done.get("Attributes")

    def update(self, update: UpdateTypeDef) -> bool:
        """False if its condition did not hold, or another writer was at the item."""
        try:
            self.apply(update)
        except WriteConflict:
            return False
        return True

    def apply(self, update: UpdateTypeDef) -> None:
        """An update that has no condition to fail."""
        with translated(self._what):
            self._client.update_item(**update)

    def transact(self, writes: Sequence[TransactWriteItemTypeDef]) -> Written:
        """Write all or nothing; and why nothing, if so.

        ``refused``: the condition of the first write failed; ``stale``: that of a later one did;
        ``conflict``: another transaction was at one of the items; ``throttled``: as it says.
        """
        try:
            with translated(self._what):
                try:
                    self._client.transact_write_items(TransactItems=writes)
                except ClientError as error:
                    codes = cancellation_codes(error)
                    if not codes:
                        raise
                    return self._cancelled(codes)
        except WriteConflict:
            return "conflict"
        except Throttled:
            return "throttled"
        return "done"

    def _cancelled(self, codes: Sequence[str]) -> Written:
        if codes[0] == "ConditionalCheckFailed":
            return "refused"
        if "ConditionalCheckFailed" in codes:
            return "stale"
        errors = [
            of_code(code, self._what, "TransactWriteItems") for code in codes if code != "None"
        ]
        for error in errors:
            if not isinstance(error, (WriteConflict, Throttled, ServiceUnavailable)):
                raise error
        return "throttled" if any(isinstance(e, Throttled) for e in errors) else "conflict"

    def put_all(self, found: Iterable[Item]) -> int:
        """Put these items, over any of the same keys; how many there were.

        Raises:
            Throttled: some were not written however often we asked.
        """
        left, done = iter(found), 0
        while some := list(islice(left, BATCH_WRITE)):
            self._write_batch([{"PutRequest": {"Item": one}} for one in some])
            done += len(some)
        return done

    def _delete_batch(self, keys: Sequence[Item]) -> None:
        self._write_batch(
            [{"DeleteRequest": {"Key": {"PK": one["PK"], "SK": one["SK"]}}} for one in keys]
        )

    def _write_batch(self, wanted: Sequence[WriteRequestOutputTypeDef]) -> None:
        pending = wanted
        for _ in self.backoff.attempts():
            with translated(self._what):
                answer = self._client.batch_write_item(RequestItems={self.name: pending})
            pending = answer.get("UnprocessedItems", {}).get(self.name, [])
            if not pending:
                return
        raise Throttled(f"{self._what}: {len(pending)} items stayed unwritten.")

    def _batch(self, keys: Sequence[Item]) -> Iterator[Item]:
        pending = list(keys)
        for _ in self.backoff.attempts():
            with translated(self._what):
                answer = self._client.batch_get_item(
                    RequestItems={self.name: {"Keys": pending, "ConsistentRead": True}}
                )
            yield from answer["Responses"].get(self.name, [])
            left = answer.get("UnprocessedKeys", {}).get(self.name)
            if not left:
                return
            pending = list(left["Keys"])
        raise Throttled(f"{self._what}: {len(pending)} items stayed unread.")
