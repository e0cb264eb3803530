"""Api: API Gateway → FastAPI through Mangum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from ragline import wiring
from ragline.api.app import create_app
from ragline.meter import meter
from ragline.metrics import EMPTY_LEG, QUERIES, QUERY_STAGES, REQUESTS, SERVER_ERRORS
from ragline.telemetry import logger, measure, observed
from ragline.usecases.search import SearchResult


def count_query(result: SearchResult) -> None:
    """The time of each stage; the legs that found nothing.

    A query without a keyword that the index holds is the commonest reason for an empty leg.
    """
    measure(QUERIES, 1)
    for stage, milliseconds in result.timings_ms.items():
        measure(QUERY_STAGES[stage], milliseconds)
    for leg, candidates in result.legs.items():
        if not candidates:
            measure(EMPTY_LEG, 1, leg)


asgi = Mangum(
    create_app(wiring, on_search=count_query),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],
)


def _count_for(event: Mapping[str, Any]) -> None:
    told = event["requestContext"].get("authorizer") or {}
    if tenant := told.get("tenant"):  # else it is an open route
        meter().works_for(str(tenant))


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> Any:
    request = APIGatewayProxyEvent(event)
    _count_for(event)
    response = asgi(event, context)
    status, trace_id = response["statusCode"], response["headers"].get("x-trace-id")
    method, route = request.http_method, request.resource
    logger.info("request", method=method, route=route, status=status, trace_id=trace_id)
    measure(REQUESTS, 1)
    measure(SERVER_ERRORS, int(status >= 500))
    return response
