"""Known vulnerabilities among the locked requirements, by pip-audit; what was not asked is told.

pip-audit ends well where its service knew none of the packages, or could not be reached for some:
that is no answer, so it is not taken for one. Ends with 0 if all were asked about and none is
known, 1 if some are, 3 if it could not be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.service_check.saying import say

ROOT = Path(__file__).parents[2]
FOUND, NOT_ASKED = 1, 3


@dataclass(frozen=True, slots=True)
class Audit:
    """``known``: a sentence for each vulnerability; ``skipped``: the packages not asked about."""

    asked: int
    known: Sequence[str]
    skipped: Sequence[str]

    @property
    def code(self) -> int:
        if self.known:
            return FOUND
        return NOT_ASKED if self.skipped or not self.asked else 0

    def __str__(self) -> str:
        lines = list(self.known)
        if self.skipped or not self.asked:
            some = ", ".join(self.skipped[:5]) + (" …" if len(self.skipped) > 5 else "")
            lines.append(
                f"NOT AUDITED: {len(self.skipped)} of {self.asked + len(self.skipped)} packages "
                f"could not be asked about ({some or 'the service gave no answer'}). Run it where "
                "pip-audit reaches its vulnerability service."
            )
        lines.append(f"{self.asked} packages audited, {len(self.known)} known vulnerabilities")
        return "\n".join(lines)


def read(report: str) -> Audit:
    """What pip-audit's JSON says; nothing asked if it is none."""
    try:
        dependencies: list[Any] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit(0, (), ())
    skipped = sorted({one["name"] for one in dependencies if "skip_reason" in one})
    asked = [one for one in dependencies if "skip_reason" not in one]
    known = {
        f"{one['name']} {one['version']}: {bug['id']}, mended in "
        f"{', '.join(bug['fix_versions']) or 'no version yet'}"
        for one in asked
        for bug in one["vulns"]
    }
    return Audit(len({one["name"] for one in asked}), sorted(known), skipped)


def locked(root: Path = ROOT) -> list[Path]:
    """Every file of locked requirements."""
    return sorted([*root.glob("requirements*.txt"), *root.glob("functions/*/requirements.txt")])


def main(command: Iterable[str]) -> int:
    """``command`` runs pip-audit."""
    files = [word for path in locked() for word in ("-r", str(path))]
    options = ["--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*command, *options, *files], capture_output=True, text=True, check=False)
    found = read(done.stdout)
    if not found.asked and not found.skipped:
        say(done.stderr[-2_000:])
    say(str(found))
    return found.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
