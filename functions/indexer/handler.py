"""Indexer: index operations in their order → rows in the vector index, statuses in the ledger."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.documents import Partition
from ragline.domain.messages import Delete, Upsert, read_index_op
from ragline.settings import settings
from ragline.telemetry import logger, metrics, observed
from ragline.usecases.index import apply_ops


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    records, ops = batches.messages(SQSEvent(event), read_index_op, "index_ops")
    by_partition: dict[Partition, list[tuple[SQSRecord, Upsert | Delete]]] = defaultdict(list)
    for record, op in zip(records, ops, strict=True):
        by_partition[op.partition].append((record, op))
    failed: list[SQSRecord] = []
    for partition, pairs in by_partition.items():
        done, error = apply_ops(
            partition,
            [op for _, op in pairs],
            ledger=wiring.ledger(),
            objects=wiring.objects(),
            queues=wiring.queues(),
            index=wiring.index(),
        )
        logger.info("applied", partition=str(partition), ops=len(pairs), done=done)
        if error is not None:
            logger.warning(
                "operations returned", partition=str(partition), reason=repr(error), exc_info=error
            )
            failed += [record for record, _ in pairs[done:]]
    metrics.add_metric("IndexOps", MetricUnit.Count, len(records))
    return batches.answer(failed, settings().index_ops_queue_url)
