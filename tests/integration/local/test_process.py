from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from ragline.local import process

READY = "print('ready', flush=True); import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}"
WITH_CHILD = (
    "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', "
    "'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    'print("ready", flush=True); time.sleep(60)\']); '
    "import pathlib; pathlib.Path(sys.argv[1]).write_text(str(c.pid)); c.wait()"
)


def running(script: str, tmp_path: Path) -> tuple[int, str]:
    log = tmp_path / "log"
    command = [sys.executable, "-c", script, str(tmp_path / "child")]
    pid = process.spawn(command, env={}, log=log)
    deadline = time.monotonic() + 10
    while "ready" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "ready" in log.read_text()
    start = process.started(pid)
    assert start is not None
    return pid, start


def test_a_process_is_ended_and_then_unknown(tmp_path: Path) -> None:
    pid, start = running(READY, tmp_path)
    assert process.end(pid, start, grace=5)
    assert process.started(pid) is None


def test_one_that_ignores_the_request_is_killed_after_the_grace(tmp_path: Path) -> None:
    pid, start = running(STUBBORN, tmp_path)
    assert not process.end(pid, start, grace=0.2)
    assert process.started(pid) is None


def test_its_children_end_with_it(tmp_path: Path) -> None:
    pid, start = running(WITH_CHILD, tmp_path)
    child = int((tmp_path / "child").read_text())
    assert process.started(child)
    process.end(pid, start, grace=5)
    deadline = time.monotonic() + 5
    while process.started(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.started(child) is None


def test_a_recycled_pid_is_left_alone(tmp_path: Path) -> None:
    pid, start = running(READY, tmp_path)
    assert process.end(pid, start + "0", grace=5)
    assert process.started(pid) == start
    process.end(pid, start, grace=5)


def test_a_process_of_another_start_time_is_told_apart(tmp_path: Path) -> None:
    pid, start = running(READY, tmp_path)
    try:
        assert process.started(os.getpid()) != start
    finally:
        process.end(pid, start, grace=5)


def test_nobody_has_the_pid_that_never_was() -> None:
    assert process.started(2**22 + 1) is None


def test_a_program_that_is_not_there_cannot_be_spawned(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        process.spawn([str(tmp_path / "nowhere")], env={}, log=tmp_path / "log")
