"""Authorizer: API Gateway asks who sends a request → tenant, role and name, or a refusal.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

from __future__ import annotations

from typing import Any

from ragline import wiring
from ragline.domain.access import Credentials, Principal
from ragline.domain.errors import Forbidden, Unauthorised
from ragline.domain.times import utc_now
from ragline.telemetry import logger, observed
from ragline.usecases.authorise import authorise
from ragline.usecases.tickets import redeem


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    answer = decided(event, context)
    if not answer:
        # Of this very word the gateway makes a 401. It is raised out here since a stranger's wrong
        # key is no failure of ours: neither in the log nor in the trace.
        raise Unauthorised("Unauthorized")
    return answer


@observed
def decided(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """What the gateway is told; nothing where it shall say 401."""
    try:
        found = caller(event)
    except (Unauthorised, Forbidden) as refused:
        # The reason is for us: what the caller is told helps nobody to find a way in.
        logger.warning("refused", reason=str(refused), path=event.get("resource", ""))
        known = isinstance(refused, Forbidden)
        return policy(event["methodArn"], "Deny", "nobody") if known else {}
    logger.info("authorised", principal=found.name, tenant=found.tenant, role=found.role.value)
    plan = wiring.known_keys().plan(found.tenant)
    return admission(event["methodArn"], found, plan.meter if plan else "")


def caller(event: dict[str, Any]) -> Principal:
    """By a ticket where a WebSocket brings one, and only there; else by a token or a key."""
    ticket = (event.get("queryStringParameters") or {}).get("ticket", "")
    if ticket and event.get("requestContext", {}).get("routeKey") == "$connect":
        return redeem(ticket, tickets=wiring.tickets())
    return authorise(
        credentials(event.get("headers") or {}),
        keys=wiring.known_keys(),
        owner=wiring.owner_key,
        tokens=wiring.tokens,
        now=utc_now(),
    )


def credentials(headers: dict[str, str]) -> Credentials:
    """HTTP's names of headers and of schemes are the same in any case."""
    given = {name.lower(): value for name, value in headers.items()}
    scheme, _, token = given.get("authorization", "").strip().partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return Credentials(given.get("x-api-key", "").strip(), bearer)


def admission(arn: str, found: Principal, meter: str) -> dict[str, Any]:
    """What role is needed where is the API's to know; it reads all of this from its context."""
    context = {"tenant": found.tenant, "role": found.role.value, "principal": found.name}
    meter = meter or wiring.settings().shared_meter
    return {**policy(arn, "Allow", found.name), "context": context, "usageIdentifierKey": meter}


def policy(arn: str, effect: str, principal: str) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": principal, "policyDocument": document}
