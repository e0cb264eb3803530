"""What is told to others: webhooks, WebSocket connections, the event bus."""

from __future__ import annotations

import contextlib
import json
import uuid
from typing import Any

from ragline.domain.webhooks import RETRY_SECONDS
from tests.e2e.stack import EVENTS, until
from tests.e2e.test_push import bus_events, bus_listener, heard, owner_key, registered, socket
from tests.service_check.by_hand import ByHand
from tests.webhook_receiver import receiving

TEXT = b"The ferry leaves at noon from the eastern pier."


def changed(hand: ByHand, document_id: str, before: str = "processing") -> None:
    """Tell the notifier, as the ledger's stream would, that a document is as it is now."""
    record = json.loads((EVENTS / "notifier.json").read_text())["Records"][0]
    item = hand.item(document_id)
    record["dynamodb"] |= {
        "Keys": {name: item[name] for name in ("PK", "SK")},
        "NewImage": item,
        "OldImage": item | {"status": {"S": before}},
    }
    hand.stack.invoke("notifier", {"Records": [record]})


def ended(hand: ByHand, collection: str) -> str:
    document_id = hand.ingest(TEXT, collection)
    changed(hand, document_id)
    return document_id


def fresh(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def webhook(hand: ByHand, made: Any) -> Any:
    return hand.stack.api.get(f"/api/v2/webhooks/{made['webhook_id']}").json()


def a_webhook_is_made_told_given_another_secret_and_removed(hand: ByHand) -> None:
    collection = fresh("told")
    with receiving() as receiver:
        made = registered(hand.stack, receiver, collections=[collection])
        place = f"/api/v2/webhooks/{made['webhook_id']}"
        rotated = hand.stack.api.post(f"{place}/rotate")
        assert rotated.status_code == 200, rotated.text
        ended(hand, collection)
        assert hand.feed("PushDeliveries") == []
        (posted,) = receiver.taken
        assert posted.headers["ragline-signature"].count("v1=") == 2
        assert hand.stack.api.delete(place).status_code == 204
        assert hand.stack.api.get(place).status_code == 404


def a_webhook_that_refuses_is_on_record_and_told_again(hand: ByHand) -> None:
    collection = fresh("refused")
    with receiving(400) as receiver:
        made = registered(hand.stack, receiver, collections=[collection])
        ended(hand, collection)
        assert hand.feed("PushDeliveries") == []
        (letter,) = webhook(hand, made)["undelivered"]
        assert letter["why"] == "it answered 400"
        again = hand.stack.api.post(f"/api/v2/webhooks/{made['webhook_id']}/redrive")
        assert again.json()["events"] == [letter["event_id"]], again.text
        assert hand.feed("PushDeliveries") == []
        assert len(receiver.taken) == 1 and webhook(hand, made)["undelivered"] == []
        hand.stack.api.delete(f"/api/v2/webhooks/{made['webhook_id']}")


def a_webhook_that_is_gone_is_disabled(hand: ByHand) -> None:
    collection = fresh("gone")
    with receiving(410) as receiver:
        made = registered(hand.stack, receiver, collections=[collection])
        ended(hand, collection)
        assert hand.feed("PushDeliveries") == []
        assert webhook(hand, made)["disabled"]
        hand.stack.api.delete(f"/api/v2/webhooks/{made['webhook_id']}")


def a_webhook_that_is_down_is_tried_again_after_a_wait(hand: ByHand) -> None:
    collection = fresh("down")
    with receiving(503) as receiver:
        made = registered(hand.stack, receiver, collections=[collection])
        ended(hand, collection)
        (body,) = hand.feed("PushDeliveries")
        assert collection in body
        assert hand.returned_soon("PushDeliveries", RETRY_SECONDS[0] + 2), (
            "hidden until the time-out"
        )
        hand.stack.api.delete(f"/api/v2/webhooks/{made['webhook_id']}")


def a_connection_follows_a_collection_and_a_document(hand: ByHand) -> None:
    collection = fresh("followed")
    with socket(
        hand.stack, f"?collection={collection}", **{"x-api-key": owner_key(hand.stack)}
    ) as connection:
        document_id = ended(hand, collection)
        messages = heard(connection)
        assert [one["document_id"] for one in messages] == [document_id], messages
        connection.send(json.dumps({"action": "subscribe", "document_id": document_id}))
        assert json.loads(connection.recv(timeout=20))["type"] == "subscribed"
        assert json.loads(connection.recv(timeout=20))["status"] == "indexed"
        connection.send(json.dumps({"action": "unsubscribe", "document_id": document_id}))
        assert json.loads(connection.recv(timeout=20))["type"] == "unsubscribed"


def a_document_under_way_is_told_of_once_a_second(hand: ByHand) -> None:
    collection = fresh("progress")
    document_id = hand.put(TEXT, collection)
    hand.split(document_id)
    with socket(
        hand.stack, f"?collection={collection}", **{"x-api-key": owner_key(hand.stack)}
    ) as connection:
        changed(hand, document_id, before="splitting")
        (message,) = heard(connection)
        assert (message["document_id"], message["status"]) == (document_id, "processing")


def a_connection_that_is_closed_is_forgotten(hand: ByHand) -> None:
    collection = fresh("closed")
    with socket(hand.stack, f"?collection={collection}", **{"x-api-key": owner_key(hand.stack)}):
        assert subscriptions(hand, collection) == 1
    assert waited(lambda: subscriptions(hand, collection) == 0), "it is still on record"


def a_connection_that_went_without_a_word_is_cleared_away(hand: ByHand) -> None:
    """Its $disconnect never came: API Gateway says that it is gone when it is told something."""
    collection, ghost = fresh("ghost"), uuid.uuid4().hex
    table = hand.resources["PushConnectionsTable"]
    ttl = {"N": "4102444800"}
    topic = f"COLLECTION#{collection}"
    with socket(hand.stack, f"?collection={collection}", **{"x-api-key": owner_key(hand.stack)}):
        (known,) = items_of(hand, collection)
        topic = known["SK"]["S"].rsplit("#", 1)[0]
        dynamodb = hand.stack.dynamodb
        place = {"PK": known["PK"], "SK": {"S": f"{topic}#{ghost}"}, "ttl": ttl}
        itself: dict[str, Any] = {
            "PK": {"S": f"CONNECTION#{ghost}"}, "SK": {"S": "CONNECTION"}, "ttl": ttl,
            "tenant": {"S": "default"}, "topics": {"SS": [topic]},
        }  # fmt: skip
        dynamodb.put_item(TableName=table, Item=place)
        dynamodb.put_item(TableName=table, Item=itself)
        ended(hand, collection)
        left = [one["SK"]["S"] for one in items_of(hand, collection)]
        assert left == [known["SK"]["S"]], left


def items_of(hand: ByHand, collection: str) -> list[Any]:
    """The subscriptions to a collection."""
    found = hand.stack.dynamodb.query(
        TableName=hand.resources["PushConnectionsTable"],
        KeyConditionExpression="PK = :tenant",
        ExpressionAttributeValues={":tenant": {"S": "TENANT#default"}},
        ConsistentRead=True,
    )["Items"]
    return [one for one in found if collection in one["SK"]["S"]]


def subscriptions(hand: ByHand, collection: str) -> int:
    return len(items_of(hand, collection))


def waited(check: Any) -> bool:
    """Whether something that API Gateway does by itself happens within some seconds."""
    with contextlib.suppress(AssertionError):
        until(check, "it", seconds=4)
        return True
    return False


def a_ticket_opens_one_connection(hand: ByHand) -> None:
    ticket = hand.stack.api.post("/api/v2/tickets").json()["ticket"]
    with socket(hand.stack, f"?ticket={ticket}") as connection:
        connection.send(json.dumps({"action": "subscribe", "collection": "anything"}))
        assert json.loads(connection.recv(timeout=20))["type"] == "subscribed"


def the_event_bus_is_told_of_every_end(hand: ByHand) -> None:
    collection = fresh("bus")
    with bus_listener(hand.stack) as queue:
        ended(hand, collection)
        found: dict[str, Any] = {}

        def told() -> bool:
            bus_events(hand.stack, queue, collection, found)
            return bool(found)

        assert waited(told), "no event came"


PUSH_SCENARIOS = (
    a_webhook_is_made_told_given_another_secret_and_removed,
    a_webhook_that_refuses_is_on_record_and_told_again,
    a_webhook_that_is_gone_is_disabled,
    a_webhook_that_is_down_is_tried_again_after_a_wait,
    a_connection_follows_a_collection_and_a_document,
    a_document_under_way_is_told_of_once_a_second,
    a_connection_that_is_closed_is_forgotten,
    a_connection_that_went_without_a_word_is_cleared_away,
    a_ticket_opens_one_connection,
    the_event_bus_is_told_of_every_end,
)
