"""Cold starts: each function under the real runtime client, with only its own packages."""

from __future__ import annotations

import compileall
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure, Line, Note, Plan
from tests.bench.processes import usage
from tests.function_runtime import FUNCTIONS, RuntimeApi, question, start, unpack


@dataclass(frozen=True, slots=True)
class Start:
    """One cold start: until the function asked for its event, then until it had answered."""

    init: float
    answer: float
    peak_mb: float


def cold(plan: Plan) -> Iterator[Line]:
    """Without bytecode, as a read-only package that was never compiled; then with it."""
    for name in FUNCTIONS:
        task = plan.scratch / "functions" / name
        task.mkdir(parents=True)
        unpack(name, task)
        raw = _best(plan, name, task, {"PYTHONDONTWRITEBYTECODE": "1"})
        compileall.compile_dir(task, quiet=2)
        compiled = _best(plan, name, task, {})
        shutil.rmtree(task)
        yield Figure(f"{name}: init, no bytecode", raw.init, "ms")
        faster = raw.init / compiled.init
        yield Figure(f"{name}: init, bytecode", compiled.init, "ms", faster, "no bytecode")
        yield Figure(f"{name}: first answer", compiled.answer, "ms")
        yield Figure(f"{name}: peak memory", compiled.peak_mb, "MB")
    yield Note(
        f"best of {plan.runs} starts; the api answers GET /health, the queues' functions an empty "
        "batch, the others an event of their kind. Files are in the system's cache."
    )


def _best(plan: Plan, name: str, task: Path, environment: Mapping[str, str]) -> Start:
    """The quickest of each stage: other processes can only make them slower."""
    runs = [_once(plan.scratch, name, task, environment) for _ in range(plan.runs)]
    return Start(
        min(run.init for run in runs),
        min(run.answer for run in runs),
        max(run.peak_mb for run in runs),
    )


def _once(scratch: Path, name: str, task: Path, environment: Mapping[str, str]) -> Start:
    with RuntimeApi(question(name)) as runtime:
        process = start(task, runtime, scratch, environment)
        try:
            answered = runtime.wait(process)
            peak = usage(Path(f"/proc/{process.pid}"))
        finally:
            process.kill()
            said = process.communicate()[1].strip()
    if not answered or not runtime.path.endswith("/response"):
        raise RuntimeError(f"{name} did not answer: {said.splitlines()[-1] if said else ''}")
    return Start(
        (runtime.asked_at - runtime.started_at) * 1_000,
        (runtime.answered_at - runtime.asked_at) * 1_000,
        peak[0] if peak else 0.0,
    )
