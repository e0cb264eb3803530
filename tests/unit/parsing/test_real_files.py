"""Real files, many of them damaged on purpose: every one ends, in time, in one of two ways.

Needs the folder named by ``RAGLINE_DATA``, with ``docs/manifest.tsv`` and ``pdf_malformed``.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("RAGLINE_DATA" not in os.environ, reason="RAGLINE_DATA is not set"),
]
SECONDS_EACH = 60
BATCH = """
import sys, time
from pathlib import Path
from ragline.chunking import chunk
from ragline.domain.errors import PermanentError
from ragline.parsing import Source, extract, survey
from tests.unit.test_chunking import Words

for name in sys.stdin.read().splitlines():
    print(name, end="\\t", flush=True)
    try:
        source = Source(Path(name), name, deadline=time.monotonic() + {seconds})
        survey(source)
        extraction = extract(source)
        chunks = list(chunk(extraction, tokenizer=Words()))
        assert all(one.tokens <= 256 for one in chunks)
        print("ok" if chunks else "empty", flush=True)
    except PermanentError as error:
        print(error.code, flush=True)
"""


def outcomes(files: list[Path]) -> dict[Path, str]:
    """Read in another process, so that a crash of a parser fails the test and names the file."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BATCH.replace("{seconds}", str(SECONDS_EACH))],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        timeout=SECONDS_EACH * 10,
        check=False,
    )
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert done.returncode == 0, (
        f"died on {lines[-1] if lines else files[0]}: {done.stderr[-2000:]}"
    )
    return {Path(name): outcome for name, outcome in lines}


def manifest() -> list[dict[str, str]]:
    path = Path(os.environ["RAGLINE_DATA"]) / "docs" / "manifest.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_real_document_ends_as_its_kind_says() -> None:
    root = Path(os.environ["RAGLINE_DATA"]) / "docs"
    rows = manifest()
    found = outcomes([root / row["path"] for row in rows])
    assert len(found) == len(rows) > 200
    wrong = [
        (row["path"], row["kind"], outcome)
        for row in rows
        if (outcome := found[root / row["path"]]) not in allowed(row)
    ]
    assert not wrong


def allowed(row: dict[str, str]) -> set[str]:
    if row["password"] not in ("", "(empty)"):
        return {"encrypted"}
    if row["kind"] == "scanned":
        return {"ok", "empty"}
    if row["kind"] in ("corrupt", "encrypted"):
        return {"ok", "empty", "corrupt", "encrypted", "empty_file"}
    # Pages that are only pictures, and blank files, are among the normal ones and the tables.
    return {"ok", "empty"}


def test_no_malformed_pdf_crashes_hangs_or_escapes() -> None:
    root = Path(os.environ["RAGLINE_DATA"]) / "pdf_malformed"
    files = [p for p in sorted(root.rglob("*")) if p.suffix in (".pdf", ".fuzz")]
    found = outcomes(files)
    assert len(found) == len(files) > 100
    assert set(found.values()) <= {"ok", "empty", "corrupt", "encrypted", "unsupported_type"}
    # About this share of them is opened by other PDF readers.
    assert sum(outcome == "ok" for outcome in found.values()) >= len(files) // 2
