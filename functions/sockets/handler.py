"""Sockets: the WebSocket API's $connect, $disconnect and messages → who follows what."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ragline import wiring
from ragline.api.views_webhooks import TEXTS
from ragline.domain.errors import InvalidRequest
from ragline.telemetry import logger, observed
from ragline.usecases import follow


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Answers are sent as messages: what a function returns is sent on no local cloud alike."""
    asked = event["requestContext"]
    connection_id, route = asked["connectionId"], asked["routeKey"]
    if route == "$connect":
        return {"statusCode": _connect(connection_id, event)}
    if route == "$disconnect":
        wiring.connections().close(connection_id)
        logger.info("disconnected", connection_id=connection_id)
        return {"statusCode": 200}
    reply = follow.answer(
        connection_id,
        event.get("body") or "",
        connections=wiring.connections(),
        ledger=wiring.ledger(),
        progress=TEXTS.progress,
    )
    for text in reply.texts:
        wiring.sockets().send(connection_id, text)
    logger.info("asked", connection_id=connection_id, route=route, error=reply.error)
    return {"statusCode": 200}


def _connect(connection_id: str, event: dict[str, Any]) -> int:
    """The tenant is the authoriser's word, and nobody else's."""
    tenant = str((event["requestContext"].get("authorizer") or {}).get("tenant") or "")
    if not tenant:
        logger.error("connection refused", reason="the authoriser named no tenant")
        return 401
    collection = (event.get("queryStringParameters") or {}).get("collection", "")
    try:
        follow.connect(connection_id, tenant, collection, connections=wiring.connections())
    except InvalidRequest as error:
        logger.info("connection refused", reason=str(error))
        return 400
    logger.info("connected", connection_id=connection_id, tenant=tenant)
    return 200
