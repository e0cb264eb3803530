"""Analyst: ordered analyses → pages as pictures → a vision model's answers in the ledger.

Its dead letters come here too: an analysis that was given up ends, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import batches, wiring
from ragline.domain.analyses import RETRIES_EXHAUSTED, Analysis, PageAnswer
from ragline.domain.errors import MalformedMessage, NewerMessage
from ragline.domain.messages import AnalysisWork, read_analysis_work
from ragline.domain.times import utc_now
from ragline.meter import meter
from ragline.metrics import DEAD_LETTERS, PAGES_ANALYSED
from ragline.settings import settings
from ragline.telemetry import logger, measure, observed
from ragline.usecases.analyse import Analysing, analyse, give_up
from ragline.usecases.dead_letters import keep

SOURCE = "analyses"


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    if all("DeadQueue" in one["eventSourceARN"] for one in event["Records"]):
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        measure(DEAD_LETTERS, len(event["Records"]))
        return process_partial_response(event, _dead, processor, context)
    return batches.work(
        SQSEvent(event),
        context,
        source=SOURCE,
        queue_url=settings().analyses_queue_url,
        read=read_analysis_work,
        do=_analyse,
    )


def _analyse(some: Sequence[AnalysisWork], deadline: float) -> Mapping[int, Exception]:
    tools = Analysing(
        ledger=wiring.ledger(),
        analyses=wiring.analyses(),
        files=wiring.files(),
        painter=wiring.painter(),
        vision=wiring.vision(),
        max_pages=settings().max_analysis_pages,
        now=utc_now,
        done=_count,
    )
    failed: dict[int, Exception] = {}
    for position, work in enumerate(some):
        meter().works_for(work.tenant)
        try:
            outcome = analyse(work, tools, deadline)
        except Exception as error:
            failed[position] = error
        else:
            logger.info("analysis", analysis_id=work.analysis_id, outcome=outcome,
                        document_id=work.document_id, trace_id=work.trace_id)  # fmt: skip
    return failed


def _count(analysis: Analysis, answer: PageAnswer) -> None:
    tokens = answer.input_tokens + answer.output_tokens
    if not tokens:
        return
    measure(PAGES_ANALYSED, 1)
    meter().count("vision_tokens", tokens)
    if analysis.prices:
        cost = analysis.prices.cost(answer.input_tokens, answer.output_tokens)
        meter().count("vision_usd", cost)


def _dead(record: SQSRecord) -> None:
    why = RETRIES_EXHAUSTED
    try:
        work = read_analysis_work(record.body)
    except (MalformedMessage, NewerMessage) as error:  # it names none: by its lease it ends
        ended, why = False, str(error)
    else:
        ended = give_up(work, wiring.analyses())
    keep(wiring.objects(), SOURCE, record.message_id, record.body, why)
    logger.error("dead letter", source=SOURCE, message_id=record.message_id, ended=ended)
