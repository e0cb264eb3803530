"""Splitter: an S3 event, or work from the Pages queue → chunks on the Chunks queue."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import S3Event, SQSEvent
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.errors import MalformedMessage, OutOfTime, Throttled
from ragline.domain.messages import PageRange, PageWork, Uploaded, read_page_work
from ragline.settings import settings
from ragline.telemetry import logger, metrics, observed
from ragline.usecases.remove import is_removal, remove_upload
from ragline.usecases.split import split_range, split_upload


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    records = event.get("Records", [])  # an s3:TestEvent has none
    if records and records[0]["eventSource"] == "aws:sqs":
        return batches.work(
            SQSEvent(event),
            context,
            source="pages",
            queue_url=settings().pages_queue_url,
            read=read_page_work,
            do=_pages,
        )
    for record in S3Event({"Records": records}).records:
        _object(record, batches.deadline(context))
    return None


def _object(record: S3EventRecord, deadline: float) -> None:
    metrics.add_metric("Objects", MetricUnit.Count, 1)
    item = record.s3.get_object
    upload = Uploaded(key=unquote_plus(item.key), sequencer=item.sequencer, etag=item.etag)
    try:
        removal = is_removal(record.event_name)
        outcome = _remove(upload) if removal else _created(upload, item.get("size"), deadline)
    except MalformedMessage as error:
        outcome = error.code
        logger.error("object refused", key=upload.key, reason=str(error))
    logger.info("object", key=upload.key, event=record.event_name, outcome=outcome)


def _remove(upload: Uploaded) -> str:
    ledger, queues = wiring.ledger(), wiring.queues()
    removed = remove_upload(upload.key, upload.sequencer, ledger=ledger, queues=queues)
    return "removed" if removed else "ignored"


def _created(upload: Uploaded, size: int | None, deadline: float) -> str:
    try:
        return _split(upload, deadline, size)
    except Throttled:
        # The bucket's event would be tried twice more; a message of a queue can wait for a day.
        wiring.queues().send_pages([upload])
        return "put_off"


def _pages(work: Sequence[PageWork], deadline: float) -> dict[int, Exception]:
    failed: dict[int, Exception] = {}
    for position, message in enumerate(work):
        try:
            outcome = _split(message, deadline)
            logger.info("pages", work=message.model_dump(exclude_defaults=True), outcome=outcome)
        except MalformedMessage as error:  # no retry makes an upload of this object
            logger.error("object refused", reason=str(error))
        except Exception as error:
            failed[position] = error
    metrics.add_metric("PageRanges", MetricUnit.Count, len(work))
    return failed


def _split(work: PageWork, deadline: float, size: int | None = None) -> str:
    if (seconds := deadline - time.monotonic()) <= 0:
        raise OutOfTime("the function's time is nearly over; this was not begun.")
    if isinstance(work, PageRange):
        split = partial(split_range, work)
    else:
        split = partial(split_upload, work.key, work.sequencer, etag=work.etag, size=size)
    return split(
        ledger=wiring.ledger(),
        objects=wiring.objects(),
        queues=wiring.queues(),
        tokenizer=wiring.tokenizer(),
        limits=replace(wiring.limits(), seconds=seconds),
    )
