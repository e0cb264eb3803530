"""WebSocket connections in a table of their own, and tickets in the ledger table.

connection    CONNECTION#id     CONNECTION        whose it is, and its topics
subscription  TENANT#t          {topic}#{id}      one connection follows one topic
telling       TELLING#t#d       TELLING           when progress of a document was told last
ticket        TICKET#sha256     TICKET            (ledger) whose it is

Everything has a ``ttl``. DynamoDB may take days to act on it, so it is looked at here too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb.items import key, tenant_pk
from ragline.adapters.dynamodb.table import Table
from ragline.domain.access import Principal, Role
from ragline.domain.connections import (
    CONNECTION_SECONDS,
    PROGRESS_SECONDS,
    TICKET_SECONDS,
    Connection,
    Topic,
    parse_topic,
)
from ragline.domain.documents import Document
from ragline.domain.times import iso, utc_now

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from ragline.adapters.dynamodb.items import Item


class _Passing:
    """A table, and the time: what is kept here ends by itself, at its ``ttl``."""

    def __init__(
        self,
        table_name: str,
        *,
        client: DynamoDBClient,
        now: Callable[[], datetime] = utc_now,
        backoff: Backoff | None = None,
    ) -> None:
        self._table = Table(table_name, client, backoff or Backoff())
        self._clock = now

    def _ends(self, seconds: float) -> int:
        return int(self._clock().timestamp() + seconds)

    def _alive(self, item: Item) -> bool:
        return int(item["ttl"]["N"]) > self._clock().timestamp()


class DynamoConnections(_Passing):
    """``ports.Connections``."""

    def open(self, connection: Connection) -> None:
        item: Item = {
            **_connection_key(connection.connection_id),
            "tenant": {"S": connection.tenant},
            "ttl": {"N": str(self._ends(CONNECTION_SECONDS))},
        }
        self._table.put({"TableName": self._table.name, "Item": item})

    def find(self, connection_id: str) -> Connection | None:
        item = self._table.get(*_connection_place(connection_id))
        if item is None or not self._alive(item):
            return None
        named = item.get("topics", {}).get("SS", [])
        return Connection(connection_id, item["tenant"]["S"], frozenset(map(parse_topic, named)))

    def follow(self, connection: Connection, topic: Topic) -> None:
        # Noted with the connection first: what is noted there is cleared away with it.
        if not self._note("ADD", connection, topic):
            return  # it was closed meanwhile
        item: Item = {
            **_subscription_key(connection, topic),
            "ttl": {"N": str(self._ends(CONNECTION_SECONDS))},
        }
        self._table.put({"TableName": self._table.name, "Item": item})

    def unfollow(self, connection: Connection, topic: Topic) -> None:
        self._table.delete(_subscription_key(connection, topic))
        self._note("DELETE", connection, topic)

    def close(self, connection_id: str) -> None:
        item = self._table.get(*_connection_place(connection_id))
        if item is None:
            return
        topics = map(parse_topic, item.get("topics", {}).get("SS", []))
        connection = Connection(connection_id, item["tenant"]["S"])
        followed = [_subscription_key(connection, topic) for topic in topics]
        self._table.delete_all([*followed, _connection_key(connection_id)])

    def audience(self, tenant: str) -> Mapping[Topic, frozenset[str]]:
        found: dict[Topic, set[str]] = defaultdict(set)
        items = self._table.query_all(
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues={":pk": {"S": tenant_pk(tenant)}},
            ConsistentRead=True,
        )
        for item in items:
            if self._alive(item):
                topic, _, connection_id = item["SK"]["S"].rpartition("#")
                found[parse_topic(topic)].add(connection_id)
        return {topic: frozenset(ids) for topic, ids in found.items()}

    def may_tell(self, document: Document) -> bool:
        now = self._clock()
        name = f"TELLING#{document.partition.tenant}#{document.document_id}"
        return self._table.update(
            {
                "TableName": self._table.name,
                "Key": key(name, "TELLING"),
                "UpdateExpression": "SET told = :now, #ttl = :ttl",
                "ConditionExpression": "attribute_not_exists(told) OR told <= :before",
                "ExpressionAttributeNames": {"#ttl": "ttl"},
                "ExpressionAttributeValues": {
                    ":now": {"S": iso(now)},
                    ":before": {"S": iso(now - timedelta(seconds=PROGRESS_SECONDS))},
                    ":ttl": {"N": str(self._ends(CONNECTION_SECONDS))},
                },
            }
        )

    def _note(self, verb: str, connection: Connection, topic: Topic) -> bool:
        return self._table.update(
            {
                "TableName": self._table.name,
                "Key": _connection_key(connection.connection_id),
                "UpdateExpression": f"{verb} topics :topic",
                "ConditionExpression": "attribute_exists(PK)",
                "ExpressionAttributeValues": {":topic": {"SS": [str(topic)]}},
            }
        )


class DynamoTickets(_Passing):
    """``ports.Tickets``, in the ledger table: its partition keys begin unlike any document's."""

    def put(self, digest: str, caller: Principal) -> None:
        item: Item = {
            **key(f"TICKET#{digest}", "TICKET"),
            "tenant": {"S": caller.tenant},
            "role": {"S": caller.role.value},
            "name": {"S": caller.name},
            "ttl": {"N": str(self._ends(TICKET_SECONDS))},
        }
        self._table.put({"TableName": self._table.name, "Item": item})

    def take(self, digest: str) -> Principal | None:
        item = self._table.delete(key(f"TICKET#{digest}", "TICKET"))
        if item is None or not self._alive(item):
            return None
        return Principal(item["tenant"]["S"], Role(item["role"]["S"]), item["name"]["S"])


def _connection_place(connection_id: str) -> tuple[str, str]:
    return f"CONNECTION#{connection_id}", "CONNECTION"


def _connection_key(connection_id: str) -> Item:
    return key(*_connection_place(connection_id))


def _subscription_key(connection: Connection, topic: Topic) -> Item:
    return key(tenant_pk(connection.tenant), f"{topic}#{connection.connection_id}")
