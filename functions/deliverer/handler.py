"""Deliverer: the Deliveries queue → POST to webhooks; what failed comes back after its wait."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import wiring
from ragline.adapters.aws_errors import translated
from ragline.domain.errors import MalformedMessage, RaglineError
from ragline.domain.times import utc_now
from ragline.domain.webhooks import Delivery, read_delivery
from ragline.metrics import DELIVERIES
from ragline.settings import settings
from ragline.telemetry import cause, logger, measure, observed
from ragline.usecases.deliver import Outcome, deliver, give_up

MARGIN_SECONDS = 10
"""Kept back from the invocation's time. Who has not answered by then comes again."""


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The messages of a batch are delivered beside one another: one that hangs holds up nobody."""
    records = list(SQSEvent(event).records)
    # What every thread needs is made before there are any.
    wiring.webhooks(), wiring.webhook_secrets(), wiring.receivers(), wiring.sqs()
    pool = ThreadPoolExecutor(max_workers=max(1, len(records)))
    pending = {pool.submit(_take, record): record for record in records}
    done, _ = wait(pending, context.get_remaining_time_in_millis() / 1_000 - MARGIN_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    kept = [record for one, record in pending.items() if one not in done or _is_kept(one, record)]
    return {"batchItemFailures": [{"itemIdentifier": one.message_id} for one in kept]}


def _take(record: SQSRecord) -> Outcome:
    delivery = read_delivery(record.body)
    attempt = int(record.attributes.approximate_receive_count or 1)
    if "DeadDeliveries" in record.event_source_arn:
        why = "every attempt ended without a word; the function's log says more"
        return give_up(delivery, why, attempt, webhooks=wiring.webhooks(), now=utc_now())
    outcome = deliver(
        delivery,
        attempt,
        webhooks=wiring.webhooks(),
        secrets=wiring.webhook_secrets(),
        receivers=wiring.receivers(),
        now=utc_now(),
    )
    if outcome.kind == "again":
        _come_again(record, outcome.wait)
    return outcome


def _come_again(record: SQSRecord, seconds: int) -> None:
    """Where this fails it comes again all the same, after the queue's own timeout."""
    with suppress(RaglineError), translated("queue Deliveries"):
        wiring.sqs().change_message_visibility(
            QueueUrl=settings().deliveries_queue_url,
            ReceiptHandle=record.receipt_handle,
            VisibilityTimeout=seconds,
        )


def _is_kept(one: Future[Outcome], record: SQSRecord) -> bool:
    """Tell what became of a message; whether the queue has to keep it."""
    try:
        outcome = one.result()
    except MalformedMessage as error:
        logger.error("delivery refused", message_id=record.message_id, reason=str(error))
        return False
    except RaglineError as error:
        logger.warning("delivery put off", message_id=record.message_id, reason=cause(error))
        return True
    measure(DELIVERIES[outcome.kind], 1)
    delivery: Delivery = read_delivery(record.body)
    logger.info(
        "delivery",
        webhook_id=delivery.webhook_id,
        event_id=delivery.event_id,
        outcome=outcome.kind,
        why=outcome.why,
        wait=outcome.wait,
    )
    return outcome.kind == "again"
