"""`make service-check`: is the service fit to be called by strangers? A line for each answer.

Who calls sees only their own; every function works with its policies enforced; upgrades, roll
backs, restores and migrations lose nothing; every grant of the policies is needed; every answer is
one that the API's document declares. It takes a quarter of an hour.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.service_check.saying import say

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "build" / "service-check"
E2E = ("names", "formats", "deletion", "queries", "redrive", "doctor", "messages")
"""The main path, in tests/e2e."""

PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


@dataclass(frozen=True, slots=True)
class Check:
    """``words``: what Python runs; its last line is the summary."""

    name: str
    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def _isolation() -> list[str]:
    """Wherever it is tested that a tenant sees only its own."""
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tests/**/test_isolation.py"))]


CHECKS = (
    Check("tenants are apart", (*PYTEST, *_isolation())),
    Check(
        "policies enforced",
        (*PYTEST, *(f"tests/e2e/test_{name}.py" for name in E2E)),
        {"RAGLINE_ENFORCE": "1"},
    ),
    Check(
        "operations lose nothing",
        (*PYTEST, "-m", "long", "tests/e2e/test_operations.py", "tests/e2e/test_migration.py"),
    ),
    Check("each grant needed", ("-m", "tests.service_check.removals")),
    Check(
        "API as documented",
        (*PYTEST, "tests/unit/api/test_contract.py"),
        {"RAGLINE_EXAMPLES": "300"},
    ),
    Check(
        "bombs end by name",
        (*PYTEST, "tests/unit/parsing/test_bombs.py"),
        {"RAGLINE_EXAMPLES": "300"},
    ),
)


def done(check: Check) -> bool:
    """Run one check, its output into a file, and print its line."""
    log = LOGS / f"{check.name.replace(' ', '-')}.log"
    began = time.monotonic()
    with log.open("w") as output:
        code = subprocess.run(
            [sys.executable, *check.words], cwd=ROOT, env={**os.environ, **check.environment},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False,
        ).returncode  # fmt: skip
    lines = log.read_text(errors="replace").strip().splitlines()
    verdict = "ok    " if code == 0 else "FAILED"
    seconds = time.monotonic() - began
    last = lines[-1].strip("= ") if lines else "no output"
    say(f"{verdict} {check.name:23} {last} ({seconds:.0f} s, {log.relative_to(ROOT)})")
    return code == 0


def main(wanted: Sequence[str]) -> int:
    """All checks, or those whose names hold one of the words given."""
    LOGS.mkdir(parents=True, exist_ok=True)
    chosen = [one for one in CHECKS if not wanted or any(word in one.name for word in wanted)]
    results = [done(check) for check in chosen]
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
