"""Maintenance: a schedule → what stands still is set going again, what never came expires, and the
index is tidied."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import wiring
from ragline.domain.times import utc_now
from ragline.metrics import BACKLOG, VERDICTS
from ragline.settings import settings
from ragline.telemetry import logger, measure_any, observed_at_rest
from ragline.usecases.drift import order_comparison
from ragline.usecases.passwords import sweep
from ragline.usecases.reconcile import Verdict, reconcile
from ragline.usecases.tidy import tidy

MARGIN_SECONDS = 20
"""Kept back from the function's timeout, for what is in hand: a document, a page of a listing."""

EVERY_MINUTES = 5
"""As the template's schedule says."""


@observed_at_rest
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1_000 - MARGIN_SECONDS
    ledger, objects, queues = wiring.ledger(), wiring.objects(), wiring.queues()
    now = utc_now()
    found = reconcile(ledger=ledger, objects=objects, queues=queues, now=now, deadline=deadline)
    verdicts = {verdict.value: found[verdict] for verdict in Verdict}
    for verdict, documents in verdicts.items():
        measure_any(VERDICTS[verdict], documents)
    backlog = asdict(queues.backlog())
    for queue, messages in backlog.items():
        measure_any(BACKLOG[queue], messages)
    here = settings().index_store == "lancedb"  # else there is nothing in the bucket to tidy
    untidy = tidy(objects=objects, queues=queues, now=now, deadline=deadline) if here else []
    if here and now.minute < EVERY_MINUTES:  # once an hour: it wakes the indexer
        order_comparison(ledger=ledger, objects=objects, queues=queues, now=now)
    swept = sweep(wiring.passwords(), ledger, now, settings().upload_expires_seconds)
    names = [str(one) for one in untidy]
    logger.info("reconciled", documents=verdicts, untidy=names, backlog=backlog, passwords=swept)
    return verdicts
