"""Usage plans of the local cloud counted by the key that the authoriser names.

On AWS an API whose key source is AUTHORIZER finds a request's usage plan by ``usageIdentifierKey``
in the authoriser's answer. MiniStack looks for the header ``x-api-key``, whatever the source, which
it forgets when it creates an API from a template. Here the header is replaced by what an authoriser
named, once it has answered and before the plans are asked, in MiniStack's process and nowhere else;
the function behind gets the caller's own headers.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html

Run by guard.py in MiniStack's interpreter: imports nothing of ragline, nor MiniStack before
``install``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

HEADER = "x-api-key"
NAMED = "usageIdentifierKey"
HIDDEN = "ragline.usageIdentifierKey"
"""Where the key travels inside of MiniStack: a name that no authoriser's context may have."""

Headers = dict[str, Any]


def carried(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An authoriser's answer whose key stands in its context, the part that MiniStack keeps."""
    if NAMED not in answer:
        return dict(answer)
    return {**answer, "context": {**(answer.get("context") or {}), HIDDEN: answer[NAMED]}}


def replaced(headers: Headers, key: str) -> Headers:
    """The headers as the usage plans shall see them: with this key, and no other."""
    kept = {name: value for name, value in headers.items() if name.lower() != HEADER}
    return {**kept, HEADER: key} if key else kept


def install() -> None:
    """Put it in the way of MiniStack's gateway, version as pinned (local/ministack.lock)."""
    from ministack.services import apigateway_v1 as gateway

    invoke, authorise = gateway._invoke_authorizer_lambda, gateway._authorize_request_v1
    check = gateway._check_api_key

    async def invoked(authorizer: Any, *rest: Any) -> Any:
        result = await invoke(authorizer, *rest)
        body = result.get("body") if result and not result.get("error") else None
        try:
            answer = json.loads(body) if isinstance(body, (str, bytes)) else body
        except ValueError:
            return result
        return {**result, "body": carried(answer)} if isinstance(answer, dict) else result

    named: dict[int, str] = {}
    """The key of each request that is on its way, by the identity of its headers."""

    async def authorised(api_id: str, stage: str, method: Any, verb: str, path: str, resource: Any,
                         headers: Headers, *rest: Any) -> Any:  # fmt: skip
        error, context = await authorise(
            api_id, stage, method, verb, path, resource, headers, *rest
        )
        if context is not None and HIDDEN in context:
            context = dict(context)
            named[id(headers)] = context.pop(HIDDEN)
        return error, context

    def checked(method: Any, api_id: str, stage: str, headers: Headers) -> Any:
        key = named.pop(id(headers), None)
        seen = headers if key is None else replaced(headers, key)
        return check(method, api_id, stage, seen)

    gateway._invoke_authorizer_lambda = invoked
    gateway._authorize_request_v1 = authorised
    gateway._check_api_key = checked
