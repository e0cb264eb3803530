"""Embedder: a batch of parts from the Chunks queue → vectors in the bucket, IndexOps messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.messages import PartReady, read_part
from ragline.embedding.watched import Watched
from ragline.meter import meter
from ragline.metrics import (
    CHUNKS_RECEIVED,
    CHUNKS_REUSED,
    EMBED_BATCH,
    EMBED_TOKENS,
    ENCODE_TIME,
)
from ragline.settings import settings
from ragline.telemetry import logger, measure, observed
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
    live, embedder = _live(), Watched(wiring.embedder())
    reused = live.reused
    failed = embed_parts(
        parts,
        ledger=wiring.ledger(),
        objects=wiring.objects(),
        queues=wiring.queues(),
        embedder=embedder,
        live=live,
        deadline=deadline,
    )
    chunks = sum(part.count for part in parts)
    documents = sorted({part.document_id for part in parts})
    for part in parts:
        meter().works_for(part.tenant, part.count)
    done = (part.count for position, part in enumerate(parts) if position not in failed)
    meter().count("chunks", sum(done))
    measure(CHUNKS_RECEIVED, chunks)
    measure(CHUNKS_REUSED, live.reused - reused)
    measure(EMBED_BATCH, embedder.texts)
    measure(EMBED_TOKENS, embedder.tokens)
    measure(ENCODE_TIME, embedder.milliseconds)
    traces = sorted({part.trace_id for part in parts} - {""})
    logger.info("embedded", parts=len(parts), chunks=chunks, documents=documents, traces=traces)
    return failed


@cache
def _live() -> LiveVectors:
    """Remembered by this process from batch to batch: a long document comes in many."""
    return LiveVectors()
