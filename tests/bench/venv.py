"""The peers' own environment, ``.venv/peers``, and what runs in it: scripts that speak JSON.

``make bench-peers`` makes it. Their packages would pull theirs and ours into one set of versions.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.bench.figures import Skipped
from tests.bench.material import ROOT

PYTHON = ROOT / ".venv/peers/bin/python"
SCRIPTS = Path(__file__).parent / "peers"
SECONDS = 3_600

_QUIET = {"TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "LANGSMITH_TRACING": "false"}


def run(script: str, *arguments: str) -> dict[str, Any]:
    """The JSON object that a script of ``tests/bench/peers`` writes as its last line.

    Raises:
        Skipped: the environment is not there.
        RuntimeError: the script failed, or took too long; gives its last words.
    """
    if not PYTHON.exists():
        raise Skipped("there is no .venv/peers; `make bench-peers` makes it (2 GB, minutes).")
    try:
        done = subprocess.run(
            [PYTHON, "-W", "ignore", SCRIPTS / script, *arguments],
            env=os.environ | _QUIET | _OFFLINE,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{script} took more than {SECONDS} s") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing was said"]
        raise RuntimeError(f"{script} failed: {said[-1]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
