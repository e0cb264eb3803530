"""An audit that could not ask is never a good one."""

from __future__ import annotations

import json
from typing import Any

from tests.service_check import audit


def report(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(dependencies), "fixes": []})


CLEAN = {"name": "httpx", "version": "1.0", "vulns": []}
BUGGY = {
    "name": "jinja2",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": [], "description": "x"}],
}
SKIPPED = {"name": "numpy", "skip_reason": "Dependency not found on PyPI"}


def test_nothing_known_of_all_that_was_asked_is_well() -> None:
    found = audit.read(report(CLEAN))
    assert (found.code, str(found)) == (0, "1 packages audited, 0 known vulnerabilities")


def test_a_known_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    found = audit.read(report(CLEAN, BUGGY, BUGGY, SKIPPED))
    assert found.code == 1
    assert "jinja2 2.0: PYSEC-1, mended in 2.1" in str(found)
    assert found.asked == 2 and "NOT AUDITED: 1 of 3" in str(found)


def test_what_could_not_be_asked_about_is_no_good_news() -> None:
    for told in (report(SKIPPED), report(), "", "Traceback …", "[]"):
        found = audit.read(told)
        assert found.code == 3
        assert "NOT AUDITED" in str(found)


def test_every_file_of_locked_requirements_is_audited_and_has_hashes() -> None:
    files = audit.locked()
    assert {path.name for path in files} == {"requirements.txt", "requirements-dev.txt"}
    assert {"api", "indexer"} <= {path.parent.name for path in files}
    for path in files:
        text = path.read_text()
        pins = [line for line in text.splitlines() if "==" in line and line[0].isalnum()]
        assert text.count("--hash=sha256:") >= len(pins), path
