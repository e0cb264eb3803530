"""One process of this machine, known by pid and start time: a recycled pid is another process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path


def spawn(command: list[str], *, env: Mapping[str, str], log: Path) -> int:
    """Start a process in a session of its own, its output in ``log``; returns the pid.

    Not ``subprocess.Popen``: that object wants to outlive the process, and this process is meant to
    outlive us.
    """
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(command[0], command, env, file_actions=actions, setsid=True)


def started(pid: int) -> str | None:
    """When the process started, as an opaque text to compare; None if there is no such process."""
    with contextlib.suppress(OSError):  # it is not our child, or was reaped
        os.waitpid(pid, os.WNOHANG)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    # pid (command) state …: the command may hold anything, so count after its last parenthesis.
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: field 3 state, 22 starttime
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    ps = shutil.which("ps")
    if ps is None:
        return None
    command = [ps, "-o", "lstart=", "-p", str(pid)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


def end(pid: int, start: str, *, grace: float) -> bool:
    """End that very process and its group: SIGTERM, then SIGKILL after ``grace`` seconds.

    True if it ended by itself, False if it had to be killed. Does nothing to a recycled pid.
    """
    if started(pid) != start:
        return True
    os.kill(pid, signal.SIGTERM)
    clean = _gone(pid, start, grace)
    # Its workers leave with it, unless a handler is busy. The group's number is safe to use: it
    # was alive a moment ago, and cannot be given away while a member lives.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    return _gone(pid, start, 5) and clean


def _gone(pid: int, start: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while started(pid) == start:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
