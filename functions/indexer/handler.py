"""Indexer: index operations in their order → rows in the vector index, statuses in the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.documents import Partition
from ragline.domain.errors import RaglineError
from ragline.domain.messages import IndexOp, Optimize, Upsert, read_index_op
from ragline.meter import meter
from ragline.metrics import INDEX_OPS, ROWS_COMPARED, ROWS_MISSING, ROWS_SURPLUS
from ragline.settings import settings
from ragline.telemetry import logger, measure, measure_any, observed
from ragline.usecases.drift import compare
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
        meter().works_for(op.tenant, len(op.ordinals) if isinstance(op, Upsert) else 1)
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
        traces = sorted({ops[i].trace_id for i in positions} - {""})
        logger.info(
            "applied", partition=str(partition), ops=len(positions), done=done, traces=traces
        )
        if error is not None:
            failed.update(dict.fromkeys(positions[done:], error))
        _compare(partition, [ops[i] for i in positions[:done]])
    measure(INDEX_OPS, len(ops))
    return failed


def _compare(partition: Partition, done: Sequence[IndexOp]) -> None:
    asked = {name for op in done if isinstance(op, Optimize) for name in op.compare}
    if not asked:
        return
    try:
        drift = compare(partition, asked, ledger=wiring.ledger(), indexes=wiring.indexes())
    except RaglineError as error:  # what was asked for before it is done, and stays so
        logger.warning("not compared", partition=str(partition), exc_info=error)
        return
    measure(ROWS_COMPARED, drift.compared)
    measure_any(ROWS_MISSING, drift.missing)
    measure_any(ROWS_SURPLUS, drift.surplus)
    tell = logger.error if drift.missing or drift.surplus else logger.info
    tell("compared", partition=str(partition), documents=sorted(asked), drift=asdict(drift))
