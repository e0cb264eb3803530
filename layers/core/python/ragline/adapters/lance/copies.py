"""The copies of tables that a folder holds: what a version needs, putting it there, making room.

Lance never rewrites a file: a commit adds some (data, deletions, indexes) and then a manifest,
which names all that its version is made of. So what is here already stays good, and a new version
costs its new files only.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ragline.adapters.lance.fetching import Fetcher
from ragline.adapters.lance.files import MANIFEST, Files, RemoteFile, is_needed
from ragline.adapters.lance.locking import locked

LOCK_SECONDS = 1.0
"""How long a query waits for another that is copying the table."""

SPARE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
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


class Copies:
    """Copies of tables in ``folder``, of ``max_bytes`` together.

    Several threads and processes may share the folder: files come into place whole, a version's
    manifest after all that it names. What changes a table is for who holds its lock.
    """

    def __init__(self, files: Files, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._files = files
        self._fetcher = Fetcher(files, folder)
        self._max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True)

    def version(self, table: str) -> str:
        """The tag of the manifest that the copy is of; '' if there is none, or it is changing."""
        try:
            mark = self._mark_path(table)
            os.utime(mark)  # when it was used last
            return mark.read_text()
        except FileNotFoundError:
            return ""

    def locked(
        self, table: str, hopeless: Callable[[], bool], seconds: float | None = None
    ) -> AbstractContextManager[bool]:
        """Whether we, of all threads and processes, may change the table's copy."""
        patience = LOCK_SECONDS if seconds is None else seconds
        return locked(self.folder / f"{table}.lock", patience, hopeless)

    def newest(self, table: str) -> RemoteFile | None:
        """The manifest of the latest version that is stored: their names count down."""
        found = self._files.list(table, "_versions/", limit=8)
        return next((file for file in found if MANIFEST.fullmatch(file.name)), None)

    def plan(self, table: str, newest: RemoteFile) -> Plan:
        content = self._files.read(table, newest.name, 0, newest.size)
        needed = [file for file in self._files.list(table) if is_needed(file.name, content)]
        here = self._table(table)
        missing = [file for file in needed if _size(here / file.name) != file.size]
        return Plan(newest, content, needed, missing)

    def apply(self, table: str, plan: Plan, idle_since: float) -> bool:
        """Make the copy what the plan says; False if there is no room for it, then there is none.

        Copies that nobody used after ``idle_since``, a time of this machine, give way. There is no
        mark while manifests change: who fails to read then knows why.
        """
        self._fetcher.tidy(table, plan.missing)
        if not self._make_room(table, plan, idle_since):
            self.remove(table)
            return False
        self._fetcher.fetch(table, plan.missing)
        here = self._table(table)
        self.unmark(table)
        self._fetcher.put(table, here / plan.manifest.name, plan.content)
        for other in (here / "_versions").iterdir():
            if other.name != Path(plan.manifest.name).name:
                other.unlink()
        self._fetcher.put(table, self._mark_path(table), plan.manifest.tag.encode())
        self._fetcher.clear(table)
        _keep_only(here, {file.name for file in plan.needed} | {plan.manifest.name})
        return True

    def unmark(self, table: str) -> None:
        """Say that the copy is of no version; its files stay."""
        self._mark_path(table).unlink(missing_ok=True)

    def remove(self, table: str) -> None:
        self.unmark(table)
        shutil.rmtree(self._table(table), ignore_errors=True)
        self._fetcher.clear(table)

    def _make_room(self, table: str, plan: Plan, idle_since: float) -> bool:
        others = self._others(table)
        if not self._evict_idle(others, self._max_bytes - plan.needed_bytes, idle_since):
            return False
        here, room = self._table(table), self._max_bytes - sum(others.values())
        if _bytes(here) + plan.missing_bytes > room:  # old and new do not fit side by side
            self.unmark(table)
            _keep_only(here, {file.name for file in plan.needed})
        left = self._fetcher.bytes_left(table, plan.missing)
        return left + SPARE_BYTES <= shutil.disk_usage(self.folder).free

    def _evict_idle(self, others: dict[str, int], room: int, idle_since: float) -> bool:
        """Whether the others take no more than ``room``, once the least used of those that are idle
        gave way; none does in vain. ``others`` keeps those that stay."""
        used = {other: self._last_used(other) for other in others}
        idle = [other for other in sorted(used, key=used.__getitem__) if used[other] <= idle_since]
        if sum(others.values()) - sum(others[other] for other in idle) > room:
            return False
        for other in idle:
            if sum(others.values()) <= room:
                break
            if self._evict(other):
                del others[other]
        return sum(others.values()) <= room

    def _evict(self, table: str) -> bool:
        with self.locked(table, lambda: True, seconds=0) as ours:
            if ours:
                self.remove(table)
            return ours

    def _others(self, table: str) -> dict[str, int]:
        """The bytes of each other table, and of what came of it so far."""
        found = Counter[str]()
        for suffix in (".lance", ".parts"):
            for path in self.folder.glob(f"*{suffix}"):
                found[path.name.removesuffix(suffix)] += _bytes(path)
        del found[table]
        return dict(found)

    def _last_used(self, table: str) -> float:
        """In seconds of ``time.time``; 0 if there is no copy that could be."""
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
