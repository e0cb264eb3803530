"""A copy of Lance tables in a local folder, so that a query asks the storage for one thing only:
whether there is a newer version.

Here: when a table is copied, and when it is read where it is instead.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections import defaultdict, deque
from contextlib import ExitStack
from pathlib import Path

from ragline.adapters.lance.copies import Copies, Plan
from ragline.adapters.lance.files import Files
from ragline.domain.errors import SetupError

INLINE_BYTES = 4 * 1024 * 1024
INLINE_FILES = 16
"""A query waits while so much is fetched; for more, it reads the storage, and a thread fetches."""

ASKED_OFTEN = 3
"""A table is copied when it is asked for so often, by either leg: one query alone would not pay."""

GIVES_WAY = 12
"""A copy gives way to a table that was asked for so often since it was used last. So two tables
that do not fit together never drive one another out at each query: the one that came second is
read where it is."""

AGAIN_SECONDS = 30.0
"""How long the storage itself is read after a table found no room, or copying it failed."""

BUSY_SECONDS = 2.0
"""How long the storage itself is read after waiting in vain for another that copies the table."""

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


class Replica:
    """Copies of tables in ``folder``, of ``max_bytes`` together; those out of use give way."""

    def __init__(self, files: Files, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._copies = Copies(files, folder, max_bytes)
        self._asked: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=GIVES_WAY))
        self._not_before: dict[str, float] = {}
        self._filling: dict[str, threading.Thread] = {}

    def has_latest(self, table: str) -> bool:
        """Whether ``folder`` holds the latest version of a table; made so if that is quick.

        It never raises: if anything is wrong with the copy, the storage is there to be read.
        """
        asked = self._asked[table]
        asked.append(time.time())
        if (
            (len(asked) < ASKED_OFTEN and not self.version(table))
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
        return self._copies.version(table)

    def discard(self, table: str, version: str) -> None:
        """Remove a copy that could not be read, if it is of that version still; what changed
        meanwhile may be good. Read the storage itself for a while, then copy anew."""
        with self._copies.locked(table, lambda: True, seconds=0) as ours:
            if ours and self.version(table) == version:
                self._copies.remove(table)
                self._rest(table, AGAIN_SECONDS)

    def _made_latest(self, table: str) -> bool:
        before = self.version(table)
        newest = self._copies.newest(table)
        if newest is None:
            return False
        if before == newest.tag:
            return True
        with ExitStack() as held:
            if not held.enter_context(self._copies.locked(table, lambda: self._is_filling(table))):
                if not self._is_filling(table):
                    self._rest(table, BUSY_SECONDS)
                return False
            if self.version(table) != before:  # another leg of the same search was faster
                newest = self._copies.newest(table)
                if newest is None or self.version(table) == newest.tag:
                    return newest is not None
            plan = self._copies.plan(table, newest)
            if plan.missing_bytes <= INLINE_BYTES and len(plan.missing) <= INLINE_FILES:
                return self._apply(table, plan)
            self._start_filling(table, plan, held)
        return False

    def _apply(self, table: str, plan: Plan) -> bool:
        asked = self._asked[table]
        idle_since = asked[0] if len(asked) == asked.maxlen else 0.0
        done = self._copies.apply(table, plan, idle_since)
        if not done:
            self._rest(table, AGAIN_SECONDS)
        return done

    def _start_filling(self, table: str, plan: Plan, held: ExitStack) -> None:
        """Apply the plan beside the queries, by a thread that takes over the lock we hold."""
        lock = held.pop_all()
        filling = threading.Thread(
            target=self._fill, args=(table, plan, lock), name="replica", daemon=True
        )
        filling.start()
        self._filling[table] = filling

    def _fill(self, table: str, plan: Plan, lock: ExitStack) -> None:
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
        self._copies.unmark(table)

    def _rest(self, table: str, seconds: float) -> None:
        self._not_before[table] = time.monotonic() + seconds
