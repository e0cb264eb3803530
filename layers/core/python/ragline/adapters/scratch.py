"""Folders for files that must not outlive the process that made them, however it ends.

A function that ran out of time or memory leaves its files behind: Lambda starts the runtime anew
and does not clear /tmp. A few big uploads later there would be no room for any.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html

So each folder is locked by whoever uses it, and the system unlocks it when that process dies:
one that can be locked is nobody's any more. Process numbers would not do, they come again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "ragline-files-"
_TRIES = 10


class Scratch:
    """A new folder of this process, ``path``, until ``remove``, or until nobody knows it any more.

    Safe to remove twice.
    """

    def __init__(self) -> None:
        self.path, lock = _locked_folder()
        self._finalizer = weakref.finalize(self, _remove, self.path, lock)

    def remove(self) -> None:
        self._finalizer()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for as long as the context lasts."""
    made = Scratch()
    try:
        yield made.path
    finally:
        made.remove()


def sweep() -> int:
    """Remove the folders of processes that are no more; how many."""
    return sum(map(_removed_if_left, Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")))


def _locked_folder() -> tuple[Path, int]:
    for _ in range(_TRIES):
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = _lock(path)
        if lock is not None and path.exists():
            return path, lock
        # Another process swept it away before it was locked.
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)
    raise OSError(f"no folder in {tempfile.gettempdir()} can be locked")


def _removed_if_left(path: Path) -> bool:
    lock = _lock(path)
    if lock is None:
        return False
    _remove(path, lock)
    return True


def _remove(path: Path, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def _lock(path: Path) -> int | None:
    """None if it is in use, is gone, or is another user's."""
    with suppress(OSError):
        lock = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return lock
    return None
