"""Real files that were made to break parsers, or have: each ends, and stays within its bounds.

Needs the folder named by ``RAGLINE_DATA``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.corpus_check.material import Material, files_of
from tests.corpus_check.parsers import MEGABYTES, Read, read_all
from tests.corpus_check.tables import UNENDED, table

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("RAGLINE_DATA" not in os.environ, reason="RAGLINE_DATA is not set"),
]
HOSTILE = {"corrupt", "encrypted", "huge", "huge-nesting"}


OTHER_PASSWORD = {"xlsx/unstructured__password_protected.xlsx"}
"""What the manifest has for it does not open it with msoffcrypto's own command line either."""


def folder(name: str) -> Path:
    return Path(os.environ["RAGLINE_DATA"]) / name


def check(read: Sequence[Read]) -> None:
    told = table([one.ending for one in read])
    assert not [one for one in read if one.ending.state == UNENDED], told
    assert not [one for one in read if one.ending.state == "failed: timeout"], told
    assert not [one.ending.name for one in read if one.deaths], "contained, but it can be mended"
    assert max(one.peak for one in read) < MEGABYTES * 2**20


def some(files: Sequence[Material]) -> list[Material]:
    assert files
    return list(files)


def test_malformed_pdfs_end_and_stay_within_bounds() -> None:
    check(read_all(some(files_of(folder("pdf_malformed")))))


def test_hostile_documents_end_and_stay_within_bounds() -> None:
    files = files_of(folder("docs"))
    assert {file.kind for file in files} >= HOSTILE
    check(read_all([file for file in files if file.kind in HOSTILE]))


def test_encrypted_documents_are_read_with_the_password_that_the_manifest_has() -> None:
    files = [file for file in files_of(folder("docs")) if file.password]
    read = read_all(some(files))
    shut = {one.ending.name for one in read if one.ending.state != "indexed"}
    assert shut <= OTHER_PASSWORD
