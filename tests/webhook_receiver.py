"""A server on loopback that webhooks are sent to, and that says what it is told to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Posted:
    """One request; the names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: str
    status: int

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """``answers`` are given in turn, as (status, headers); then 204."""

    url: str
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)

    @property
    def taken(self) -> list[Posted]:
        """Those that it said yes to."""
        return [one for one in self.posted if one.status < 300]


@contextmanager
def receiving(*statuses: int, **headers: str) -> Iterator[Receiver]:
    """A receiver that answers these statuses first, with these headers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            status, said = receiver.answers.pop(0) if receiver.answers else (204, {})
            told = {name.lower(): value for name, value in self.headers.items()}
            receiver.posted.append(Posted(self.path, told, body, status))
            self.send_response(status)
            for name, value in said.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hooks")
    receiver.answers = [(status, dict(headers)) for status in statuses]
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
