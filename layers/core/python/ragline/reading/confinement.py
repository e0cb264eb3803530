"""What the child may do, set by itself before it looks at any file.

Memory is bounded by RLIMIT_DATA: what is private and writable, so what is really used. RLIMIT_AS
would count reserved addresses and mapped files as well, of which ONNX Runtime and glibc's arenas
take hundreds of megabytes that cost nothing. Linux counts anonymous mappings in it since 4.7:
https://man7.org/linux/man-pages/man2/getrlimit.2.html. It is no sandbox against a parser that is
taken over: that one finds a process without secrets, with the function's network.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
_FILES = 64
_FILE_BYTES = 64 * MIB
_PR_SET_PDEATHSIG = 1

_FORBIDDEN = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.bind",
    "socket.sendto",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
)
"""https://docs.python.org/3/library/audit_events.html"""


def confine(megabytes: int) -> None:
    """Bound what this process may take; for good."""
    die_with_parent()
    _bound(resource.RLIMIT_DATA, megabytes * MIB)
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_NOFILE, _FILES)
    _bound(resource.RLIMIT_FSIZE, _FILE_BYTES)
    faulthandler.enable()
    sys.addaudithook(_refuse)


def bound_cpu(seconds: float) -> None:
    """From now on so many seconds more on every core: the second line, if the parent is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cores = os.cpu_count() or 1
    allowed = int(used.ru_utime + used.ru_stime + seconds * cores) + 5
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, hard))


def memory_in_use() -> int:
    """Bytes of this process in memory; 0 where nobody says."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def die_with_parent() -> None:
    """A parent that is killed ends nothing; its pipe does, unless a parser hangs at that moment."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _bound(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (bound, bound))


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event in _FORBIDDEN:
        raise PermissionError(f"a parser may not do this: {event}")
