"""DeadLetters: every dead-letter queue → the ledger is told why, the letter is kept."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import wiring
from ragline.metrics import DEAD_LETTERS
from ragline.telemetry import logger, measure, observed
from ragline.usecases import dead_letters

SOURCES = {
    "DeadPages": "pages",
    "DeadChunks": "chunks",
    "DeadIndexOps": "index_ops",
    "DeadInvocations": "invocations",
}
"""Part of the queue's name in template.yaml → what its letters are."""


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    measure(DEAD_LETTERS, len(event["Records"]))
    return process_partial_response(event, _record, processor, context)


def _record(record: SQSRecord) -> None:
    queue = record.event_source_arn.rsplit(":", 1)[-1]
    source = next(source for name, source in SOURCES.items() if name in queue)
    document_id = dead_letters.record(
        source,
        record.message_id,
        record.body,
        ledger=wiring.ledger(),
        objects=wiring.objects(),
        queues=wiring.queues(),
    )
    logger.error("dead letter", source=source, message_id=record.message_id, document=document_id)
