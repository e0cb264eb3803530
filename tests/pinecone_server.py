"""A small Pinecone on a loopback port: the documented paths, for the real SDK to talk to.

It checks what is documented (key, version and type headers, limits) and answers in the documented
shapes, errors included. Beyond that it does what a test asks: shows writes late, fails, is slow,
takes only a part. It counts requests by what they do.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from ragline.adapters.pinecone.documents import schema
from tests.pinecone_store import Refused, Store, bad

API_KEY = "pcsk_test"
MAX_REQUEST_BYTES = 2 * 1024 * 1024
VERSION = "2026-07"

Answer = tuple[int, Any, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do instead of answering: ``status`` 0 closes the connection without a word."""

    status: int
    retry_after: str | None = None
    action: str = ""
    seconds: float = 0.0


class PineconeServer:
    """An index of ``dimensions`` numbers a vector at ``host``; a context manager.

    ``faults`` are served first, one a request (of their ``action`` if they name one).
    """

    def __init__(self, dimensions: int) -> None:
        self.store = Store(schema(dimensions)["fields"])
        self.api_key = API_KEY
        self.requests: Counter[str] = Counter()
        self.faults: deque[Fault] = deque()
        self.bugs: list[Exception] = []
        self.missing = False
        self.max_request_bytes = MAX_REQUEST_BYTES
        self.largest_request = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def fail(
        self, status: int, times: int = 1, retry_after: str | None = None, action: str = ""
    ) -> None:
        self.faults.extend([Fault(status, retry_after, action)] * times)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        if self.bugs:
            raise self.bugs[0]

    def answer(self, method: str, url: str, headers: Mapping[str, str], data: bytes) -> Answer:
        """Status, body (JSON, or text) and headers."""
        path = urlsplit(url).path
        parts = [unquote(part) for part in path.split("/")[1:]]
        action = _action(method, parts)
        with self._lock:
            self.requests[action] += 1
            self.largest_request = max(self.largest_request, len(data))
            fault = self._next_fault(action)
        if fault is not None:
            time.sleep(fault.seconds)
            extra = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            return fault.status, f"status {fault.status} as asked", extra
        if headers.get("api-key") != self.api_key:
            return 401, "Unauthorized", {}
        if self.missing or not action:
            return 404, "", {}
        try:
            body = self._body(method, headers, data)
            with self._lock:
                return self._do(action, parts, body, parse_qs(urlsplit(url).query))
        except Refused as error:
            said = {"code": error.code, "message": str(error)}
            return error.status, {"status": error.status, "error": said}, {}
        except Exception as error:  # ours: raised again when the server ends
            self.bugs.append(error)
            return 400, repr(error), {}

    def _body(self, method: str, headers: Mapping[str, str], data: bytes) -> dict[str, Any]:
        if headers.get("x-pinecone-api-version") != VERSION:
            raise bad("the header X-Pinecone-Api-Version is missing or not served here")
        if len(data) > self.max_request_bytes:
            raise Refused(413, "PAYLOAD_TOO_LARGE", "the request is too large")
        if method != "POST":
            return {}
        if headers.get("content-type") != "application/json":
            raise bad("Content-Type must be application/json")
        body: dict[str, Any] = json.loads(data)
        return body

    def _do(self, action: str, parts: list[str], body: Any, query: dict[str, list[str]]) -> Answer:
        answer = getattr(self, f"_{action}")
        reply: Answer
        if action in {"stats", "namespaces", "create"}:
            reply = answer(body, query)
        else:
            name = parts[1]
            if not 1 <= len(name) <= 512 or not name.isascii():
                raise bad("a namespace has 1 to 512 ASCII characters")
            reply = answer(name, body)
        return reply

    def _stats(self, body: Any, query: dict[str, list[str]]) -> Answer:
        counts = {name: len(self.store.ids(name, "")) for name in self.store.namespaces}
        spaces = {name: {"vectorCount": n} for name, n in counts.items()}
        stats = {"namespaces": spaces, "dimension": self.store.dimension, "indexFullness": 0}
        return 200, {**stats, "totalVectorCount": sum(counts.values())}, {}

    def _namespaces(self, body: Any, query: dict[str, list[str]]) -> Answer:
        prefix, limit = query.get("prefix", [""])[0], int(query.get("limit", ["100"])[0])
        after = _unpaged(query.get("paginationToken", [""])[0])
        if not 1 <= limit <= 100:
            raise bad("limit must be 1 to 100")
        names = sorted(n for n in self.store.namespaces if n.startswith(prefix) and n > after)
        page = [
            # An int64 is a string in protobuf's JSON.
            {"name": name, "record_count": str(len(self.store.ids(name, "")))}
            for name in names[:limit]
        ]
        return 200, {"namespaces": page, **_paged(names, limit)}, {}

    def _create(self, body: Any, query: dict[str, list[str]]) -> Answer:
        self.store.create(body["name"], body.get("schema"))
        return 200, {"name": body["name"], "record_count": "0"}, {}

    def _drop(self, name: str, body: Any) -> Answer:
        self.store.drop(name)
        return 200, {}, {}

    def _upsert(self, name: str, body: Any) -> Answer:
        count, lsn = self.store.upsert(name, body["documents"])
        return 202, {"upserted_count": count}, {"x-pinecone-request-lsn": str(lsn)}

    def _delete(self, name: str, body: Any) -> Answer:
        matched, lsn = self.store.delete(name, body)
        said = {} if matched is None else {"matched_records": matched}
        return 202, said, {"x-pinecone-request-lsn": str(lsn)}

    def _search(self, name: str, body: Any) -> Answer:
        matches, lsn = self.store.search(name, body)
        reply = {"matches": matches, "namespace": name, "usage": {"read_units": 1}}
        return 200, reply, {"x-pinecone-max-indexed-lsn": str(lsn)}

    def _fetch(self, name: str, body: Any) -> Answer:
        found = self.store.fetch(name, body)
        return 200, {"documents": found, "namespace": name, "usage": {"read_units": 1}}, {}

    def _list(self, name: str, body: Any) -> Answer:
        limit, after = body.get("limit", 100), _unpaged(body.get("pagination_token", ""))
        if not 1 <= limit <= 100:
            raise bad("limit must be 1 to 100")
        ids = [one for one in self.store.ids(name, body.get("prefix", "")) if one > after]
        listed = {"documents": [{"_id": one} for one in ids[:limit]], "namespace": name}
        return 200, {**listed, "usage": {"read_units": 1}, **_paged(ids, limit)}, {}

    def _next_fault(self, action: str) -> Fault | None:
        if self.faults and self.faults[0].action in {"", action}:
            return self.faults.popleft()
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(_Handler):
            pass

        Handler.reply = staticmethod(answer)
        return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    reply: Callable[[str, str, Mapping[str, str], bytes], Answer]

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, body, extra = self.reply(self.command, self.path, headers, data)
        if not status:
            self.close_connection = True
            return
        text = isinstance(body, str)
        sent = body.encode() if text else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(sent)))
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)

    do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _action(method: str, parts: list[str]) -> str:
    """What the request asks for; '' if it is no documented one."""
    path = re.sub(r"^namespaces/[^/]+", "namespaces/{}", "/".join([p or "?" for p in parts]))
    return {
        "POST describe_index_stats": "stats",
        "GET namespaces": "namespaces",
        "POST namespaces": "create",
        "DELETE namespaces/{}": "drop",
        "POST namespaces/{}/documents/upsert": "upsert",
        "POST namespaces/{}/documents/delete": "delete",
        "POST namespaces/{}/documents/search": "search",
        "POST namespaces/{}/documents/fetch": "fetch",
        "POST namespaces/{}/documents/list": "list",
    }.get(f"{method} {path}", "")


def _paged(names: list[str], limit: int) -> dict[str, Any]:
    if len(names) <= limit:
        return {}
    return {"pagination": {"next": base64.b64encode(names[limit - 1].encode()).decode()}}


def _unpaged(token: str) -> str:
    return base64.b64decode(token).decode()
