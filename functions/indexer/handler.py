"""Indexer: index operations in their order → rows in the vector index, statuses in the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.documents import Partition
from ragline.domain.messages import IndexOp, read_index_op
from ragline.settings import settings
from ragline.telemetry import logger, metrics, observed
from ragline.usecases.index import apply_ops


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return batches.work(
        SQSEvent(event),
        context,
        source="index_ops",
        queue_url=settings().index_ops_queue_url,
        read=read_index_op,
        do=_apply,
    )


def _apply(ops: Sequence[IndexOp], deadline: float) -> dict[int, Exception]:
    at: dict[Partition, list[int]] = defaultdict(list)
    for position, op in enumerate(ops):
        at[op.partition].append(position)
    failed: dict[int, Exception] = {}
    for partition, positions in at.items():
        done, error = apply_ops(
            partition,
            [ops[i] for i in positions],
            ledger=wiring.ledger(),
            objects=wiring.objects(),
            queues=wiring.queues(),
            indexes=wiring.indexes(),
            deadline=deadline,
        )
        logger.info("applied", partition=str(partition), ops=len(positions), done=done)
        if error is not None:
            failed.update(dict.fromkeys(positions[done:], error))
    metrics.add_metric("IndexOps", MetricUnit.Count, len(ops))
    return failed
