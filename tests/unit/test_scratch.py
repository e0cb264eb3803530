"""Uploads as local files: gone with whoever used them, even one that was killed."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragline.adapters.local_files import LocalFiles
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.scratch import Scratch, scratch, sweep

_OPENS_A_FILE = """
from ragline.adapters.local_files import LocalFiles
from ragline.adapters.memory.objects import MemoryObjects

objects = MemoryObjects()
objects.put("a", b"x" * 1000)
with LocalFiles(objects).open("a") as file:
    print(file.path, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def other(tmp: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has an upload open."""
    with subprocess.Popen(
        [sys.executable, "-c", _OPENS_A_FILE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp)},
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def opened_by(other: subprocess.Popen[str]) -> Path:
    assert other.stdout is not None
    return Path(other.stdout.readline().strip())


def test_the_file_of_a_process_that_was_killed_makes_room_for_the_next_upload(
    other: subprocess.Popen[str],
) -> None:
    left = opened_by(other)
    assert left.exists()
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert left.exists()
    objects = MemoryObjects()
    objects.put("b", b"y")
    with LocalFiles(objects).open("b") as file:
        assert file is not None and file.path.exists()
        assert not left.exists()


def test_the_file_of_a_process_that_is_at_work_is_left_alone(
    other: subprocess.Popen[str],
) -> None:
    in_use = opened_by(other)
    assert sweep() == 0
    assert in_use.exists()


def test_a_folder_that_is_swept_away_before_it_is_locked_is_made_anew(
    tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = tempfile.mkdtemp
    swept: list[str] = []

    def overtaken(**options: str) -> str:
        made = make(**options)
        if not swept:
            swept.append(made)
            assert sweep() == 1
        return made

    monkeypatch.setattr(tempfile, "mkdtemp", overtaken)
    with scratch() as folder:
        assert folder.is_dir()
        assert swept != [str(folder)]
    assert list(tmp.iterdir()) == []


def test_a_folder_may_be_removed_twice() -> None:
    made = Scratch()
    made.remove()
    made.remove()
    assert not made.path.exists()


def test_what_cannot_be_fetched_or_used_leaves_no_file(tmp: Path) -> None:
    objects = MemoryObjects()
    objects.put("a", b"x")
    files = LocalFiles(objects)
    with files.open("nothing") as gone:
        assert gone is None
    with pytest.raises(OSError, match="disk"), files.open("a", ""):
        raise OSError("disk full")
    assert list(tmp.iterdir()) == []


def test_a_file_that_nobody_knows_any_more_is_gone(tmp: Path) -> None:
    objects = MemoryObjects()
    objects.put("a", b"x")
    gc.collect()
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with LocalFiles(objects).open("a") as file:
            assert file is not None
    gc.collect()
    assert list(tmp.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) < open_files + 20
