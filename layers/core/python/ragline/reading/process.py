"""The child as the parent sees it: started, spoken to, killed, and asked what it died of."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ragline.reading.pipe import Pipe

CHILD = "ragline.reading.child"
_LAST_WORDS = 2_000
_PASSED_ON = ("LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
"""All that a child has of its parent's environment: how to find libraries and /tmp."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended: by which signal (0: by itself), its stack, and its largest size in bytes,
    0 if that is not known."""

    signal: int
    peak: int
    where: str

    @property
    def name(self) -> str:
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return "exit"


class Process:
    """A running child. It is killed when this object, or the interpreter, goes."""

    def __init__(self, arguments: list[str], module: str = CHILD) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - kept as long as the child
        command = [sys.executable, "-s", "-P", "-m", module, *arguments]
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment(os.environ),
            cwd="/",
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self.pipe = Pipe(_number(self._popen.stdout), _number(self._popen.stdin))
        # The largest size that the kernel tells of a child is at least its parent's, as it began.
        self._begun_with = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self._finalizer = weakref.finalize(self, _drop, self._popen, self._said)

    @property
    def alive(self) -> bool:
        return self._popen.returncode is None and self._popen.poll() is None

    def bury(self) -> Death:
        """Kill what is left of it, and say what it had died of before, if it had."""
        self._finalizer.detach()
        code, peak = _end(self._popen)
        with self._said as said:
            size = said.seek(0, os.SEEK_END)
            said.seek(max(0, size - _LAST_WORDS))
            where = _stack(said.read())
        known = peak if peak > self._begun_with else 0
        return Death(-code if code < 0 else 0, known, where)


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What Python and our package need, and nothing else: no credentials, endpoint or setting."""
    passed = {name: own[name] for name in _PASSED_ON if name in own}
    # One arena more for every thread would count against the limit of memory.
    return {
        **passed,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONUTF8": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def _number(stream: IO[bytes] | None) -> int:
    if stream is None:
        raise ValueError("a child without pipes")
    return stream.fileno()


def _end(popen: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Its exit status (negative: the signal) and peak in bytes; its group is killed first."""
    code, peak = popen.returncode, 0
    if code is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            _, status, usage = os.wait4(popen.pid, 0)
            code, peak = os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
        popen.returncode = code if code is not None else 0
    for stream in (popen.stdin, popen.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    return popen.returncode, peak


def _drop(popen: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    _end(popen)
    said.close()


def _stack(said: bytes) -> str:
    """Of what it wrote the lines of a stack: they name code, never a document's words."""
    lines = said.decode("utf-8", "replace").splitlines()
    kept = [line.strip() for line in lines if line.startswith("  File ")]
    return " < ".join(Path(line).name[:80] for line in kept[:4])


def peak_of(pid: int) -> int:
    """Bytes of memory that a living process had at most; 0 where nobody says."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
