"""A lock that threads and processes share: a file of its own, locked by flock."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.005


@contextmanager
def locked(path: Path, seconds: float, hopeless: Callable[[], bool]) -> Iterator[bool]:
    """Whether we have the lock of ``path``, got within so many seconds, for as long as we are here.

    Who waits for it gives up as soon as it is ``hopeless``.
    """
    with path.open("wb") as file:
        until = time.monotonic() + seconds
        while not (ours := _try_lock(file.fileno())):
            if time.monotonic() >= until or hopeless():
                break
            time.sleep(POLL_SECONDS)
        yield ours  # closing the file unlocks it


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
