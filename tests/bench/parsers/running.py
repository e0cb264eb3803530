"""Parsers in processes of their own, each file within a time limit."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.bench.figures import Skipped
from tests.bench.material import ROOT

PYTHON = ROOT / ".venv/parsers/bin/python"
READERS = Path(__file__).with_name("readers.py")
_STARTING = 120.0
_QUIET = {"HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "DO_NOT_TRACK": "true", "PYTHONUTF8": "1"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a parser made of a file: its text, or why there is none; CPU seconds; peak memory of the
    process until then, in MiB."""

    path: Path
    text: str = ""
    error: str = ""
    seconds: float = 0.0
    peak: float = 0.0


def interpreter(parser: str) -> Path:
    """Raises Skipped: the parsers' environment is not there."""
    if parser == "ours":
        return Path(sys.executable)
    if not PYTHON.exists():
        raise Skipped("there is no .venv/parsers; `make bench-parsers` makes it (1 GB, a minute).")
    return PYTHON


def answers(parser: str, files: Sequence[Path], limit: float) -> Iterator[Answer]:
    """One answer per file, in order; ``limit``: seconds of wall time each may take.

    A process that dies or takes too long is replaced, and the file counts as not read.
    """
    process: subprocess.Popen[str] | None = None
    for path in files:
        if process is None:
            process = _started(parser)
        assert process.stdin and process.stdout
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        said = _line(process.stdout, limit)
        if said is None:
            dead = process.poll() is not None or not _waiting(process)
            _ended(process)
            process = None
            yield Answer(path, error="crashed" if dead else f"more than {limit:g} s")
        else:
            yield Answer(path, said["text"], said["error"], said["seconds"], said["peak"])
    if process is not None:
        _ended(process)


def _started(parser: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [interpreter(parser), "-W", "ignore", READERS, parser],
        env=os.environ | _QUIET,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        bufsize=1,
    )
    assert process.stdout
    if _line(process.stdout, _STARTING) is None:
        _ended(process)
        raise Skipped(f"{parser} cannot be loaded")
    return process


def _line(stream: IO[str], seconds: float) -> dict[str, Any] | None:
    """The next answer; None if none comes in time. An answer is read whole once it begins."""
    if not select.select([stream], [], [], seconds)[0]:
        return None
    line = stream.readline()
    answer: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
    return answer


def _waiting(process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return True
    return False


def _ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
