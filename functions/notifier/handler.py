"""Notifier: the ledger's stream → the event bus, the webhooks' queue, WebSocket connections.

A record that cannot be read is told of and passed over: raising would have it come again for as
long as the stream keeps it, with all that is behind it. What a service failed at is raised: the
stream brings it again, in halves, and what it gave up is told of by DeadChanges.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import wiring
from ragline.adapters.dynamodb.stream import read_change
from ragline.api.views_webhooks import TEXTS
from ragline.domain.changes import Change
from ragline.domain.errors import MalformedMessage
from ragline.metrics import CHANGES_LOST, CHANGES_REFUSED
from ragline.telemetry import logger, measure, observed
from ragline.usecases.notify import notify


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    records = event["Records"]
    if records and records[0]["eventSource"] == "aws:sqs":
        _lost(SQSEvent(event))
        return
    changes = _changes(records)
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


def _lost(event: SQSEvent) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    for record in event.records:
        told = record.json_body
        batch = told.get("DDBStreamBatchInfo", {})
        measure(CHANGES_LOST, batch.get("batchSize", 1))
        why = told.get("requestContext", {}).get("condition")
        logger.error("changes lost", why=why, batch=batch)
