"""A copy of Lance tables in a local folder, so that a query asks the storage for one thing only:
whether there is a newer version.

Lance never rewrites a file: a commit adds some (data, deletions, indexes) and then a manifest,
which names all that its version is made of. So what is here already stays good, and a new version
costs its new files only.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ragline.adapters.lance.files import MANIFEST, Files, RemoteFile, is_needed
from ragline.domain.errors import SetupError

INLINE_BYTES = 4 * 1024 * 1024
"""A query waits while so much is fetched; for more, it reads the storage, and a thread fetches."""

PIECE_BYTES = 8 * 1024 * 1024
"""Of a large file. A function that is frozen between calls goes on with the next piece."""

ASKED_OFTEN = 3
"""A table is copied when it is asked for so often, by either leg: one query alone would not pay."""

AGAIN_SECONDS = 30.0
"""How long the storage itself is read after a table was too large, or copying it failed."""

LOCK_SECONDS = 1.0
WORKERS = 4
SPARE_BYTES = 32 * 1024 * 1024

logger = logging.getLogger(__name__)


def own_folder(name: str) -> Path:
    """A folder for copies among the system's temporary files, which no other user can read.

    Raises:
        SetupError: someone else made it.
    """
    folder = Path(tempfile.gettempdir()) / f"ragline-index-{os.getuid()}" / name
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    if folder.parent.lstat().st_uid != os.getuid():
        raise SetupError(
            f"{folder.parent} belongs to another user: remove it, or set INDEX_REPLICA_BYTES=0."
        )
    return folder


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the version of ``manifest`` needs, and what of it is not here yet."""

    manifest: RemoteFile
    content: bytes
    needed: Sequence[RemoteFile]
    missing: Sequence[RemoteFile]

    @property
    def missing_bytes(self) -> int:
        return sum(file.size for file in self.missing)

    @property
    def needed_bytes(self) -> int:
        return sum(file.size for file in self.needed) + self.manifest.size


