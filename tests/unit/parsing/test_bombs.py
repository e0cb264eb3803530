"""Files that want to be far more when they are read: a named error, or a text, within bounds.

Each is cut in a process of its own, whose memory and processor time are measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ragline.domain.errors import PERMANENT_CODES
from tests.bombs import BOMBS

ROOT = Path(__file__).parents[3]
MEMORY_MIB = 1_400
"""Of the splitter's 2,048, which holds the tokenizer too."""

SECONDS = 60
"""Of the processor. The splitter has 300, and gives up by itself before (``Limits.seconds``)."""

GIVEN_SECONDS = 30.0

CUT = f"""
import json, resource, sys, time
from pathlib import Path
from ragline.domain.errors import PermanentError
from ragline.usecases.cut import Limits
from tests.reading import chunks_of
from tests.unit.pipeline import WordTokenizer

path = Path(sys.argv[1])
data, name = path.read_bytes(), path.name
limits = Limits(256 * 1024 * 1024, 5_000, 100_000, 100, 254, 32, seconds={GIVEN_SECONDS})
before = resource.getrusage(resource.RUSAGE_SELF)


def peak():
    # ru_maxrss outlives exec: it would have the memory of the process that started this one.
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return next(int(line.split()[1]) for line in status.open() if line.startswith("VmHWM")) // 1024


try:
    made = chunks_of(data, name, tokenizer=WordTokenizer(), limits=limits)
    told, text = "ok", str(len(made))
except PermanentError as error:
    told, text = error.code, str(error)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps(dict(
    told=told, text=text, memory=peak(),
    seconds=used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime)))
"""


QUICK = {"ratio.docx", "flate.pdf", "pages.pdf", "attributes.html", "links.md", "header.eml"}
"""What the tests of every day look at; RAGLINE_EXAMPLES asks for all."""

CHOSEN = sorted(BOMBS if "RAGLINE_EXAMPLES" in os.environ else QUICK)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_bomb_ends_by_name_within_bounds_of_time_and_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name]())
    done = subprocess.run(
        [sys.executable, "-c", CUT, str(path)], cwd=ROOT, timeout=4 * SECONDS, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert found["told"] == "ok" or found["told"] in PERMANENT_CODES, found
    assert found["memory"] < MEMORY_MIB, found
    assert found["seconds"] < SECONDS, found
