"""Api: API Gateway → FastAPI through Mangum."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from ragline import wiring
from ragline.api.app import create_app
from ragline.telemetry import logger, metrics, observed
from ragline.usecases.search import SearchResult


def count_query(result: SearchResult) -> None:
    """``QueryTotal`` and the time of each stage; ``EmptyLeg`` by leg, of those that found nothing.

    A query without a keyword that the index holds is the commonest reason for an empty leg.
    """
    metrics.add_metric("Queries", MetricUnit.Count, 1)
    for stage, milliseconds in result.timings_ms.items():
        metrics.add_metric(f"Query{stage.capitalize()}", MetricUnit.Milliseconds, milliseconds)
    for leg, candidates in result.legs.items():
        if not candidates:
            with single_metric("EmptyLeg", MetricUnit.Count, 1) as empty:
                empty.add_dimension("leg", leg)


asgi = Mangum(
    create_app(wiring, on_search=count_query),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],
)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> Any:
    request = APIGatewayProxyEvent(event)
    response = asgi(event, context)
    status = response["statusCode"]
    logger.info("request", method=request.http_method, route=request.resource, status=status)
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    metrics.add_metric("ServerErrors", MetricUnit.Count, int(status >= 500))
    return response
