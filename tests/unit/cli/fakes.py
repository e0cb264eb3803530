"""A Ragline API, a local cloud and AWS, as the command line sees them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner, Result

from ragline.cli.app import app
from ragline.cli.outside import Outside, Say

API_URL = "http://api.test/live"
KEY = "the-secret-key"
SIGNATURE = "X-Amz-Signature=secret"


@dataclass
class FakeApi:
    """Documents move one status further each time they are asked for, along ``path``."""

    path: tuple[str, ...] = ("splitting", "processing", "indexed")
    reason: dict[str, Any] | None = None
    advice: str = ""
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    bytes: dict[str, bytes] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    hits: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)
    troubled: list[dict[str, Any]] = field(default_factory=list)
    override: Callable[[httpx.Request], httpx.Response | None] = lambda request: None
    page: int = 2

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        overridden = self.override(request)
        if overridden is not None:
            return overridden
        if request.url.host == "bucket.test":
            return self._put(request)
        assert request.url.path.startswith("/live/api/v2/"), request.url
        route = request.url.path.removeprefix("/live/api/v2/")
        match request.method, route.split("/"):
            case "POST", ["documents"]:
                return self._register(json.loads(request.content))
            case "GET", ["documents"]:
                return self._list(request.url.params)
            case "GET", ["documents", document_id]:
                return self._get(document_id)
            case "GET", ["documents", document_id, "failures"]:
                known = self.failures.get(document_id, {"failures": []})
                return httpx.Response(200, json={"document_id": document_id, **known})
            case "POST", ["documents", document_id, "retry"]:
                self.bodies.append(json.loads(request.content))
                known = {"document_id": document_id, "status": "splitting", "chunks": 0}
                return httpx.Response(202, json={**known, "split_again": True})
            case "POST", ["redrive"]:
                return self._redrive(json.loads(request.content))
            case "DELETE", ["documents", document_id]:
                found = self.documents.pop(document_id, None)
                return httpx.Response(204) if found else not_found(document_id)
            case "POST", ["query"]:
                self.bodies.append(json.loads(request.content))
                return httpx.Response(
                    200, json={"hits": self.hits, "timings_ms": {"total": 12.3}, "legs": {}}
                )
            case "GET", ["info"]:
                return httpx.Response(
                    200,
                    json={
                        "version": "0.1.0",
                        "components": {
                            "index": {"state": "unchecked", "rows": None},
                            "model": {"precision": "int8"},
                        },
                    },
                )
        return problem(404, "not_found", "no such route")

    def add(self, document_id: str, **fields: Any) -> None:
        self.documents[document_id] = {
            "document_id": document_id,
            "collection": "default",
            "filename": f"{document_id}.md",
            "status": "indexed",
            "progress": {"percent": "100%", "chunks_total": 3, "indexed": 3, "pages_total": 2},
            "generation": 1,
            "reason": None,
            "advice": self.advice,
            "created_at": "2026-01-01T00:00:00+00:00",
            "updated_at": "2026-01-01T00:00:01.500000+00:00",
            **fields,
        }

    def _register(self, body: dict[str, Any]) -> httpx.Response:
        self.bodies.append(body)
        for document_id, document in self.documents.items():
            if document.get("checksum") == body["checksum"]:
                return httpx.Response(
                    200,
                    json={
                        "document_id": document_id,
                        "job_id": document_id,
                        "status": document["status"],
                        "duplicate": True,
                        "upload": None,
                    },
                )
        document_id = f"doc{len(self.documents) + 1}"
        self.add(
            document_id,
            status="awaiting_upload",
            filename=body["filename"],
            collection=body["collection"],
            checksum=body["checksum"],
        )
        upload = {
            "method": "PUT",
            "url": f"https://bucket.test/{document_id}?{SIGNATURE}",
            "headers": {"content-type": "text/plain", "x-amz-checksum-sha256": body["checksum"]},
            "expires_at": "2026-01-01T01:00:00Z",
        }
        return httpx.Response(
            201,
            json={
                "document_id": document_id,
                "job_id": document_id,
                "status": "awaiting_upload",
                "duplicate": False,
                "upload": upload,
            },
        )

    def _redrive(self, body: dict[str, Any]) -> httpx.Response:
        self.bodies.append(body)
        if body.get("document_id") and body["document_id"] not in self.documents:
            return not_found(body["document_id"])
        start = int(body.get("cursor", "0"))
        end = start + self.page
        cursor = str(end) if end < len(self.troubled) else None
        return httpx.Response(200, json={"documents": self.troubled[start:end], "cursor": cursor})

    def _put(self, request: httpx.Request) -> httpx.Response:
        assert "x-api-key" not in request.headers, "the bucket must not see the key"
        assert "content-length" in request.headers, "S3 takes no chunked PUT"
        document_id = request.url.path.removeprefix("/")
        sent = hashlib.sha256(request.content).hexdigest()
        if sent != request.headers["x-amz-checksum-sha256"]:
            return httpx.Response(400, text="<Error><Code>BadDigest</Code></Error>")
        self.bytes[document_id] = request.content
        return httpx.Response(200)

    def _get(self, document_id: str) -> httpx.Response:
        document = self.documents.get(document_id)
        if document is None:
            return not_found(document_id)
        if document_id in self.bytes:
            at = self.path.index(document["status"]) if document["status"] in self.path else -1
            document["status"] = self.path[min(at + 1, len(self.path) - 1)]
            if document["status"] in {"failed", "partial"}:
                document["reason"] = self.reason
        return httpx.Response(200, json=document)

    def _list(self, params: httpx.QueryParams) -> httpx.Response:
        found = [
            document
            for document in self.documents.values()
            if document["collection"] == params["collection"]
            and params.get("status") in (None, document["status"])
        ]
        start = int(params.get("cursor", "0"))
        end = start + self.page
        return httpx.Response(
            200,
            json={
                "documents": found[start:end],
                "cursor": str(end) if end < len(found) else None,
            },
        )


def problem(status: int, code: str, detail: str) -> httpx.Response:
    return httpx.Response(
        status,
        json={"type": "about:blank", "title": code, "status": status, "code": code}
        | {"detail": detail},
        headers={"content-type": "application/problem+json"},
    )


def not_found(document_id: str) -> httpx.Response:
    return problem(404, "not_found", f"there is no document {document_id}.")


def redriven(document_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "document_id": document_id,
        "collection": "default",
        "filename": f"{document_id}.md",
        "status": "processing",
        "chunks": 3,
        "split_again": False,
        "skipped": None,
        **fields,
    }


def hit(rank: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "rank": rank,
        "score": 0.0325,
        "text": "Messages go to the dead-letter queue.",
        "document_id": "doc1",
        "chunk_id": "doc1:1:0",
        "ordinal": 0,
        "filename": "operations.pdf",
        "page": 2,
        "page_end": 2,
        "headings": ["Operating", "Dead letters"],
        "span": {"start": 0, "end": 37},
        "metadata": {},
        "legs": None,
        **fields,
    }


@dataclass
class FakeCloud:
    port: int = 4566
    keep: bool = False

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class FakeLocal:
    """The local cloud; ``calls`` tells what was asked of it."""

    cloud: FakeCloud | None = None
    outputs: Mapping[str, str] = field(
        default_factory=lambda: {"ApiId": "abc", "ApiStage": "live", "ApiKeyId": "k1"}
    )
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def running(self, directory: Path) -> FakeCloud | None:
        return self.cloud

    def start(self, directory: Path, *, port: int, keep: bool, say: Say) -> FakeCloud:
        self.calls.append(("start", directory, port, keep))
        say("starting")
        self.cloud = FakeCloud(port, keep)
        return self.cloud

    def stop(self, directory: Path, say: Say) -> bool:
        self.calls.append(("stop", directory))
        was, self.cloud = self.cloud is not None, None
        return was

    def deploy(
        self,
        endpoint_url: str,
        template: Path,
        *,
        stack: str,
        parameters: Mapping[str, str],
        say: Say,
    ) -> Mapping[str, str]:
        self.calls.append(("deploy", endpoint_url, template, stack, dict(parameters)))
        return self.outputs

    def model(self, precision: str) -> Path:
        self.calls.append(("model", precision))
        return Path("/cache/model")

    def adopt(
        self, source: str, precision: str, query_prefix: str | None, passage_prefix: str | None
    ) -> Path:
        self.calls.append(("adopt", source, precision, query_prefix, passage_prefix))
        return Path("/cache/other")

    def reranker(self, source: str, precision: str) -> Path:
        self.calls.append(("reranker", source, precision))
        return Path("/cache/reranker")


@dataclass
class FakeSession:
    """Hands out prepared clients, and remembers how each was asked for."""

    clients: Mapping[str, Any]
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    available_profiles: tuple[str, ...] = ("prod",)

    def client(self, service: str, endpoint_url: str | None = None, **options: Any) -> Any:
        self.asked.append((service, endpoint_url))
        return self.clients[service]


class Clock:
    """A clock that only ``sleep`` moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def outside(
    api: Callable[[httpx.Request], httpx.Response] | None = None,
    *,
    directory: Path = Path("/nowhere"),
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    **parts: Any,
) -> Outside:
    """By default the environment names the fake API, as for a caller without AWS credentials."""
    clock = clock or Clock()
    if environ is None:
        environ = {"RAGLINE_API_URL": API_URL, "RAGLINE_API_KEY": KEY}
    return Outside(
        local=parts.pop("local", None) or FakeLocal(),
        transport=httpx.MockTransport(api or FakeApi()),
        environ=environ,
        directory=lambda: directory,
        sleep=clock.sleep,
        clock=clock,
        **parts,
    )


def run(world: Outside, *args: str, typed: str | None = None, width: int = 200) -> Result:
    """One command line, and what is on its stdin; nothing that it prints may hold a secret or a
    traceback."""
    runner = CliRunner(env={"COLUMNS": str(width), "NO_COLOR": "1"})
    result = runner.invoke(app, list(args), obj=world, input=typed)
    for secret in (KEY, SIGNATURE, "Traceback"):
        assert secret not in result.output
    return result
