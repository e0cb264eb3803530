"""A copy of Lance tables in a local folder, so that a query asks the storage for one thing only:
whether there is a newer version.

Lance never rewrites a file: a commit adds some (data, deletions, indexes) and then a manifest,
which names all that its version is made of. So what is here already stays good, and a new version
costs its new files only.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from ragline.adapters.lance.fetching import Fetcher
from ragline.adapters.lance.files import MANIFEST, Files, RemoteFile, is_needed
from ragline.adapters.lance.locking import locked
from ragline.domain.errors import SetupError

INLINE_BYTES = 4 * 1024 * 1024
INLINE_FILES = 16
"""A query waits while so much is fetched; for more, it reads the storage, and a thread fetches."""

ASKED_OFTEN = 3
"""A table is copied when it is asked for so often, by either leg: one query alone would not pay."""

AGAIN_SECONDS = 30.0
"""How long the storage itself is read after a table was too large, or copying it failed."""

LOCK_SECONDS = 1.0
BUSY_SECONDS = 2.0
"""How long a query waits for another that is copying the table, and how long the storage itself is
read if that was in vain."""

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
            f"{folder.parent} belongs to another user: remove it, or set INDEX_REPLICA_MEGABYTES=0."
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
    def is_quick(self) -> bool:
        return self.missing_bytes <= INLINE_BYTES and len(self.missing) <= INLINE_FILES

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
        self._fetcher = Fetcher(files, folder)
        self._max_bytes = max_bytes
        self._asked: Counter[str] = Counter()
        self._not_before: dict[str, float] = {}
        self._filling: dict[str, threading.Thread] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def has_latest(self, table: str) -> bool:
        """Whether ``folder`` holds the latest version of a table; made so if that is quick.

        It never raises: if anything is wrong with the copy, the storage is there to be read.
        """
        self._asked[table] += 1
        if (
            (self._asked[table] < ASKED_OFTEN and not self.version(table))
            or self._is_filling(table)
            or time.monotonic() < self._not_before.get(table, 0.0)
        ):
            return False
        try:
            return self._made_latest(table)
        except Exception:
            self._failed(table)
            return False

    def version(self, table: str) -> str:
        """The tag of the manifest that the copy is of; '' if there is none, or it is changing."""
        try:
            mark = self._mark_path(table)
            os.utime(mark)  # when it was used last
            return mark.read_text()
        except FileNotFoundError:
            return ""

    def discard(self, table: str, version: str) -> None:
        """Remove a copy that could not be read, if it is of that version still; what changed
        meanwhile may be good. Read the storage itself for a while, then copy anew."""
        with self._locked(table, seconds=0) as ours:
            if ours and self.version(table) == version:
                self._remove(table)
                self._rest(table, AGAIN_SECONDS)

    def _made_latest(self, table: str) -> bool:
        before = self.version(table)
        newest = self._newest(table)
        if newest is None:
            return False
        if before == newest.tag:
            return True
        with ExitStack() as held:
            if not held.enter_context(self._locked(table)):
                if not self._is_filling(table):
                    self._rest(table, BUSY_SECONDS)
                return False
            if self.version(table) != before:  # another leg of the same search was faster
                newest = self._newest(table)
                if newest is None or self.version(table) == newest.tag:
                    return newest is not None
            plan = self._plan(table, newest)
            if plan.is_quick:
                return self._apply(table, plan)
            self._start_filling(table, plan, held)
        return False

    def _start_filling(self, table: str, plan: _Plan, held: ExitStack) -> None:
        """Apply the plan beside the queries, by a thread that takes over the lock we hold."""
        lock = held.pop_all()
        filling = threading.Thread(
            target=self._fill, args=(table, plan, lock), name="replica", daemon=True
        )
        filling.start()
        self._filling[table] = filling

    def _fill(self, table: str, plan: _Plan, lock: ExitStack) -> None:
        with lock:
            try:
                self._apply(table, plan)
            except Exception:
                self._failed(table)

    def _is_filling(self, table: str) -> bool:
        filling = self._filling.get(table)
        return filling is not None and filling.is_alive()

    def _failed(self, table: str) -> None:
        """Say why, and read the storage itself for a while, then look again from the start."""
        logger.warning("could not copy the index %s", table, exc_info=True)
        self._rest(table, AGAIN_SECONDS)
        self._mark_path(table).unlink(missing_ok=True)

    def _rest(self, table: str, seconds: float) -> None:
        self._not_before[table] = time.monotonic() + seconds

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
        """Make the copy what the plan says; False if there is no room for it.

        There is no mark while manifests change: who fails to read then knows why.
        """
        self._fetcher.tidy(table, plan.missing)
        if not self._make_room(table, plan):
            self._rest(table, AGAIN_SECONDS)
            return False
        self._fetcher.fetch(table, plan.missing)
        here = self._table(table)
        self._mark_path(table).unlink(missing_ok=True)
        self._fetcher.put(table, here / plan.manifest.name, plan.content)
        for other in (here / "_versions").iterdir():
            if other.name != Path(plan.manifest.name).name:
                other.unlink()
        self._fetcher.put(table, self._mark_path(table), plan.manifest.tag.encode())
        self._fetcher.clear(table)
        _keep_only(here, {file.name for file in plan.needed} | {plan.manifest.name})
        return True

    def _make_room(self, table: str, plan: _Plan) -> bool:
        if plan.needed_bytes > self._max_bytes:
            return False
        others = self._others(table)
        for other in sorted(others, key=self._last_used):
            if sum(others.values()) + plan.needed_bytes <= self._max_bytes:
                break
            if self._evict(other):
                del others[other]
        here, room = self._table(table), self._max_bytes - sum(others.values())
        if _bytes(here) + plan.missing_bytes > room:  # old and new do not fit side by side
            self._mark_path(table).unlink(missing_ok=True)
            _keep_only(here, {file.name for file in plan.needed})
        free = shutil.disk_usage(self.folder).free
        left = self._fetcher.bytes_left(table, plan.missing)
        return plan.needed_bytes <= room and left + SPARE_BYTES <= free

    def _others(self, table: str) -> dict[str, int]:
        """The bytes of each other table, and of what came of it so far."""
        found = Counter[str]()
        for suffix in (".lance", ".parts"):
            for path in self.folder.glob(f"*{suffix}"):
                found[path.name.removesuffix(suffix)] += _bytes(path)
        del found[table]
        return dict(found)

    def _evict(self, table: str) -> bool:
        with self._locked(table, seconds=0) as ours:
            if ours:
                self._remove(table)
            return ours

    def _remove(self, table: str) -> None:
        self._mark_path(table).unlink(missing_ok=True)
        shutil.rmtree(self._table(table), ignore_errors=True)
        self._fetcher.clear(table)

    def _locked(self, table: str, seconds: float | None = None) -> AbstractContextManager[bool]:
        """Whether we, of all threads and processes, may change the table's copy."""
        path = self.folder / f"{table}.lock"
        patience = LOCK_SECONDS if seconds is None else seconds
        return locked(path, patience, lambda: self._is_filling(table))

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
