"""Embedder: a batch of parts from the Chunks queue → vectors in the bucket, IndexOps messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.messages import PartReady, read_part
from ragline.settings import settings
from ragline.telemetry import logger, metrics, observed
from ragline.usecases.embed import embed_parts
from ragline.usecases.reuse import LiveVectors


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return batches.work(
        SQSEvent(event),
        context,
        source="chunks",
        queue_url=settings().chunks_queue_url,
        read=read_part,
        do=_embed,
    )


def _embed(parts: Sequence[PartReady], deadline: float) -> Mapping[int, Exception]:
    live = _live()
    reused = live.reused
    failed = embed_parts(
        parts,
        ledger=wiring.ledger(),
        objects=wiring.objects(),
        queues=wiring.queues(),
        embedder=wiring.embedder(),
        live=live,
        deadline=deadline,
    )
    chunks = sum(part.count for part in parts)
    documents = sorted({part.document_id for part in parts})
    metrics.add_metric("ChunksReceived", MetricUnit.Count, chunks)
    metrics.add_metric("ChunksReused", MetricUnit.Count, live.reused - reused)
    logger.info("embedded", parts=len(parts), chunks=chunks, documents=documents)
    return failed


@cache
def _live() -> LiveVectors:
    """Remembered by this process from batch to batch: a long document comes in many."""
    return LiveVectors()
