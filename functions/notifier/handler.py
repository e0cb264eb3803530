"""Notifier: the ledger's stream → the event bus, the webhooks' queue, WebSocket connections.

A record that cannot be read is told of and passed over: raising would have it come again for as
long as the stream keeps it, with all that is behind it. What a service failed at is raised: the
stream brings it again, in halves, and what it gave up lies in DeadChanges, which an alarm watches.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import wiring
from ragline.adapters.dynamodb.stream import read_change
from ragline.api.views_webhooks import TEXTS
from ragline.domain.changes import Change
from ragline.domain.errors import MalformedMessage
from ragline.metrics import CHANGES_REFUSED
from ragline.telemetry import logger, measure, observed
from ragline.usecases.notify import notify


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    changes = _changes(event["Records"])
    if not changes:
        return
    told = notify(
        changes,
        texts=TEXTS,
        bus=wiring.bus(),
        webhooks=wiring.webhooks(),
        deliveries=wiring.deliveries(),
        connections=wiring.connections(),
        sockets=wiring.sockets(),
    )
    logger.info("told", changes=len(changes), ended=told.ended, deliveries=told.deliveries,
                messages=told.messages)  # fmt: skip


def _changes(records: list[dict[str, Any]]) -> list[Change]:
    found = []
    for record in records:
        try:
            change = read_change(record)
        except MalformedMessage as error:
            measure(CHANGES_REFUSED, 1)
            logger.error("change refused", event_id=record.get("eventID"), reason=str(error))
        else:
            found += [change] if change else []
    return found
