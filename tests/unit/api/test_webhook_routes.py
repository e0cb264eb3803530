"""Webhooks and tickets over HTTP."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ragline.adapters.memory.push import MemoryReceivers
from ragline.domain.errors import InvalidRequest
from ragline.domain.webhooks import Delivery, Undelivered
from ragline.usecases import tickets
from tests.unit.api.world import World

URL = "https://example.com/hooks"
WEBHOOKS = "/api/v2/webhooks"


def keep_failure(world: World, webhook_id: str) -> None:
    delivery = Delivery(
        tenant="default",
        webhook_id=webhook_id,
        event_id="evt_1",
        event_time="2026-01-31T12:00:00.000Z",
        body="{}",
    )
    why = Undelivered(delivery, "it answered 500", 9, "2026-01-31T19:00:00.000Z")
    world.the_webhooks.keep(why)


def test_the_secret_is_shown_when_it_is_made_and_never_again(api: TestClient) -> None:
    made = api.post(WEBHOOKS, json={"url": URL, "collections": ["b", "a"]})
    assert made.status_code == 201
    webhook = made.json()
    secret = webhook.pop("secret")
    assert secret.startswith("whsec_")
    assert webhook["collections"] == ["a", "b"]
    one = f"{WEBHOOKS}/{webhook['webhook_id']}"
    assert api.get(WEBHOOKS).json() == {"webhooks": [webhook]}
    assert api.get(one).json() == {**webhook, "undelivered": []}
    rotated = api.post(f"{one}/rotate").json()
    assert rotated["secret"] not in {secret, ""}
    for answer in (api.get(WEBHOOKS), api.get(one)):
        assert "whsec_" not in answer.text


def test_what_was_not_delivered_is_shown_and_sent_again(api: TestClient, world: World) -> None:
    webhook_id = api.post(WEBHOOKS, json={"url": URL}).json()["webhook_id"]
    keep_failure(world, webhook_id)
    shown = api.get(f"{WEBHOOKS}/{webhook_id}").json()["undelivered"]
    assert [one["why"] for one in shown] == ["it answered 500"]
    again = api.post(f"{WEBHOOKS}/{webhook_id}/redrive")
    assert (again.status_code, again.json()["events"]) == (202, ["evt_1"])
    assert [one.event_id for one in world.the_deliveries.deliveries] == ["evt_1"]


def test_a_webhook_that_is_deleted_is_not_found(api: TestClient) -> None:
    one = f"{WEBHOOKS}/{api.post(WEBHOOKS, json={'url': URL}).json()['webhook_id']}"
    assert api.delete(one).status_code == 204
    for answer in (api.get(one), api.delete(one), api.post(f"{one}/rotate")):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "x" * 3_000},
        {"url": URL, "collections": ["Not A Name"]},
        {"url": URL, "statuses": ["processing"]},
        {"url": URL, "statuses": []},
        {"url": URL, "statuses": ["no-status"]},
        {"url": URL, "secret": "mine"},
    ],
)
def test_a_body_that_is_wrong_is_refused_by_field(api: TestClient, body: object) -> None:
    answer = api.post(WEBHOOKS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_where_we_do_not_send_no_webhook_is_made(api: TestClient, world: World) -> None:
    class Strict(MemoryReceivers):
        def check(self, url: str) -> None:
            raise InvalidRequest("url: it is at an address that is not public.")

    world.the_receivers = Strict()
    assert api.post(WEBHOOKS, json={"url": "https://10.0.0.1/"}).status_code == 400
    assert api.get(WEBHOOKS).json() == {"webhooks": []}


def test_a_ticket_is_the_callers_own(api: TestClient, world: World) -> None:
    answer = api.post("/api/v2/tickets")
    assert (answer.status_code, answer.json()["expires_in"]) == (201, 60)
    caller = tickets.redeem(answer.json()["ticket"], tickets=world.the_tickets)
    assert caller.tenant == "default"


def test_a_document_may_name_the_webhook_that_is_told_of_it(api: TestClient, world: World) -> None:
    webhook_id = api.post(WEBHOOKS, json={"url": URL, "collections": []}).json()["webhook_id"]
    body = {"filename": "a.md", "size": 9, "document_id": "d1", "webhook": webhook_id}
    assert api.post("/api/v2/documents", json=body).status_code == 201
    document = world.the_ledger.get("default", "d1")
    assert document
    assert document.webhook == webhook_id
    unknown = api.post("/api/v2/documents", json={**body, "webhook": "wh_unknown"})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "invalid_request")
