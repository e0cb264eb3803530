from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.local.guard import (
    IDENTITY_PATH,
    MOST_AT_ONCE,
    Message,
    Receive,
    Scope,
    Send,
    guarded,
    paced,
    queued,
    refusal,
    splitters_at_work,
)

OURS = (b"host", b"127.0.0.1:4566")


def test_a_program_of_this_machine_passes() -> None:
    for host in (b"127.0.0.1:4566", b"localhost:4566", b"LOCALHOST:4566", b"[::1]:4566"):
        assert refusal([(b"host", host), (b"user-agent", b"Boto3/1.43")], 4566) is None


def test_a_page_that_the_local_cloud_itself_served_passes() -> None:
    headers = [OURS, (b"origin", b"http://127.0.0.1:4566"), (b"sec-fetch-site", b"same-origin")]
    assert refusal(headers, 4566) is None
    assert refusal([OURS, (b"sec-fetch-site", b"none")], 4566) is None


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="no host"),
        pytest.param([(b"host", b"evil.example:4566")], id="rebound name"),
        pytest.param([(b"host", b"127.0.0.1.evil.example:4566")], id="look-alike"),
        pytest.param([(b"host", b"127.0.0.1")], id="port missing"),
        pytest.param([(b"host", b"127.0.0.1:80")], id="another port"),
        pytest.param([(b"host", b"bucket.s3.localhost:4566")], id="virtual host"),
        pytest.param([OURS, (b"host", b"evil.example")], id="second host"),
        pytest.param([OURS, (b"origin", b"https://evil.example")], id="foreign origin"),
        pytest.param([OURS, (b"origin", b"null")], id="opaque origin"),
        pytest.param([OURS, (b"origin", b"http://localhost:3000")], id="another local server"),
        pytest.param([OURS, (b"origin", b"https://127.0.0.1:4566")], id="another scheme"),
        pytest.param(
            [OURS, (b"origin", b"http://127.0.0.1:4566"), (b"origin", b"http://evil.example")],
            id="second origin",
        ),
        pytest.param([OURS, (b"sec-fetch-site", b"cross-site")], id="cross-site"),
        pytest.param([OURS, (b"sec-fetch-site", b"same-site")], id="same-site"),
    ],
)
def test_what_a_foreign_page_can_send_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    assert refusal(headers, 4566)


@given(st.binary(max_size=40))
def test_no_other_host_passes_whatever_its_bytes(host: bytes) -> None:
    allowed = host.decode("latin-1").strip().lower() in (
        "127.0.0.1:1", "localhost:1", "[::1]:1",
    )  # fmt: skip
    assert (refusal([(b"host", host)], 1) is None) == allowed


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_refused_request_never_reaches_the_app_and_says_why(kind: str) -> None:
    reached, sent = _through_the_door(kind, "/", [(b"host", b"evil.example")])
    assert not reached
    assert sent[0]["type"].endswith("http.response.start")
    assert sent[0]["status"] == 403
    assert "Host" in json.loads(sent[1]["body"])["reason"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_an_allowed_request_reaches_the_app(kind: str) -> None:
    reached, sent = _through_the_door(kind, "/", [OURS])
    assert reached == [kind]
    assert sent == []


def test_the_door_says_whose_cloud_it_guards_but_not_to_foreign_pages() -> None:
    _, sent = _through_the_door("http", IDENTITY_PATH, [OURS])
    assert json.loads(sent[1]["body"]) == {"pid": 7}
    _, sent = _through_the_door("http", IDENTITY_PATH, [OURS, (b"origin", b"null")])
    assert sent[0]["status"] == 403


def _through_the_door(
    kind: str, path: str, headers: list[tuple[bytes, bytes]]
) -> tuple[list[str], list[Message]]:
    reached: list[str] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["type"])

    async def receive() -> Message:
        return {"type": f"{kind}.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": kind, "path": path, "headers": headers}
    asyncio.run(guarded(app, port=4566, identity={"pid": 7})(scope, receive, send))
    return reached, sent


def passes(scope: Scope, counts: list[int], seconds: float = 5) -> int:
    """How often the number of splitters was asked for before the request went through."""
    asked = iter(counts)
    reached: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    async def nothing(*_: object) -> Any:
        return {}

    remaining = len(counts)

    def splitters() -> int:
        nonlocal remaining
        remaining -= 1
        return next(asked)

    asyncio.run(paced(app, splitters, seconds=seconds)(scope, nothing, nothing))
    assert reached == [scope]
    return len(counts) - remaining


def test_an_upload_waits_until_fewer_documents_are_being_split() -> None:
    put = {"type": "http", "method": "PUT", "path": "/documents/uploads/default/c/d/a.md"}
    assert passes(put, [MOST_AT_ONCE, MOST_AT_ONCE + 3, MOST_AT_ONCE - 1]) == 3


def test_an_upload_never_waits_for_ever() -> None:
    put = {"type": "http", "method": "PUT", "path": "/documents/uploads/default/c/d/a.md"}
    assert passes(put, [MOST_AT_ONCE] * 100, seconds=0.12) < 10


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/documents/chunks/default/c/d/1"), ("GET", "/b/uploads/a")]
)
def test_what_the_functions_write_and_what_anyone_reads_is_never_paced(
    method: str, path: str
) -> None:
    assert passes({"type": "http", "method": method, "path": path}, [MOST_AT_ONCE]) == 0


def test_only_splitters_are_counted() -> None:
    in_flight = {"000000000000:us-east-1:ragline-dev-splitter": 3, "0:us-east-1:x-embedder": 9}
    assert splitters_at_work(in_flight) == 3


def test_requests_of_an_api_take_turns_and_the_calls_of_its_function_do_not_wait_for_one() -> None:
    """Else a function that serves a request would wait for its own request to end."""
    api = {"type": "http", "path": "/restapis/a/live/_user_request_/api/v2/query"}
    busy, most, served = 0, 0, 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal busy, most, served
        if scope is api:
            busy += 1
            most = max(most, busy)
            await behind({"type": "http", "path": "/documents/index/a"}, receive, send)
            busy -= 1
        else:
            await asyncio.sleep(0)
            served += 1

    async def nothing() -> Message:
        return {}

    async def send(_: Message) -> None:
        return None

    async def many() -> None:
        requests = (behind(api, nothing, send) for _ in range(3 * MOST_AT_ONCE))
        await asyncio.wait_for(asyncio.gather(*requests), 5)

    behind = queued(app)
    asyncio.run(many())
    assert (most, served) == (MOST_AT_ONCE, 3 * MOST_AT_ONCE)
