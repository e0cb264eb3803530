"""The peers' own ingestion pipelines on the same files: LlamaIndex's and LangChain's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench import venv
from tests.bench.figures import FASTER, Figure, Line, Note, Plan
from tests.bench.material import made, read
from tests.bench.stack import CORES, Ingested, ingest, stack

GOAL = 3
LEANER = "how much less CPU Ragline takes"
PEERS = {"LlamaIndex": "llamaindex_pipeline.py", "LangChain": "langchain_pipeline.py"}
TEXTS = {".md", ".txt", ".rst"}
"""What all three read without further packages."""


def peers(plan: Plan) -> Iterator[Line]:
    """Files to searchable, on the same cores, one after the other: theirs, ours, theirs."""
    folder = plan.scratch / "files"
    files = _files(plan, folder)
    first = {name: _theirs(script, folder, len(files)) for name, script in PEERS.items()}
    with stack(plan.model) as running:
        idle = sum(running.cpu().values())
        ours = ingest(running.api, files)
        cpu = (sum(running.cpu().values()) - idle) / ours.files
    yield Figure("Ragline, deployed", ours.rate, "chunks/s")
    yield Figure("Ragline, deployed", ours.files / ours.seconds, "files/s")
    yield Figure("Ragline, CPU with the local cloud's", cpu, "s/file")
    for name, script in PEERS.items():
        runs = (first[name], _theirs(script, folder, len(files)))
        # The better of two: what disturbs them is not their fault.
        best = min((run for run, _ in runs), key=lambda run: run.seconds)
        least = min(spent for _, spent in runs)
        yield Figure(name, best.rate, "chunks/s", ours.rate / best.rate, FASTER, GOAL)
        per_second = best.files / best.seconds
        more = best.seconds / ours.seconds
        yield Figure(name, per_second, "files/s", more, FASTER, GOAL)
        yield Figure(f"{name}, CPU", least, "s/file", least / cpu, LEANER)
    yield Note(
        f"{len(files)} text files, chunks of at most 256 tokens with 32 of overlap, all-MiniLM-"
        f"L6-v2, {CORES} cores; the peers by sentence-transformers (torch) with their own default "
        "batches into their in-memory stores, their model loaded beforehand, as ours is warm."
    )


def _files(plan: Plan, folder: Path) -> Mapping[str, bytes]:
    """The files, written where the peers read them."""
    chosen = read(plan.docs) if plan.docs else made(plan.peer_documents)
    files = {name: data for name, data in chosen.items() if Path(name).suffix in TEXTS}
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


def _theirs(script: str, folder: Path, files: int) -> tuple[Ingested, float]:
    """What it did, and its CPU seconds for each file."""
    answer = venv.run(script, str(folder))
    done = Ingested(files, int(answer["chunks"]), float(answer["seconds"]))
    return done, float(answer["cpu"]) / files
