"""Splitter: an S3 event, or a page range from the Pages queue → chunks on the Chunks queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import S3Event, SQSEvent
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.errors import MalformedMessage
from ragline.domain.messages import PageRange, read
from ragline.settings import settings
from ragline.telemetry import logger, metrics, observed
from ragline.usecases.cut import Limits
from ragline.usecases.remove import remove_upload
from ragline.usecases.split import split_range, split_upload

MARGIN_SECONDS = 20
"""Kept back from the function's timeout, to record a document that takes too long."""


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    records = event.get("Records", [])  # an s3:TestEvent has none
    if records and records[0]["eventSource"] == "aws:sqs":
        return _pages(SQSEvent(event), context)
    for record in S3Event({"Records": records}).records:
        _object(record, context)
    return None


def _object(record: S3EventRecord, context: LambdaContext) -> None:
    upload = record.s3.get_object
    key = unquote_plus(upload.key)
    try:
        if record.event_name.startswith("ObjectRemoved"):
            removed = remove_upload(
                key, upload.sequencer, ledger=wiring.ledger(), queues=wiring.queues()
            )
            outcome = "removed" if removed else "ignored"
        else:
            outcome = split_upload(
                key,
                upload.sequencer,
                ledger=wiring.ledger(),
                objects=wiring.objects(),
                queues=wiring.queues(),
                tokenizer=wiring.tokenizer(),
                limits=_limits(context),
            )
    except MalformedMessage as error:
        outcome = error.code
        logger.error("object refused", key=key, reason=str(error))
    logger.info("object", key=key, event=record.event_name, outcome=outcome)
    metrics.add_metric("Objects", MetricUnit.Count, 1)


def _pages(event: SQSEvent, context: LambdaContext) -> Any:
    records, ranges = batches.messages(event, lambda body: read(PageRange, body), "pages")
    failed = []
    for record, message in zip(records, ranges, strict=True):
        try:
            outcome = split_range(
                message,
                ledger=wiring.ledger(),
                objects=wiring.objects(),
                queues=wiring.queues(),
                tokenizer=wiring.tokenizer(),
                limits=_limits(context),
            )
            logger.info("range", document_id=message.document_id, n=message.number, outcome=outcome)
        except Exception as error:  # returned, retried, and in the end a dead letter
            failed.append(record)
            logger.warning(
                "range returned",
                document_id=message.document_id,
                reason=repr(error),
                exc_info=error,
            )
    metrics.add_metric("PageRanges", MetricUnit.Count, len(records))
    return batches.answer(failed, settings().pages_queue_url)


def _limits(context: LambdaContext) -> Limits:
    seconds = context.get_remaining_time_in_millis() / 1_000 - MARGIN_SECONDS
    return replace(wiring.limits(), seconds=seconds)
