"""What embedding costs by itself: by precision, threads and processes, and in the peers'."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

from ragline.embedding.onnx import OnnxEmbedder
from ragline.embedding.prepare import ensure
from tests.bench import material, venv
from tests.bench.figures import FASTER, Figure, Line, Note, Plan, Skipped
from tests.bench.stack import CORES

PEER_BATCHES = (1, 4, 32)
ROUNDS = 3
WARMING_SECONDS = 120


def embedding(plan: Plan) -> Iterator[Line]:
    """All by chunks per CPU-second, except where cores work together: there by wall time."""
    texts = material.of_tokens(plan.texts, plan.model)
    int8, fp32 = ensure("int8"), ensure("fp32")
    what = "int8, batch 1, 1 thread"
    base = cpu_rate(OnnxEmbedder(int8), texts)
    yield Figure(what, base, "chunks/CPU s")
    plain = cpu_rate(OnnxEmbedder(fp32), texts)
    yield Figure("fp32, batch 1, 1 thread", plain, "chunks/CPU s", plain / base, what)
    yield from _together(int8, texts)
    yield from _peers(plan, texts, base)
    yield Note(f"chunks of {material.TOKENS} tokens; the best of {ROUNDS} rounds of {len(texts)}.")


def cpu_rate(embedder: OnnxEmbedder, texts: Sequence[str]) -> float:
    """Chunks per CPU-second, all threads counted."""
    embedder.embed(texts[:3])
    best = 0.0
    for _ in range(ROUNDS):
        start = time.process_time()
        embedder.embed(texts)
        best = max(best, len(texts) / (time.process_time() - start))
    return best


def _together(model: Path, texts: Sequence[str]) -> Iterator[Line]:
    """The machine's limit: threads that share each text, against processes that share none."""
    threads = wall_rate(OnnxEmbedder(model, threads=CORES), texts)
    processes = processes_rate(texts, model)
    yield Figure(f"int8, {CORES} threads", threads, "chunks/s")
    what = f"int8, {CORES} threads, by wall time"
    yield Figure(f"int8, {CORES} processes", processes, "chunks/s", processes / threads, what)


def wall_rate(embedder: OnnxEmbedder, texts: Sequence[str]) -> float:
    embedder.embed(texts[:3])
    best = 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        embedder.embed(texts)
        best = max(best, len(texts) / (time.perf_counter() - start))
    return best


def processes_rate(texts: Sequence[str], model: Path) -> float:
    """Chunks per second of the embedder alone, one process for each core, all of them warm."""
    # Not forked: this process may have threads by now, LanceDB's for one.
    context = get_context("spawn")
    warm = (model, context.Barrier(CORES))
    with ProcessPoolExecutor(CORES, context, initializer=_warm, initargs=warm) as pool:
        list(pool.map(_encode, [["warm"]] * CORES))
        start = time.perf_counter()
        list(pool.map(_encode, [texts[core::CORES] for core in range(CORES)]))
        return len(texts) / (time.perf_counter() - start)


_embedders: list[OnnxEmbedder] = []
"""That of a process of the pool."""


def _warm(model: Path, others: Barrier) -> None:
    """Load the model, and take no work before every process of the pool has."""
    _embedders.append(OnnxEmbedder(model))
    others.wait(WARMING_SECONDS)


def _encode(texts: Sequence[str]) -> None:
    _embedders[0].embed(texts)


def _peers(plan: Plan, texts: Sequence[str], base: float) -> Iterator[Line]:
    """sentence-transformers on the same texts, in one thread and by CPU time as well."""
    given = plan.scratch / "texts.json"
    given.write_text(json.dumps(list(texts)), encoding="utf-8")
    batches = [str(batch) for batch in PEER_BATCHES]
    try:
        answer = venv.run("encode_texts.py", str(given), *batches)
    except Skipped as error:
        yield Note(f"sentence-transformers: not measured: {error}")
        return
    for batch in batches:
        rate = float(answer[batch])
        what = f"sentence-transformers (torch), batch {batch}, 1 thread"
        yield Figure(what, rate, "chunks/CPU s", base / rate, FASTER)
