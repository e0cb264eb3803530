"""`ragline backup` and `ragline restore`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ragline.cli import backup
from tests.unit.cli.fakes import outside, run

WHERE = ("--endpoint", "http://cloud.test", "--json")


class Records:
    """A ledger's records in a list."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.lines = list(lines)

    def all(self) -> Iterator[str]:
        yield from self.lines

    def put(self, records: Iterable[str]) -> int:
        new = list(records)
        self.lines += new
        return len(new)

    def empty(self) -> bool:
        return not self.lines

    def documents(self, tenant: str) -> Iterator[str]:
        raise NotImplementedError

    def of(self, tenant: str) -> Mapping[str, int]:
        raise NotImplementedError

    def erase(self, tenant: str) -> int:
        raise NotImplementedError


def asked(records: Records, folder: Path, *words: str, code: int = 0) -> Any:
    world = outside(directory=folder, environ={}, records=lambda _: records)
    done = run(world, *words, *WHERE)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A backup of five records, in files of two."""
    monkeypatch.setattr(backup, "PART_RECORDS", 2)
    lines = [json.dumps({"PK": f"café {n}"}, ensure_ascii=False) for n in range(5)]
    told = asked(Records(lines), tmp_path, "backup", "saved")
    assert (told["records"], len(told["parts"])) == (5, 3)
    return lines


def test_what_was_backed_up_comes_back(tmp_path: Path, saved: list[str]) -> None:
    empty = Records()
    assert asked(empty, tmp_path, "restore", "saved")["records"] == 5
    assert empty.lines == saved


def test_nobody_else_can_look_into_the_folder_of_a_backup(tmp_path: Path, saved: list[str]) -> None:
    assert (tmp_path / "saved").stat().st_mode & 0o077 == 0


def test_a_name_with_a_line_separator_of_unicode_is_one_record_still(tmp_path: Path) -> None:
    lines = [json.dumps({"PK": f"a{mark}b"}, ensure_ascii=False) for mark in "\u2028\x85\u2029"]
    asked(Records(lines), tmp_path, "backup", "saved")
    empty = Records()
    asked(empty, tmp_path, "restore", "saved")
    assert empty.lines == lines


def test_a_ledger_that_holds_something_is_only_written_over_when_told(
    tmp_path: Path, saved: list[str]
) -> None:
    full = Records(["{}"])
    refused = asked(full, tmp_path, "restore", "saved", code=2)
    assert "--overwrite" in refused["error"]["message"]
    assert full.lines == ["{}"]
    asked(full, tmp_path, "restore", "saved", "--overwrite")
    assert full.lines == ["{}", *saved]


def test_a_damaged_backup_is_refused_before_anything_is_written(
    tmp_path: Path, saved: list[str]
) -> None:
    part = tmp_path / "saved/ledger-00002.jsonl.gz"
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    empty = Records()
    refused = asked(empty, tmp_path, "restore", "saved", code=2)
    assert "ledger-00002.jsonl.gz" in refused["error"]["message"]
    assert empty.lines == []


def test_a_backup_is_not_written_over(tmp_path: Path, saved: list[str]) -> None:
    refused = asked(Records(), tmp_path, "backup", "saved", code=2)
    assert "another place" in refused["error"]["message"]


def test_a_folder_without_a_backup_is_said_to_have_none(tmp_path: Path) -> None:
    refused = asked(Records(), tmp_path, "restore", "nowhere", code=4)
    assert "manifest.json" in refused["error"]["message"]


@pytest.mark.parametrize("text", ["[]", "{}", "no json", '{"format": 9, "parts": []}'])
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/manifest.json").write_text(text)
    assert asked(Records(), tmp_path, "restore", "saved", code=2)["error"]["code"]


def test_a_bucket_without_a_name_is_refused(tmp_path: Path) -> None:
    refused = asked(Records(), tmp_path, "backup", "s3:///prefix", code=2)
    assert "s3://BUCKET/PREFIX" in refused["error"]["message"]
