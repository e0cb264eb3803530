"""Webhooks in the ledger table. The only place that knows these attributes.

webhook      TENANT#t#WEBHOOKS  WEBHOOK#id                 no secret is in it
undelivered  TENANT#t#WEBHOOKS  UNDELIVERED#id#time#event  the message, as it was to be sent
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ragline.adapters.backoff import Backoff
from ragline.adapters.dynamodb.items import key
from ragline.adapters.dynamodb.table import Table
from ragline.domain.documents import Status
from ragline.domain.times import utc_now
from ragline.domain.webhooks import KEPT_DAYS, Delivery, Undelivered, Webhook, read_delivery

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from ragline.adapters.dynamodb.items import Item


class DynamoWebhooks:
    """``ports.Webhooks``. Threads may share it, as they may its client."""

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

    def put(self, webhook: Webhook) -> None:
        self._table.put({"TableName": self._table.name, "Item": _item(webhook)})

    def get(self, tenant: str, webhook_id: str) -> Webhook | None:
        found = self._table.get(_pk(tenant), _sk(webhook_id))
        return _read(tenant, found) if found else None

    def of(self, tenant: str) -> Sequence[Webhook]:
        found = [_read(tenant, item) for item in self._below(tenant, "WEBHOOK#")]
        return sorted(found, key=lambda one: (one.created_at, one.webhook_id))

    def remove(self, tenant: str, webhook_id: str) -> None:
        self._table.delete(key(_pk(tenant), _sk(webhook_id)))

    def disable(self, tenant: str, webhook_id: str, why: str) -> None:
        self._table.update(
            {
                "TableName": self._table.name,
                "Key": key(_pk(tenant), _sk(webhook_id)),
                "UpdateExpression": "SET disabled = :why",
                "ConditionExpression": "attribute_exists(PK)",
                "ExpressionAttributeValues": {":why": {"S": why}},
            }
        )

    def keep(self, undelivered: Undelivered) -> None:
        ends = self._clock() + timedelta(days=KEPT_DAYS)
        item: Item = {
            **_letter_key(undelivered.delivery),
            "delivery": {"S": undelivered.delivery.model_dump_json()},
            "why": {"S": undelivered.why},
            "attempts": {"N": str(undelivered.attempts)},
            "at": {"S": undelivered.at},
            "ttl": {"N": str(int(ends.timestamp()))},
        }
        self._table.put({"TableName": self._table.name, "Item": item})

    def undelivered(self, tenant: str, webhook_id: str, limit: int = 100) -> Sequence[Undelivered]:
        answer = self._table.query(
            **_under(tenant, f"UNDELIVERED#{webhook_id}#"), ScanIndexForward=False, Limit=limit
        )
        return [
            Undelivered(
                read_delivery(item["delivery"]["S"]),
                item["why"]["S"],
                int(item["attempts"]["N"]),
                item["at"]["S"],
            )
            for item in answer["Items"]
        ]

    def delivered(self, delivery: Delivery) -> None:
        self._table.delete(_letter_key(delivery))

    def _below(self, tenant: str, prefix: str) -> list[Item]:
        return list(self._table.query_all(**_under(tenant, prefix)))


def _under(tenant: str, prefix: str) -> dict[str, object]:
    return {
        "KeyConditionExpression": "PK = :pk AND begins_with(SK, :prefix)",
        "ExpressionAttributeValues": {":pk": {"S": _pk(tenant)}, ":prefix": {"S": prefix}},
        "ConsistentRead": True,
    }


def _pk(tenant: str) -> str:
    return f"TENANT#{tenant}#WEBHOOKS"


def _sk(webhook_id: str) -> str:
    return f"WEBHOOK#{webhook_id}"


def _letter_key(delivery: Delivery) -> Item:
    """The same for the same event, so that one given up twice is kept once."""
    sk = f"UNDELIVERED#{delivery.webhook_id}#{delivery.event_time}#{delivery.event_id}"
    return key(_pk(delivery.tenant), sk)


def _item(webhook: Webhook) -> Item:
    item: Item = {
        **key(_pk(webhook.tenant), _sk(webhook.webhook_id)),
        "webhook_id": {"S": webhook.webhook_id},
        "url": {"S": webhook.url},
        "created_at": {"S": webhook.created_at},
        "statuses": {"L": [{"S": status.value} for status in sorted(webhook.statuses)]},
        "disabled": {"S": webhook.disabled},
    }
    if webhook.collections is not None:
        item["collections"] = {"L": [{"S": name} for name in sorted(webhook.collections)]}
    return item


def _read(tenant: str, item: Item) -> Webhook:
    named = item.get("collections")
    return Webhook(
        tenant=tenant,
        webhook_id=item["webhook_id"]["S"],
        url=item["url"]["S"],
        created_at=item["created_at"]["S"],
        collections=frozenset(one["S"] for one in named["L"]) if named else None,
        statuses=frozenset(Status(one["S"]) for one in item["statuses"]["L"]),
        disabled=item["disabled"]["S"],
    )
