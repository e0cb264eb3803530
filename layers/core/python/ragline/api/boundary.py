"""Around every route: trace id, stage prefix, bounded bodies, every error told, CORS."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragline.api.problems import TRACE_KEY, on_unexpected, problem, status_of
from ragline.domain.errors import InvalidRequest, SetupError, TooLarge
from ragline.settings import Settings, listed

UPLOAD_PATH = "/api/v2/documents/upload"

MAX_FILE_BYTES = 4_500_000
"""The biggest file that fits through API Gateway into a function.

An invocation's event has at most 6 MiB (6,291,456 bytes) and carries the body in base64, 4 bytes
for 3: 4.5 MB take 6.0 MB and leave room for the event's own fields.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

MAX_FORM_BYTES = MAX_FILE_BYTES + 100_000
MAX_JSON_BYTES = 512 * 1024
MAX_JSON_DEPTH = 32
"""No body of this API nests deeper than 4; Python's own limit is no error that says what to do."""

_STRUCTURE = re.compile(rb'[\[{]|[\]}]|"(?:[^"\\]|\\.?)*+(?:"|\Z)', re.S)

_TRACE_ROOT = re.compile(r"Root=(1-[0-9a-f]{8}-[0-9a-f]{24})")


class Boundary:
    """ASGI middleware, outside of everything but the server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace_id = _trace_id(Headers(scope=scope))
        scope = {**scope, **_place(scope), TRACE_KEY: trace_id}
        started = False

        async def traced(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["x-trace-id"] = trace_id
            await send(message)

        try:
            body = await _body(scope, receive)
            await self._app(scope, _replay(body, receive), traced)
        except (TooLarge, InvalidRequest) as error:
            response = problem(scope, status_of(type(error)), error.code, str(error))
            await response(scope, receive, traced)
        except ClientDisconnect:
            return
        except Exception as error:
            response = on_unexpected(scope, error)
            if not started:
                await response(scope, receive, traced)


class Cors:
    """CORS for the origins that the settings allow, read at the first request; none by default."""

    def __init__(self, app: ASGIApp, settings: Callable[[], Settings]) -> None:
        self._plain = app
        self._settings = settings
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            self._app = self._configured()
        await self._app(scope, receive, send)

    def _configured(self) -> ASGIApp:
        try:
            origins = listed(self._settings().cors_origins)
        except SetupError:
            # The routes that need settings say what is wrong with them; health needs none.
            return self._plain
        if not origins:
            return self._plain
        return CORSMiddleware(
            self._plain,
            allow_origins=origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["content-type", "authorization", "x-api-key"],
            expose_headers=["location", "retry-after", "x-trace-id"],
            max_age=3_600,
        )


def _trace_id(headers: Headers) -> str:
    """X-Ray's root id, as API Gateway passes it on; else a new one."""
    found = _TRACE_ROOT.search(headers.get("x-amzn-trace-id", ""))
    return found[1] if found else uuid.uuid4().hex


def _place(scope: Scope) -> dict[str, Any]:
    """``root_path`` and ``path`` as ASGI means them, behind a stage or a base path.

    API Gateway gives the path with the base path of a custom domain and without the stage;
    ``requestContext.path`` has whichever the caller wrote. What is left of it before the resource
    is the prefix under which links work.
    https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope
    """
    event = scope.get("aws.event")
    if not event or not event.get("resource"):
        return {}
    route = str(event["resource"])
    for name, value in (event.get("pathParameters") or {}).items():
        route = route.replace(f"{{{name}+}}", value).replace(f"{{{name}}}", value)
    full = str(event.get("requestContext", {}).get("path") or "")
    if not full.endswith(route):
        return {}
    root = full.removesuffix(route)
    path: str = scope["path"]
    return {"root_path": root, "path": path if path == full else root + path}


async def _body(scope: Scope, receive: Receive) -> bytes:
    """The whole body: a function's event holds it anyway, and a bound on it is simple to keep."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    limit = MAX_FORM_BYTES if path == UPLOAD_PATH else MAX_JSON_BYTES
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(path)
    if path != UPLOAD_PATH:
        check_depth(bytes(body))
    return bytes(body)


def check_depth(body: bytes) -> None:
    """Refuse JSON that nests too deep, before it is read; what is no JSON is for the reader to say.

    Raises:
        InvalidRequest: it does; names the limit.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_JSON_DEPTH:
        return  # whatever it is
    depth = 0
    for found in _STRUCTURE.finditer(body):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
        if depth > MAX_JSON_DEPTH:
            raise InvalidRequest(
                f"The body nests deeper than the limit of {MAX_JSON_DEPTH} levels."
            )


def _replay(body: bytes, receive: Receive) -> Receive:
    unread = True

    async def replayed() -> Message:
        nonlocal unread
        if not unread:
            return await receive()
        unread = False
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _too_large(path: str) -> TooLarge:
    if path == UPLOAD_PATH:
        return too_large_file()
    return TooLarge(f"The body is too large; this route takes at most {MAX_JSON_BYTES:,} bytes.")


def too_large_file() -> TooLarge:
    return TooLarge(
        f"This route takes files of at most {MAX_FILE_BYTES:,} bytes; "
        "POST /api/v2/documents gives an upload URL for bigger ones."
    )
