"""A query in a process that was just started: what a cold function adds to its first answer.

    python -m tests.bench.fresh MODEL URI QUESTION QUESTION

The parent starts it and reads the JSON line that it writes. Files are in the system's cache.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.figures import Figure, Line, Plan
from tests.bench.material import QUESTIONS, ROOT
from tests.bench.store import Place

FINGERPRINT = "bench"
STAGES = {
    "imports": "imports",
    "model": "loading the model",
    "first": "first query with its embedding",
    "second": "second query with its embedding",
}
ASKED = ("first", "second")
"""The stages that ask a question."""


def cold(plan: Plan, place: Place, size: int) -> Iterator[Line]:
    """Best of some: other processes can only make it slower."""
    what = f"{size:,}: hybrid query in a new process"
    runs = [_start(plan, place) for _ in range(plan.runs)]
    for stage, title in STAGES.items():
        yield Figure(f"{what}, {title}", min(run[stage] for run in runs), "ms")
    yield Figure(f"{what}, peak memory", statistics.median(run["mb"] for run in runs), "MB")


def _start(plan: Plan, place: Place) -> dict[str, float]:
    arguments = [str(plan.model), place.uri, *QUESTIONS[: len(ASKED)]]
    command = [sys.executable, "-m", "tests.bench.fresh", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"a new process failed: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(model: Path, uri: str, questions: Sequence[str]) -> None:
    clock = _Clock()
    import lancedb  # noqa: F401 - the heaviest import of a query

    from ragline.adapters.lance.index import LanceIndexes
    from ragline.domain.chunks import Filter
    from ragline.domain.documents import Partition
    from ragline.embedding.onnx import OnnxEmbedder

    clock.passed("imports")
    embedder = OnnxEmbedder(model)
    clock.passed("model")
    index, partition = LanceIndexes(uri).of(FINGERPRINT), Partition("default", "bench")
    for stage, question in zip(ASKED, questions, strict=True):
        vector = embedder.embed_query(question)
        dense = index.dense(partition, vector, 100, Filter())
        bm25 = index.bm25(partition, question, 100, Filter())
        if not index.passages(partition, [*dense[:5], *bm25[:5]]):
            raise SystemExit(f"nothing was found for {question!r}")
        clock.passed(stage)
    sys.stdout.write(json.dumps(clock.took | {"mb": _peak_mb()}))


class _Clock:
    def __init__(self) -> None:
        self.took: dict[str, float] = {}
        self._last = time.perf_counter()

    def passed(self, stage: str) -> None:
        now = time.perf_counter()
        self.took[stage], self._last = (now - self._last) * 1_000, now


def _peak_mb() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS: getrusage(2).
    return peak / (1_000_000 if sys.platform == "darwin" else 1_000)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
