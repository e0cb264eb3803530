"""What `make corpus-check` reads, counts and says; a stack of its own is left to the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.corpus_check.__main__ import told
from tests.corpus_check.material import files_of
from tests.corpus_check.parsers import read_all
from tests.corpus_check.pushing import endings
from tests.corpus_check.tables import UNENDED, Ending, coverage, table
from tests.samples import encrypted_pdf, markdown, pdf


def document(status: str, **fields: Any) -> dict[str, Any]:
    progress = {"chunks_total": 3, **fields.pop("progress", {})}
    times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:04Z"}
    found = {"status": status, "reason": None, "advice": None, "filename": "inside.pdf"}
    return {**found, **times, "progress": progress, **fields}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pdf").mkdir()
    (tmp_path / "pdf/a.pdf").write_bytes(pdf())
    (tmp_path / "pdf/locked.pdf").write_bytes(encrypted_pdf())
    (tmp_path / "b.md").write_bytes(markdown())
    (tmp_path / ".hidden").write_text("no")
    return tmp_path


def test_without_a_manifest_every_file_that_is_not_hidden_counts(folder: Path) -> None:
    found = [(one.name, one.kind) for one in files_of(folder)]
    assert found == [("b.md", ".md"), ("pdf/a.pdf", ".pdf"), ("pdf/locked.pdf", ".pdf")]


def test_a_manifest_names_files_kinds_and_passwords(folder: Path) -> None:
    rows = ["path\tkind\tpassword", "pdf/a.pdf\tnormal\t(empty)", "pdf/locked.pdf\tencrypted\tuser"]
    (folder / "manifest.tsv").write_text("\n".join(rows))
    plain, locked = files_of(folder)
    assert (plain.kind, plain.password) == ("normal", "")
    assert (locked.kind, locked.password) == ("encrypted", "user")
    assert "user" not in repr(locked)
    states = [one.ending.state for one in read_all([plain, locked])]
    assert states == ["indexed", "indexed"]


def test_a_document_that_does_not_end_is_seen_and_named(folder: Path) -> None:
    known, lost, slow = files_of(folder)
    pushed = {"1": known, "2": lost, "3": slow}
    found = {
        "1": document("indexed", progress={"pages": {"text": 2, "ocr": 1, "image": 1, "blank": 4}}),
        "3": document("processing"),
        "4": document("failed", reason={"code": "corrupt", "message": "it is cut off."}),
    }
    ends = endings(pushed, found)
    assert [one.state for one in ends] == ["indexed", UNENDED, UNENDED, "failed: corrupt"]
    assert ends[0].seconds == 4.0
    assert coverage(ends) == 0.75
    lines = table(ends).splitlines()
    head = [cell.strip() for cell in lines[0].split("|")]
    total = [cell.strip() for cell in lines[-1].split("|")]
    assert total[head.index("files")] == "4"
    assert total[head.index(UNENDED)] == "2"
    assert total[head.index("coverage")] == "75.0%"
    assert any("within others" in line for line in lines)
    said = list(told(ends, every=False))
    assert len(said) == 3
    assert any("it is cut off." in line for line in said)


def test_a_folder_in_which_all_ends_has_no_doubt_in_its_table() -> None:
    ends = [Ending("a", "pdf", "indexed", seconds=1.0), Ending("b", "pdf", "failed: encrypted")]
    *_, total = table(ends).splitlines()
    assert total.split("|")[7].strip() == "0"
