"""Webhooks: registered, told, tried again, given up, redriven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ragline.adapters.memory.push import (
    MemoryBus,
    MemoryReceivers,
    MemorySecrets,
    MemoryWebhooks,
)
from ragline.domain.documents import Status
from ragline.domain.errors import Conflict, InvalidRequest, MalformedMessage, NotFound
from ragline.domain.signatures import verify
from ragline.domain.webhooks import (
    LONGEST_WAIT,
    MAX_ATTEMPTS,
    MAX_WEBHOOKS,
    RETRY_SECONDS,
    ROTATION_HOURS,
    Delivery,
    read_delivery,
    wait_seconds,
)
from ragline.ports import Answer
from ragline.usecases import webhooks
from ragline.usecases.deliver import Outcome, deliver
from ragline.usecases.webhooks import WithSecret

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
URL = "https://example.com/hooks"


@dataclass
class Hooks:
    known: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    secrets: MemorySecrets = field(default_factory=MemorySecrets)
    receivers: MemoryReceivers = field(default_factory=MemoryReceivers)
    queue: MemoryBus = field(default_factory=MemoryBus)

    def add(self, tenant: str = "acme", url: str = URL) -> WithSecret:
        return webhooks.register(
            tenant, url, webhooks=self.known, secrets=self.secrets, receivers=self.receivers,
            now=NOW,
        )  # fmt: skip

    def deliver(self, delivery: Delivery, attempt: int = 1, now: datetime = NOW) -> Outcome:
        return deliver(
            delivery, attempt, webhooks=self.known, secrets=self.secrets,
            receivers=self.receivers, now=now,
        )  # fmt: skip


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


def delivery(made: WithSecret, event: str = "evt_1") -> Delivery:
    hook = made.webhook
    return Delivery(
        tenant=hook.tenant,
        webhook_id=hook.webhook_id,
        event_id=event,
        event_time="2026-01-31T11:59:59.000Z",
        body='{"schema_version":1}',
    )


def signature(headers: Mapping[str, str]) -> str:
    return headers["Ragline-Signature"]


def test_an_event_is_sent_signed_with_its_id_and_the_number_of_the_attempt(hooks: Hooks) -> None:
    made = hooks.add()
    assert hooks.deliver(delivery(made), attempt=3) == Outcome("delivered")
    ((url, body, headers),) = hooks.receivers.posted
    assert url == URL
    assert verify(signature(headers), body, made.secret, int(NOW.timestamp()))
    assert (headers["Ragline-Event-Id"], headers["Ragline-Attempt"]) == ("evt_1", "3")


def test_every_attempt_is_signed_anew_so_that_a_late_one_is_no_replay(hooks: Hooks) -> None:
    made = hooks.add()
    later = NOW + timedelta(hours=3)
    hooks.deliver(delivery(made), now=later)
    ((_, body, headers),) = hooks.receivers.posted
    assert verify(signature(headers), body, made.secret, int(later.timestamp()))


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 425, 0])
def test_what_may_pass_is_tried_again_with_growing_waits_and_then_put_on_record(
    hooks: Hooks, status: int
) -> None:
    made = hooks.add()
    answer = Answer(status, trouble="" if status else "it took no connection")
    hooks.receivers.answers = [answer] * MAX_ATTEMPTS
    outcomes = [hooks.deliver(delivery(made), n) for n in range(1, MAX_ATTEMPTS + 1)]
    assert [one.kind for one in outcomes] == ["again"] * (MAX_ATTEMPTS - 1) + ["given_up"]
    waits = [one.wait for one in outcomes[:-1]]
    assert all(a < b for a, b in pairwise(waits))
    assert 5 * 3_600 < sum(waits) <= sum(RETRY_SECONDS) < 7 * 3_600
    (letter,) = hooks.known.undelivered("acme", made.webhook.webhook_id)
    assert (letter.attempts, letter.delivery) == (MAX_ATTEMPTS, delivery(made))


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 413, 422])
def test_what_will_not_pass_is_put_on_record_at_once(hooks: Hooks, status: int) -> None:
    made = hooks.add()
    hooks.receivers.answers = [Answer(status)]
    assert hooks.deliver(delivery(made)).kind == "given_up"
    (letter,) = hooks.known.undelivered("acme", made.webhook.webhook_id)
    assert letter.why == f"it answered {status}"
    found = hooks.known.get("acme", made.webhook.webhook_id)
    assert found
    assert not found.disabled


def test_a_receiver_that_is_gone_is_not_asked_again(hooks: Hooks) -> None:
    made = hooks.add()
    hooks.receivers.answers = [Answer(410)]
    assert hooks.deliver(delivery(made)).kind == "given_up"
    assert hooks.deliver(delivery(made, "evt_2")).kind == "dropped"
    assert len(hooks.receivers.posted) == 1
    with pytest.raises(Conflict, match="disabled"):
        webhooks.redrive(
            "acme", made.webhook.webhook_id, webhooks=hooks.known, deliveries=hooks.queue
        )


def test_a_receiver_may_ask_for_a_longer_wait_but_not_for_a_day() -> None:
    assert wait_seconds(1, 120) == 120
    assert wait_seconds(1, 10**9) == LONGEST_WAIT
    shorter = wait_seconds(3, 1)
    assert shorter is not None
    assert shorter >= RETRY_SECONDS[2] * 3 // 4


def test_an_address_that_is_refused_is_put_on_record(hooks: Hooks) -> None:
    class Strict(MemoryReceivers):
        def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
            raise InvalidRequest("url: example.com is at an address that is not public.")

    made = hooks.add()
    hooks.receivers = Strict()
    outcome = hooks.deliver(delivery(made))
    assert (outcome.kind, "not public" in outcome.why) == ("given_up", True)


def test_what_was_given_up_is_sent_again_oldest_first_and_forgotten_once_it_is_delivered(
    hooks: Hooks,
) -> None:
    made = hooks.add()
    known, webhook_id = hooks.known, made.webhook.webhook_id
    for event in ("evt_1", "evt_2"):
        hooks.receivers.answers = [Answer(400)]
        hooks.deliver(delivery(made, event))
    webhooks.redrive("acme", webhook_id, webhooks=known, deliveries=hooks.queue)
    assert [one.event_id for one in hooks.queue.deliveries] == ["evt_1", "evt_2"]
    assert len(known.undelivered("acme", webhook_id)) == 2
    assert all(one.redriven for one in hooks.queue.deliveries)
    for one in hooks.queue.deliveries:
        hooks.deliver(one)
    assert not known.undelivered("acme", webhook_id)


def test_after_a_rotation_both_secrets_sign_for_a_while(hooks: Hooks) -> None:
    made = hooks.add()
    new = webhooks.rotate(
        "acme", made.webhook.webhook_id, webhooks=hooks.known, secrets=hooks.secrets, now=NOW
    )
    assert new.secret != made.secret
    for hours, both in ((ROTATION_HOURS - 1, True), (ROTATION_HOURS + 1, False)):
        now = NOW + timedelta(hours=hours)
        hooks.deliver(delivery(made), now=now)
        _, body, headers = hooks.receivers.posted[-1]
        at = int(now.timestamp())
        assert verify(signature(headers), body, new.secret, at)
        assert verify(signature(headers), body, made.secret, at) == both


def test_a_webhook_that_was_removed_is_sent_nothing_and_is_unknown(hooks: Hooks) -> None:
    made = hooks.add()
    webhooks.remove("acme", made.webhook.webhook_id, webhooks=hooks.known, secrets=hooks.secrets)
    assert hooks.deliver(delivery(made)).kind == "dropped"
    assert not hooks.receivers.posted
    with pytest.raises(NotFound):
        webhooks.get("acme", made.webhook.webhook_id, webhooks=hooks.known)


def test_another_tenants_webhook_is_one_that_does_not_exist(hooks: Hooks) -> None:
    made = hooks.add("rival")
    with pytest.raises(NotFound):
        webhooks.get("acme", made.webhook.webhook_id, webhooks=hooks.known)
    with pytest.raises(NotFound):
        webhooks.rotate(
            "acme", made.webhook.webhook_id, webhooks=hooks.known, secrets=hooks.secrets, now=NOW
        )


def test_a_tenant_has_no_more_webhooks_than_are_told_of_every_document(hooks: Hooks) -> None:
    for _ in range(MAX_WEBHOOKS):
        hooks.add()
    with pytest.raises(Conflict, match=str(MAX_WEBHOOKS)):
        hooks.add()
    hooks.add("rival")


@pytest.mark.parametrize("statuses", [[], [Status.PROCESSING], [Status.INDEXED, Status.SPLITTING]])
def test_only_ends_are_told(hooks: Hooks, statuses: list[Status]) -> None:
    with pytest.raises(InvalidRequest, match="statuses"):
        webhooks.register(
            "acme", URL, statuses=statuses, webhooks=hooks.known, secrets=hooks.secrets,
            receivers=hooks.receivers, now=NOW,
        )  # fmt: skip


def test_no_secret_shows_where_a_webhook_is_printed(hooks: Hooks) -> None:
    made = hooks.add()
    kept = hooks.secrets.get("acme", made.webhook.webhook_id)
    assert made.secret not in repr(made)
    assert made.secret not in repr(kept)


def test_a_delivery_survives_the_queue_and_what_is_none_says_what_is_wrong(hooks: Hooks) -> None:
    one = delivery(hooks.add())
    assert read_delivery(one.model_dump_json()) == one
    with pytest.raises(MalformedMessage, match="event_id"):
        read_delivery('{"tenant": "acme", "webhook_id": "x"}')
