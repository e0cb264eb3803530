"""Splitter: an S3 event, or work from the Pages queue → chunks on the Chunks queue."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes import S3Event, SQSEvent
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.errors import MalformedMessage, OutOfTime, Throttled
from ragline.domain.messages import PageWork, Uploaded, read_page_work
from ragline.meter import meter
from ragline.metrics import OBJECTS, PAGE_WORK
from ragline.settings import settings
from ragline.telemetry import logger, measure, new_trace, observed
from ragline.usecases.page_work import work_on
from ragline.usecases.remove import is_removal, remove_upload


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    records = event.get("Records", [])  # an s3:TestEvent has none
    if records and records[0]["eventSource"] == "aws:sqs":
        url = settings().pages_queue_url
        return batches.work(
            SQSEvent(event), context, source="pages", queue_url=url, read=read_page_work, do=_pages
        )
    for record in S3Event({"Records": records}).records:
        _object(record, batches.deadline(context))
    return None


def _object(record: S3EventRecord, deadline: float) -> None:
    measure(OBJECTS, 1)
    item = record.s3.get_object
    key, order = unquote_plus(item.key), item.sequencer
    upload = Uploaded(trace_id=new_trace(), key=key, sequencer=order, etag=item.etag)
    meter().works_for_upload(key)
    try:
        removal = is_removal(record.event_name)
        outcome = _remove(upload) if removal else _created(upload, item.get("size"), deadline)
    except MalformedMessage as error:
        outcome = error.code
        logger.error("object refused", key=upload.key, reason=str(error))
    logger.info("object", key=upload.key, event=record.event_name, outcome=outcome)


def _remove(upload: Uploaded) -> str:
    removed = remove_upload(
        upload.key,
        upload.sequencer,
        ledger=wiring.ledger(),
        objects=wiring.objects(),
        queues=wiring.queues(),
    )
    return "removed" if removed else "ignored"


def _created(upload: Uploaded, size: int | None, deadline: float) -> str:
    try:
        return _split(upload, deadline, size)
    except (Throttled, OutOfTime):
        # The bucket's event would be tried twice more; a message of a queue can wait for a day.
        wiring.queues().send_pages([upload])
        return "put_off"


def _pages(work: Sequence[PageWork], deadline: float) -> dict[int, Exception]:
    failed: dict[int, Exception] = {}
    for position, message in enumerate(work):
        meter().works_for_upload(message.upload_key)
        try:
            outcome = _split(message, deadline)
            logger.info("pages", work=message.model_dump(exclude_defaults=True), outcome=outcome)
        except MalformedMessage as error:  # no retry makes an upload of this object
            logger.error("object refused", reason=str(error))
        except Exception as error:
            failed[position] = error
    measure(PAGE_WORK, len(work))
    return failed


def _split(work: PageWork, deadline: float, size: int | None = None) -> str:
    if (seconds := deadline - time.monotonic()) <= 0:
        raise OutOfTime("the function's time is nearly over; this was not begun.")
    return work_on(work, wiring.splitting(seconds), size)
