"""From files to found passages, on a deployed stack, against the embedding alone."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from tests.bench.encoding import processes_rate
from tests.bench.figures import Figure, Line, Note, Plan, milliseconds, spread
from tests.bench.material import QUESTIONS, chunk_texts, made, read
from tests.bench.processes import components
from tests.bench.stack import CORES, NAME, ask, ingest, stack

GOAL = 0.85


def ingestion(plan: Plan) -> Iterator[Line]:
    """The raw encode is measured before and after; their mean is the machine's own limit.

    The stack stays up and idle meanwhile, so that both find the machine in the same state.
    """
    files = read(plan.docs) if plan.docs else made(plan.documents)
    texts = chunk_texts(files, plan.model)
    yield Note(f"{len(files)} documents, {len(texts)} chunks, {CORES} cores.")
    with stack(plan.model) as running:
        idle = running.cpu()
        before = processes_rate(texts, plan.model)
        done = ingest(running.api, files)
        used = running.cpu()
        after = processes_rate(texts, plan.model)
        raw = (before + after) / 2
        yield Figure("raw encode, before", before, "chunks/s")
        yield Figure("raw encode, after", after, "chunks/s")
        yield Figure("files to indexed", done.rate, "chunks/s", done.rate / raw, "raw encode", GOAL)
        for name, cpu in used.items():
            spent = 1_000 * (cpu - idle.get(name, 0.0)) / done.chunks
            yield Figure(f"CPU of {name}", spent, "ms/chunk")
        yield from requests(running.api)
        for name, peak, _ in components(NAME, running.home, running.cloud):
            yield Figure(f"peak memory of {name}", peak, "MB")


def requests(api: httpx.Client) -> Iterator[Figure]:
    """The routes, and what a query spends where, as the response says."""
    health = [milliseconds(lambda: api.get("/health")) for _ in range(30)]
    yield from spread("GET /health", health, 0.95)
    registering = [milliseconds(lambda n=n: register(api, n)) for n in range(30)]  # type: ignore[misc]
    yield from spread("POST /api/v2/documents", registering, 0.95)
    uploading = [milliseconds(lambda n=n: direct(api, n)) for n in range(20)]  # type: ignore[misc]
    yield from spread("POST /api/v2/documents/upload, 10 KB", uploading, 0.95)
    yield from _queries(api)


def _queries(api: httpx.Client) -> Iterator[Figure]:
    """Every question is new, so that no vector is remembered from the time before."""
    for question in QUESTIONS:
        ask(api, question)
    asked = [f"{question} {number}" for number in range(8) for question in QUESTIONS]
    answers, took = [], []
    for question in asked:
        took.append(milliseconds(lambda q=question: answers.append(ask(api, q))))  # type: ignore[misc]
    yield from spread("POST /api/v2/query, hybrid", took, 0.95)
    for stage in answers[0]["timings_ms"]:
        spent = [answer["timings_ms"][stage] for answer in answers]
        yield from spread(f"of it: {stage}", spent, 0.95)


def register(api: httpx.Client, number: int) -> None:
    body = {"filename": f"{number}.md", "size": 10, "collection": "requests"}
    api.post("/api/v2/documents", json=body).raise_for_status()


def direct(api: httpx.Client, number: int) -> None:
    data = f"# {number}\n\n".encode() + b"word " * 2_000
    api.post(
        "/api/v2/documents/upload",
        files={"file": (f"direct-{number}.md", data)},
        data={"collection": "requests"},
    ).raise_for_status()