class Replica:
    """Copies of tables in ``folder``, of ``max_bytes`` together; the least used ones give way.

    Several threads and processes may share the folder: files come into place whole, a version's
    manifest after all that it names, and one at a time changes a table.
    """

    def __init__(self, files: Files, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._files = files
        self._max_bytes = max_bytes
        self._asked: Counter[str] = Counter()
        self._not_before: dict[str, float] = {}
        self._filling: dict[str, threading.Thread] = {}
        self._pieces: dict[Path, set[int]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def has_latest(self, table: str) -> bool:
        """Whether ``folder`` holds the latest version of a table; made so if that is quick.

        It never raises: if anything is wrong with the copy, the storage is there to be read.
        """
        self._asked[table] += 1
        filling = self._filling.get(table)
        if (
            (self._asked[table] < ASKED_OFTEN and not self._mark(table))
            or (filling is not None and filling.is_alive())
            or time.monotonic() < self._not_before.get(table, 0.0)
        ):
            return False
        try:
            return self._made_latest(table)
        except Exception:
            logger.warning("could not copy the index %s", table, exc_info=True)
            self.distrust(table)
            return False

    def distrust(self, table: str) -> None:
        """Read the storage itself for a while, then look again from the start."""
        self._not_before[table] = time.monotonic() + AGAIN_SECONDS
        self._mark_path(table).unlink(missing_ok=True)

    def _made_latest(self, table: str) -> bool:
        before = self._mark(table)
        newest = self._newest(table)
        if newest is None:
            return False
        if before == newest.tag:
            return True
        with self._locked(table) as ours:
            if not ours:
                return False
            if self._mark(table) != before:  # another leg of the same search was faster
                newest = self._newest(table)
                if newest is None or self._mark(table) == newest.tag:
                    return newest is not None
            plan = self._plan(table, newest)
            if plan.missing_bytes <= INLINE_BYTES:
                return self._apply(table, plan)
        filling = threading.Thread(target=self._fill, args=(table,), name="replica", daemon=True)
        self._filling[table] = filling
        filling.start()
        return False

    def _fill(self, table: str) -> None:
        try:
            with self._locked(table) as ours:
                newest = self._newest(table) if ours else None
                if newest is not None:
                    self._apply(table, self._plan(table, newest))
        except Exception:
            logger.warning("could not copy the index %s", table, exc_info=True)
            self.distrust(table)

    def _newest(self, table: str) -> RemoteFile | None:
        """The manifest of the latest version: their names count down."""
        found = self._files.list(table, "_versions/", limit=8)
        return next((file for file in found if MANIFEST.fullmatch(file.name)), None)

    def _plan(self, table: str, newest: RemoteFile) -> _Plan:
        content = self._files.read(table, newest.name, 0, newest.size)
        needed = [file for file in self._files.list(table) if is_needed(file.name, content)]
        here = self._table(table)
        missing = [file for file in needed if _size(here / file.name) != file.size]
        return _Plan(newest, content, needed, missing)

    def _apply(self, table: str, plan: _Plan) -> bool:
        """Make the copy what the plan says; False if there is no room for it."""
        if not self._make_room(table, plan):
            self._not_before[table] = time.monotonic() + AGAIN_SECONDS
            return False
        with ThreadPoolExecutor(WORKERS) as pool:
            for file in plan.missing:
                self._fetch(table, file, pool)
        here = self._table(table)
        self._put(here / plan.manifest.name, plan.content)
        for other in (here / "_versions").iterdir():
            if other.name != Path(plan.manifest.name).name:
                other.unlink()
        self._put(self._mark_path(table), plan.manifest.tag.encode())
        _keep_only(here, {file.name for file in plan.needed} | {plan.manifest.name})
        return True

    def _fetch(self, table: str, file: RemoteFile, pool: ThreadPoolExecutor) -> None:
        """In pieces, of which those that are here already are not fetched again."""
        part = self.folder / f".part-{table}-{file.name.replace('/', '-')}"
        done = self._pieces.setdefault(part, set())
        if not done:
            part.write_bytes(b"")

        def fetch(start: int) -> None:
            data = self._files.read(table, file.name, start, min(start + PIECE_BYTES, file.size))
            with part.open("r+b") as target:
                os.pwrite(target.fileno(), data, start)
            done.add(start)

        list(pool.map(fetch, sorted(set(range(0, file.size, PIECE_BYTES)) - done)))
        del self._pieces[part]
        if _size(part) != file.size:
            raise OSError(f"{file.name} of {table} came with another length than was listed")
        target = self._table(table) / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        part.rename(target)

    def _make_room(self, table: str, plan: _Plan) -> bool:
        if plan.needed_bytes > self._max_bytes:
            return False
        here = self._table(table)
        others = {path.name.removesuffix(".lance"): _bytes(path)
                  for path in self.folder.glob("*.lance") if path != here}  # fmt: skip
        for other in sorted(others, key=self._last_used):
            if sum(others.values()) + plan.needed_bytes <= self._max_bytes:
                break
            if self._evict(other):
                del others[other]
        room = self._max_bytes - sum(others.values())
        if _bytes(here) + plan.missing_bytes > room:  # old and new do not fit side by side
            self._mark_path(table).unlink(missing_ok=True)
            _keep_only(here, {file.name for file in plan.needed})
        free = shutil.disk_usage(self.folder).free
        return plan.needed_bytes <= room and plan.missing_bytes + SPARE_BYTES <= free

    def _evict(self, table: str) -> bool:
        with self._locked(table, seconds=0) as ours:
            if ours:
                self._mark_path(table).unlink(missing_ok=True)
                shutil.rmtree(self._table(table), ignore_errors=True)
            return ours

    @contextmanager
    def _locked(self, table: str, seconds: float = LOCK_SECONDS) -> Iterator[bool]:
        """Whether we, of all threads and processes, may change the table's copy."""
        with (self.folder / f"{table}.lock").open("wb") as file:
            until = time.monotonic() + seconds
            while not (ours := _try_lock(file.fileno())) and time.monotonic() < until:
                time.sleep(0.005)
            yield ours  # closing the file unlocks it

    def _put(self, path: Path, content: bytes) -> None:
        scratch = self.folder / f".part-{uuid.uuid4().hex}"
        scratch.write_bytes(content)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.rename(path)

    def _mark(self, table: str) -> str:
        """The tag of the manifest that the copy is of; '' if there is none."""
        try:
            mark = self._mark_path(table)
            os.utime(mark)  # when it was used last
            return mark.read_text()
        except FileNotFoundError:
            return ""

    def _last_used(self, table: str) -> float:
        try:
            return self._mark_path(table).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _mark_path(self, table: str) -> Path:
        return self.folder / f"{table}.mark"

    def _table(self, table: str) -> Path:
        return self.folder / f"{table}.lance"


def _keep_only(folder: Path, names: set[str]) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in names:
            path.unlink(missing_ok=True)


def _bytes(folder: Path) -> int:
    return sum(_size(path) for path in folder.rglob("*") if path.is_file())


def _size(path: Path) -> int:
    """-1 if there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
