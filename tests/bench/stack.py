"""The whole path on a local cloud of its own: what goes in, and when it can be found."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from ragline.domain.documents import TERMINAL
from ragline.local import cloud, deploy
from tests.bench.material import ROOT, made
from tests.bench.processes import components
from tests.deployed import api_address
from tests.ports import free_port

CORES = max(2, os.cpu_count() or 2)
NAME = "ragline-bench"
COLLECTION = "bench"
POLL_SECONDS = 1.0
UPLOADS = 8
"""At the same time."""
PATIENCE = 1_800


@dataclass(frozen=True, slots=True)
class Stack:
    """``api`` carries the key; ``cloud`` is the local cloud's process id, ``home`` its folder."""

    api: httpx.Client
    cloud: int
    home: Path

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by component; a worker that has ended is forgotten."""
        return {name: cpu for name, _, cpu in components(NAME, self.home, self.cloud)}


@dataclass(frozen=True, slots=True)
class Ingested:
    """``seconds``: from the first upload until the ledger had the last document indexed."""

    files: int
    chunks: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.chunks / self.seconds


@contextmanager
def stack(model: Path) -> Iterator[Stack]:
    """Deployed and warm; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="ragline-bench-") as folder:
        running = cloud.start(Path(folder), port=free_port(), say=_silent)
        try:
            outputs = deploy.deploy(
                running.endpoint_url,
                ROOT / "template.yaml",
                stack=NAME,
                parameters={"ModelDir": str(model), "EmbedderConcurrency": str(CORES)},
                say=_silent,
            )
            url, key = api_address(running.endpoint_url, outputs)
            with httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=60) as api:
                # So many at once that every worker is started.
                ingest(api, made(UPLOADS), collection="warm")
                ask(api, "warm", collection="warm")
                yield Stack(api, running.pid, Path(folder))
        finally:
            cloud.stop(Path(folder), _silent)


def ingest(api: httpx.Client, files: Mapping[str, bytes], collection: str = COLLECTION) -> Ingested:
    """Upload the files and wait for all of them to end.

    The ledger's own times tell when that was, so asking rarely costs no accuracy, and asking costs
    the API's CPU, which the path needs.

    Raises:
        RuntimeError: a document was not indexed.
        TimeoutError: one did not end.
    """
    start = time.time()
    # One client for all: each of its own would load the certificates anew, 25 ms of CPU a file.
    with httpx.Client(timeout=60) as bucket, ThreadPoolExecutor(UPLOADS) as pool:
        list(pool.map(lambda item: upload(api, bucket, collection, *item), files.items()))
    chunks, last = 0, start
    for document in _ended(api, collection):
        if document["status"] != "indexed":
            raise RuntimeError(f"{document['filename']} ended as {document['status']}")
        chunks += document["progress"]["indexed"]
        last = max(last, datetime.fromisoformat(document["timings"]["indexed"]).timestamp())
    return Ingested(len(files), chunks, last - start)


def _ended(api: httpx.Client, collection: str) -> Iterator[Any]:
    """The collection's documents, page by page, each page once all of it has ended."""
    query: dict[str, str | int] = {"collection": collection, "limit": 100}
    deadline = time.monotonic() + PATIENCE
    while True:
        page = api.get("/api/v2/documents", params=query).raise_for_status().json()
        if all(one["status"] in TERMINAL for one in page["documents"]):
            yield from page["documents"]
            if not page["cursor"]:
                return
            query["cursor"] = page["cursor"]
        elif time.monotonic() > deadline:
            raise TimeoutError(f"documents did not end within {PATIENCE} s")
        else:
            time.sleep(POLL_SECONDS)


def upload(api: httpx.Client, bucket: httpx.Client, collection: str, name: str, data: bytes) -> str:
    body = {"filename": name, "size": len(data), "collection": collection}
    answer = api.post("/api/v2/documents", json=body).raise_for_status().json()
    slot = answer["upload"]
    bucket.put(slot["url"], headers=slot["headers"], content=data).raise_for_status()
    return str(answer["document_id"])


def ask(api: httpx.Client, question: str, collection: str = COLLECTION) -> dict[str, Any]:
    body = {"query": question, "collection": collection, "top_k": 10}
    answer: dict[str, Any] = api.post("/api/v2/query", json=body).raise_for_status().json()
    return answer


def _silent(_: str) -> None:
    return
