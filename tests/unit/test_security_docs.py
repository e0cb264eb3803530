"""The page about security names every grant of the templates, and the limits that hold."""

from __future__ import annotations

import re
from pathlib import Path

from ragline.api import boundary
from ragline.parsing import limits
from tests.service_check.grants import declared
from tests.service_check.removals import ELSEWHERE, HEAD
from tests.service_check.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
TABLE = PAGE.partition("<!-- grants -->")[2].partition("<!-- /grants -->")[0].strip()
ROWS = [
    tuple(cell.strip().strip("`") for cell in line.strip("|").split("|"))
    for line in TABLE.splitlines()[2:]
]
SAID = set(ELSEWHERE.values()) | {one.__name__ for one in SCENARIOS}


def test_the_table_has_every_grant_of_the_templates_and_no_other() -> None:
    """A new one: write a scenario that needs it, then `python -m tests.service_check.removals`."""
    assert TABLE.startswith(HEAD)
    assert {row[:3] for row in ROWS} == {
        (one.function, one.action, one.resource) for one in declared()
    }


def test_each_grant_is_needed_by_something_that_is_tested() -> None:
    known = {name.replace("_", " ") for name in SAID}
    for row in ROWS:
        assert row[3] in known or row[3] in SAID, row


def test_what_stands_for_grants_that_the_local_cloud_cannot_show_is_there() -> None:
    granted = {(one.action, one.resource) for one in declared()}
    granted |= {(f"{one.function} {one.action}", one.resource) for one in declared()}
    for pair, why in ELSEWHERE.items():
        assert pair in granted
        for path in re.findall(r"tests/\S+\.py", why):
            assert (ROOT / path).is_file()


def test_the_commands_are_targets_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    named = {word for line in re.findall(r"make ([a-z -]+)", PAGE) for word in line.split()}
    assert {"service-check", "audit", "sbom"} <= named & set(targets)


def test_the_limits_are_those_of_the_code() -> None:
    bounds = PAGE.partition("## Bounds")[2]
    for number in (
        f"{boundary.MAX_JSON_BYTES // 1024} KiB",
        f"{boundary.MAX_FILE_BYTES / 1_000_000} MB",
        f" {boundary.MAX_JSON_DEPTH} ",
        f"{limits.MAX_ELEMENTS:,}",
        f"{limits.MAX_ATTRIBUTES:,}",
        f"{limits.MAX_UNPACKED // 2**20} MiB",
        f"{limits.MAX_XML_MEMBER // 2**20} MiB",
        f"{limits.MAX_MEMBERS:,}",
        f"{limits.MAX_PDF_UNPACKED // 2**20} MiB",
        f"{limits.MAX_MAIL_HEADER // 1024} KiB",
        f"{limits.MAX_PAGE_CHARS:,}",
        f"{limits.MAX_ROWS:,}",
    ):
        assert number in bounds, number
