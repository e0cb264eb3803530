"""Api: API Gateway → FastAPI through Mangum."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from ragline import wiring
from ragline.api.app import create_app
from ragline.telemetry import logger, metrics, observed

asgi = Mangum(
    create_app(wiring),
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
