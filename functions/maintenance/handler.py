"""Maintenance: a schedule → what stands still is set going again, what never came expires, and the
index is tidied."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import wiring
from ragline.domain.times import utc_now
from ragline.settings import settings
from ragline.telemetry import logger, metrics, observed
from ragline.usecases.reconcile import Verdict, reconcile
from ragline.usecases.tidy import tidy

MARGIN_SECONDS = 20
"""Kept back from the function's timeout, for what is in hand: a document, a page of a listing."""


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1_000 - MARGIN_SECONDS
    found = reconcile(
        ledger=wiring.ledger(),
        objects=wiring.objects(),
        queues=wiring.queues(),
        now=utc_now(),
        deadline=deadline,
    )
    verdicts = {verdict.value: found[verdict] for verdict in Verdict}
    for verdict, documents in verdicts.items():
        name = verdict.title().replace("_", "")
        metrics.add_metric(f"Documents{name}", MetricUnit.Count, documents)
    here = settings().index_store == "lancedb"  # else there is nothing in the bucket to tidy
    untidy = (
        tidy(objects=wiring.objects(), queues=wiring.queues(), deadline=deadline) if here else []
    )
    logger.info("reconciled", documents=verdicts, untidy=[str(one) for one in untidy])
    return verdicts
