"""Embedder: a batch of parts from the Chunks queue → vectors in the bucket, IndexOps messages."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.messages import PartReady, read
from ragline.settings import settings
from ragline.telemetry import logger, metrics, observed
from ragline.usecases.embed import embed_parts


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    records, parts = batches.messages(SQSEvent(event), lambda body: read(PartReady, body), "chunks")
    failed = embed_parts(
        parts,
        ledger=wiring.ledger(),
        objects=wiring.objects(),
        queues=wiring.queues(),
        embedder=wiring.embedder(),
    )
    chunks = sum(part.count for part in parts)
    documents = sorted({part.document_id for part in parts})
    metrics.add_metric("ChunksReceived", MetricUnit.Count, chunks)
    logger.info("embedded", parts=len(parts), chunks=chunks, documents=documents)
    for position, error in failed.items():
        part = parts[position]
        logger.warning(
            "part returned", document_id=part.document_id, reason=repr(error), exc_info=error
        )
    return batches.answer([records[i] for i in sorted(failed)], settings().chunks_queue_url)
