"""The door of the local cloud: only programs of this machine may use it, never web pages.

MiniStack answers anyone without authentication and with ``Access-Control-Allow-Origin: *``, and a
request can create and run code on the host. Binding to loopback keeps other machines out, not the
user's own browser: any page could post to it. So this refuses what only browsers send:

- a foreign Host: a page whose name was rebound to 127.0.0.1 (DNS rebinding);
- a foreign Origin: any cross-origin fetch, form or WebSocket, and its preflight;
- Sec-Fetch-Site cross-site or same-site: what carries no Origin (images, links, simple GETs).

It also paces uploads and requests of the API. Each starts a splitter, asynchronously, or an API
function: AWS would run a thousand at once, here each is a process of 100 to 400 MB that takes most
of a second of the processor to start.

Run as a script by MiniStack's interpreter (``python -I guard.py``, settings in the environment), so
it imports nothing of ragline, and of others nothing before ``main``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import runpy
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

IDENTITY_PATH = "/_ragline/cloud"
"""Answers ``{"pid": …, "directory": …}``: whose local cloud holds this port."""

MOST_AT_ONCE = max(4, os.cpu_count() or 1)
"""Splitters, and API functions, that are kept busy at once; more would not be done sooner."""

PACE_SECONDS = 60
"""How long an upload waits at most; a client's own time-out must not be reached."""


def refusal(headers: Iterable[tuple[bytes, bytes]], port: int) -> str | None:
    """Why a request must not pass, or None. Header names are lower case, as ASGI has them.

    Every value of a repeated header must be allowed: nobody can hide a foreign one behind ours.
    """
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    origins = {f"http://{host}" for host in hosts}
    values: dict[bytes, list[str]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value.decode("latin-1").strip().lower())
    named = values.get(b"host", [])
    if not named or any(host not in hosts for host in named):
        return f"Host must be 127.0.0.1:{port} or localhost:{port}"
    if any(origin not in origins for origin in values.get(b"origin", [])):
        return "web pages of another origin may not use the local cloud"
    if any(site in ("cross-site", "same-site") for site in values.get(b"sec-fetch-site", [])):
        return "web pages of another site may not use the local cloud"
    return None


def guarded(app: App, *, port: int, identity: dict[str, Any]) -> App:
    """``app`` behind the door: refused requests get a 403 and its reason, and never reach it."""

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await app(scope, receive, send)
        reason = refusal(scope["headers"], port)
        if reason is None and scope["type"] == "http" and scope["path"] == IDENTITY_PATH:
            return await _answer(send, 200, identity)
        if reason is None:
            return await app(scope, receive, send)
        body = {"error": "refused", "reason": reason}
        if scope["type"] == "websocket":
            await receive()  # websocket.connect: until it is answered, HTTP answers may be sent
            return await _answer(send, 403, body, "websocket.http.response")
        return await _answer(send, 403, body)

    return door


def paced(app: App, splitters: Callable[[], int], *, seconds: float = PACE_SECONDS) -> App:
    """``app``, where an upload waits while ``MOST_AT_ONCE`` or more documents are being split."""

    async def pace(scope: Scope, receive: Receive, send: Send) -> None:
        uploads = scope["type"] == "http" and scope["method"] in {"PUT", "POST"}
        if uploads and "/uploads/" in scope["path"]:
            deadline = asyncio.get_running_loop().time() + seconds
            while splitters() >= MOST_AT_ONCE and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.05)
        await app(scope, receive, send)

    return pace


def queued(app: App) -> App:
    """``app``, where requests of deployed APIs beyond ``MOST_AT_ONCE`` wait for their turn."""
    places = asyncio.Semaphore(MOST_AT_ONCE)

    async def queue(scope: Scope, receive: Receive, send: Send) -> None:
        waits = scope["type"] == "http" and "/_user_request_" in scope["path"]
        async with places if waits else contextlib.nullcontext():
            await app(scope, receive, send)

    return queue


def splitters_at_work(in_flight: Mapping[str, int]) -> int:
    """Of MiniStack's invocations in flight (``account:region:function`` → number)."""
    return sum(count for name, count in in_flight.items() if name.endswith("-splitter"))


async def _answer(
    send: Send, status: int, body: dict[str, Any], kind: str = "http.response"
) -> None:
    data = json.dumps(body).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": data})


def main() -> None:
    """Serve MiniStack behind the door on 127.0.0.1:GATEWAY_PORT until SIGTERM.

    What ``ministack.app.main`` does besides: keep-alive of 75 s and the raised limit of open files.
    Importing the app installs its hypercorn shim; its state is saved by the lifespan, which
    hypercorn ends on SIGTERM.
    """
    import resource

    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app
    from ministack.services.lambda_svc import executions_in_flight

    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port = int(os.environ["GATEWAY_PORT"])
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    # The name is taken out, not read: MiniStack hands its whole environment to every function.
    identity = {"pid": os.getpid(), "directory": os.environ.pop("RAGLINE_CLOUD_DIRECTORY", "")}
    # By their paths: ``-I`` keeps this folder, and all of ragline, out of what can be imported.
    runpy.run_path(str(Path(__file__).with_name("usage.py")))["install"]()
    decisions = os.environ.pop("RAGLINE_DECISIONS", "")
    if decisions:
        authority = runpy.run_path(str(Path(__file__).with_name("authority.py")))
        authority["install"](Path(decisions))
        app = authority["over_tls"](app)
    behind = paced(queued(app), lambda: splitters_at_work(executions_in_flight()[1]))
    asyncio.run(serve(guarded(behind, port=port, identity=identity), config))


if __name__ == "__main__":
    main()
