"""Maintenance: a schedule → what stands still is set going again, what never came expires, and the
index is tidied."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import wiring
from ragline.domain.times import utc_now
from ragline.telemetry import logger, metrics, observed
from ragline.usecases.reconcile import Verdict, reconcile
from ragline.usecases.tidy import tidy

MARGIN_SECONDS = 20
"""Kept back from the function's timeout, for the document in hand."""


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    found = reconcile(
        ledger=wiring.ledger(),
        objects=wiring.objects(),
        queues=wiring.queues(),
        now=utc_now(),
        deadline=time.monotonic() + context.get_remaining_time_in_millis() / 1_000 - MARGIN_SECONDS,
    )
    verdicts = {verdict.value: found[verdict] for verdict in Verdict}
    for verdict, documents in verdicts.items():
        name = verdict.title().replace("_", "")
        metrics.add_metric(f"Documents{name}", MetricUnit.Count, documents)
    untidy = tidy(objects=wiring.objects(), queues=wiring.queues())
    logger.info("reconciled", documents=verdicts, untidy=[str(one) for one in untidy])
    return verdicts
