"""`make bench`: what the path costs, end to end, against the machine's own limit.

    python -m tests.bench [--documents N] [--docs FOLDER]

Everything runs in one go on a local cloud of its own, so that the ratios hold on a noisy machine:
the raw encode is measured before and after the ingest, and their mean is what it is compared with.
Without ``--docs`` the documents are made of the handbook's sentences, shuffled by a fixed seed.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from ragline import chunking, parsing
from ragline.embedding.onnx import OnnxEmbedder
from ragline.embedding.prepare import ensure
from ragline.embedding.tokenizer import WordPieceTokenizer
from ragline.local import cloud, deploy
from tests.deployed import api_address
from tests.ports import free_port

ROOT = Path(__file__).parents[1]
CORES = max(2, os.cpu_count() or 2)
FUNCTIONS = ("splitter", "embedder", "indexer", "api", "dead_letters", "maintenance")
STACK = "ragline-bench"
QUESTIONS = (
    "How many times is a message received before it is a dead letter?",
    "largest file of the direct upload",
    "reciprocal rank fusion",
    "What does the status partial mean?",
    "generation of a replaced document",
)

console = Console(width=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=60, help="how many to make")
    parser.add_argument("--docs", type=Path, help="push the files of this folder instead")
    options = parser.parse_args()
    model = ensure("int8")
    files = read(options.docs) if options.docs else made(options.documents)
    texts = chunk_texts(files, model)
    console.print(f"{len(files)} documents, {len(texts)} chunks, {CORES} processes")
    with stack(model) as (api, pid):
        before = encode_rate(texts, model)
        ingest = ingest_rate(api, files)
        after = encode_rate(texts, model)
        raw = (before + after) / 2
        report(
            "Ingest, chunks per second",
            ("", "rate", "of raw"),
            [
                ("raw encode, before / after", f"{before:.1f} / {after:.1f}", "1.00"),
                ("dropped file to indexed", f"{ingest:.1f}", f"{ingest / raw:.2f}"),
            ],
        )
        report("Requests, milliseconds", ("", "p50", "p95"), requests(api))
        report("Processes", ("", "import s", "peak MB", "CPU s"), processes(pid))


def report(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if not name else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def made(count: int) -> dict[str, bytes]:
    """Documents of some twenty chunks each, of the handbook's sentences in a shuffled order."""
    sentences: list[str] = []
    for path in sorted((ROOT / "docs/handbook").iterdir()):
        if path.suffix in {".md", ".html", ".pdf", ".docx"}:
            data = path.read_bytes()
            kind = parsing.sniff(data, path.name)
            for block in parsing.extract(data, kind, filename=path.name).blocks:
                if block.kind == "paragraph":
                    sentences += re.split(r"(?<=[.?!])\s+", block.text)
    pick = random.Random(0)
    files = {}
    for number in range(count):
        sections = []
        for section in range(10):
            body = " ".join(pick.sample(sentences, min(24, len(sentences))))
            sections.append(f"## Section {section} of {number}\n\n{body}\n")
        files[f"made-{number:04d}.md"] = "\n".join(sections).encode()
    return files


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def chunk_texts(files: dict[str, bytes], model: Path) -> list[str]:
    tokenizer = WordPieceTokenizer(model)
    return [
        chunk.text
        for name, data in files.items()
        for chunk in chunking.chunk(
            parsing.extract(data, parsing.sniff(data, name), filename=name), tokenizer=tokenizer
        )
    ]


def encode_rate(texts: Sequence[str], model: Path) -> float:
    """Chunks per second of the embedder alone, one process for each core."""
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(encode, [(model, ["warm"])] * CORES))
        start = time.perf_counter()
        list(pool.map(encode, [(model, texts[core::CORES]) for core in range(CORES)]))
        return len(texts) / (time.perf_counter() - start)


def encode(work: tuple[Path, Sequence[str]]) -> None:
    model, texts = work
    OnnxEmbedder(model).embed(texts)


@contextmanager
def stack(model: Path) -> Iterator[tuple[httpx.Client, int]]:
    """A client of an API on a local cloud of its own, and that cloud's process."""
    with tempfile.TemporaryDirectory(prefix="ragline-bench-") as folder:
        running = cloud.start(Path(folder), port=free_port(), say=console.print)
        try:
            outputs = deploy.deploy(
                running.endpoint_url,
                ROOT / "template.yaml",
                stack=STACK,
                parameters={"ModelDir": str(model), "EmbedderConcurrency": str(CORES)},
                say=console.print,
            )
            url, key = api_address(running.endpoint_url, outputs)
            with httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=60) as client:
                warm(client)
                yield client, running.pid
        finally:
            cloud.stop(Path(folder), lambda _: None)


