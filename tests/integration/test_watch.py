"""`ragline watch` against a WebSocket server that ends connections and repeats itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from tests.ports import free_port
from tests.unit.cli.fakes import API_URL, KEY, outside, run
from tests.unit.cli.test_webhooks import message


@contextmanager
def server(talk: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    with serve(talk, "127.0.0.1", 0, **options) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}/live"


def watch(url: str, *words: str) -> Any:
    environ = {"RAGLINE_API_URL": API_URL, "RAGLINE_API_KEY": KEY, "RAGLINE_SOCKETS_URL": url}
    return run(outside(environ=environ), "watch", *words)


def test_a_document_is_followed_over_a_lost_connection_to_its_end() -> None:
    asked: list[Any] = []

    def talk(connection: ServerConnection) -> None:
        assert connection.request
        asked.append((json.loads(connection.recv()), connection.request.headers["x-api-key"]))
        connection.send(json.dumps({"type": "subscribed", "document_id": "d1"}))
        connection.send(json.dumps(message("processing", at=1)))
        if len(asked) > 1:
            connection.send(json.dumps(message("indexed", at=2)))

    with server(talk) as url:
        result = watch(url, "--document", "d1", "--json")
    assert result.exit_code == 0
    assert asked == [({"action": "subscribe", "document_id": "d1"}, KEY)] * 2
    told = [json.loads(line)["status"] for line in result.stdout.splitlines()]
    assert told == ["processing", "indexed"]


def test_a_document_that_fails_is_exit_code_one() -> None:
    def talk(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(json.dumps(message("failed")))
        connection.recv()

    with server(talk) as url:
        result = watch(url, "--document", "d1")
    assert result.exit_code == 1
    assert "failed" in result.stdout


@pytest.mark.parametrize(("code", "exit_code"), [("not_found", 4), ("conflict", 2)])
def test_what_cannot_be_followed_says_why(code: str, exit_code: int) -> None:
    def talk(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(json.dumps({"type": "error", "code": code, "message": "because."}))
        connection.recv()

    with server(talk) as url:
        result = watch(url, "--document", "d1")
    assert result.exit_code == exit_code
    assert "because." in result.stderr


def test_a_caller_who_is_refused_is_told_so_and_nobody_asks_again() -> None:
    asked: list[str] = []

    def refuse(connection: ServerConnection, request: Any) -> Any:
        asked.append(request.path)
        return connection.respond(HTTPStatus.FORBIDDEN, "no\n")

    with server(lambda connection: None, process_request=refuse) as url:
        result = watch(url, "--document", "d1")
    assert (result.exit_code, len(asked)) == (3, 1)
    assert "key" in result.stderr


def test_nobody_at_the_address_is_exit_code_one_after_some_tries() -> None:
    result = watch(f"ws://127.0.0.1:{free_port()}/live", "--document", "d1")
    assert result.exit_code == 1
    assert "does not answer" in result.stderr