def warm(api: httpx.Client) -> None:
    """One document through everything, so that no function is cold when the clock runs."""
    ingest_rate(api, {"warm.md": b"# Warm\n\nA first document."})
    ask(api, "warm")


def ingest_rate(api: httpx.Client, files: dict[str, bytes]) -> float:
    """Chunks per second from the first upload until the last document is indexed."""
    start = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        waiting = set(pool.map(lambda item: upload(api, *item), files.items()))
    chunks = 0
    while waiting:
        for document_id in list(waiting):
            answer = api.get(f"/api/v2/documents/{document_id}").json()
            if answer["status"] in {"indexed", "partial", "failed", "empty"}:
                waiting.discard(document_id)
                chunks += answer["progress"]["indexed"]
            else:
                time.sleep(0.2)
                break
        if time.perf_counter() - start > 1_800:
            raise SystemExit(f"{len(waiting)} documents did not end within 30 minutes")
    return chunks / (time.perf_counter() - start)


def upload(api: httpx.Client, name: str, data: bytes) -> str:
    body = {"filename": name, "size": len(data), "collection": "bench"}
    answer = api.post("/api/v2/documents", json=body).raise_for_status().json()
    slot = answer["upload"]
    httpx.put(slot["url"], headers=slot["headers"], content=data, timeout=60).raise_for_status()
    return str(answer["document_id"])


def ask(api: httpx.Client, question: str) -> dict[str, Any]:
    body = {"query": question, "collection": "bench", "top_k": 10}
    answer: dict[str, Any] = api.post("/api/v2/query", json=body).raise_for_status().json()
    return answer


def requests(api: httpx.Client) -> list[tuple[str, str, str]]:
    """The routes, and what a query spends where, as the response says."""
    rows = [
        row("GET /health", [timed(lambda: api.get("/health")) for _ in range(30)]),
        row(
            "POST /api/v2/documents",
            [timed(lambda n=n: register(api, n)) for n in range(30)],  # type: ignore[misc]
        ),
        row(
            "POST /api/v2/documents/upload, 10 KB",
            [timed(lambda n=n: direct(api, n)) for n in range(20)],  # type: ignore[misc]
        ),
    ]
    for question in QUESTIONS:
        ask(api, question)
    asked = [(timed(lambda q=q: ask(api, q)), ask(api, q)) for q in QUESTIONS * 8]  # type: ignore[misc]
    rows.append(row("POST /api/v2/query, hybrid", [took for took, _ in asked]))
    for stage in ("embed", "dense", "bm25", "ledger", "total"):
        rows.append(row(f"  of it: {stage}", [answer["timings_ms"][stage] for _, answer in asked]))
    return rows


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


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1_000


def row(name: str, milliseconds: Sequence[float]) -> tuple[str, str, str]:
    p95 = statistics.quantiles(milliseconds, n=20)[-1]
    return name, f"{statistics.median(milliseconds):.1f}", f"{p95:.1f}"


def import_seconds(function: str) -> float:
    """How long a fresh interpreter takes to import the handler; the best of three."""
    code = (
        "import time; start = time.perf_counter(); "
        f"import functions.{function}.handler; print(time.perf_counter() - start)"
    )
    environment = os.environ | {
        "POWERTOOLS_METRICS_NAMESPACE": "Ragline",
        "POWERTOOLS_SERVICE_NAME": "ragline",
    }
    runs = (
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        for _ in range(3)
    )
    return min(float(run.stdout) for run in runs)


def processes(cloud_pid: int) -> list[tuple[str, str, str, str]]:
    """Each function's workers, and the local cloud itself, which is every AWS service here."""
    rows = []
    for name in FUNCTIONS:
        mark = f"{STACK}-{name.replace('_', '-')}-"
        used = [use for pid in Path("/proc").glob("[0-9]*") if (use := usage(pid, mark))]
        most = f"{max(peak for peak, _ in used):.0f}" if used else "not started"
        rows.append(
            (name, f"{import_seconds(name):.2f}", most, f"{sum(cpu for _, cpu in used):.1f}")
        )
    peak, cpu = usage(Path(f"/proc/{cloud_pid}"), "") or (0, 0)
    return [*rows, ("local cloud", "", f"{peak:.0f}", f"{cpu:.1f}")]


def usage(process: Path, mark: str) -> tuple[float, float] | None:
    """Peak megabytes (VmHWM) and CPU seconds of a process whose command line holds ``mark``."""
    try:
        if mark not in (process / "cmdline").read_text():
            return None
        peak = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
        # pid (command) state …: fields 14 and 15 are user and system time in clock ticks
        # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
        times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return None  # it ended while we looked
    ticks = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    return (int(peak[1]) / 1024 if peak else 0.0), ticks


if __name__ == "__main__":
    main()
