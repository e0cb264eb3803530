"""The open Lance tables of one embedding model: opened, kept, read from a copy, and closed."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ragline.adapters.lance.errors import means_missing
from ragline.adapters.lance.rows import schema
from ragline.adapters.lance.store import Store, table_name
from ragline.domain.documents import Partition, check_name
from ragline.domain.errors import ServiceUnavailable, SetupError

T = TypeVar("T")
Handles = dict[Partition, "Handle"]

logger = logging.getLogger(__name__)

MAX_OPEN = 64
"""How many tables are kept open; opening one anew costs some requests, keeping it some memory."""


@dataclass(slots=True)
class Handle:
    """An open table, and (for the writer) how far it is from wanting to be folded.

    ``width`` is how many numbers its vectors have; ``commits`` are those since the last fold,
    ``tried_at`` and ``tried_with`` how many commits and unindexed rows there were when one failed.
    Times are seconds of ``time.monotonic``.
    """

    table: Any
    width: int
    known: bool = False
    commits: int = 0
    indexed: int = 0
    unindexed: int = 0
    tried_at: int = 0
    tried_with: int = 0
    folded_at: float = -math.inf
    fold_took: float = 0.0
    written_at: float = -math.inf
    folding: threading.Thread | None = None

    def wrote(self, rows: int = 0) -> None:
        """Count a commit that left so many rows outside the indexes."""
        self.commits += 1
        self.unindexed += rows
        self.written_at = time.monotonic()

    @property
    def is_folding(self) -> bool:
        return self.folding is not None and self.folding.is_alive()

    def folded_in_vain(self) -> None:
        """Remember what there was to fold when that failed."""
        self.tried_at, self.tried_with = self.commits, self.unindexed


class Tables:
    """The tables of one embedding model, opened on first use; those used last are kept open."""

    def __init__(self, store: Store, fingerprint: str) -> None:
        self._store = store
        self.fingerprint = check_name(fingerprint, "fingerprint")
        self._handles: Handles = {}
        self._copies: Handles = {}
        self._last_read: Handles = {}

    def kept(self, partition: Partition) -> Handle | None:
        """The handle if the table was opened before."""
        return self._handles.get(partition)

    def run(self, partition: Partition, use: Callable[[Handle], T]) -> T | None:
        """Use the latest version of the partition's table; None if there is none.

        What is the latest is asked of the storage, by one LIST.
        """
        return self._run(self._store.connection, self._handles, partition, use)

    def read(self, partition: Partition, use: Callable[[Handle], T]) -> T | None:
        """As ``run``, for what only reads: from the replica, if that has the latest version."""
        replica, name = self._store.replica, table_name(partition, self.fingerprint)
        if replica is None or not replica.has_latest(name):
            return self.run(partition, use)
        version = replica.version(name)
        found = self._read_copy(partition, use)
        if found is None and (now := replica.version(name)) and now != version:
            # Files that it was reading have just given way to those of a newer version.
            version, found = now, self._read_copy(partition, use)
        if found is None:
            found = self.run(partition, use)
            if version:  # the storage has answered: it is the copy that is at fault
                replica.discard(name, version)
        return found

    def reread(self, partition: Partition, use: Callable[[Handle], T]) -> T | None:
        """Use the version of the table that was used last, a copy's or the storage's own, without
        asking for a newer one; None if none was, or that fails: its files may be gone by now."""
        handle = self._last_read.get(partition)
        if handle is None:
            return None
        try:
            return use(handle)
        except Exception:
            name = table_name(partition, self.fingerprint)
            logger.info("could not read %s as it was", name, exc_info=True)
            return None

    def _read_copy(self, partition: Partition, use: Callable[[Handle], T]) -> T | None:
        """None if that fails: its files are changing, or it is damaged."""
        try:
            found = self._run(self._store.copies, self._copies, partition, use)
        except SetupError:
            raise
        except Exception:
            name = table_name(partition, self.fingerprint)
            logger.warning("could not read the copy of %s", name, exc_info=True)
            found = None
        if found is None:
            self._copies.pop(partition, None)
        return found

    def _run(
        self,
        connection: Any,
        handles: Handles,
        partition: Partition,
        use: Callable[[Handle], T],
    ) -> T | None:
        """A handle kept from earlier may have outlived its table, and that one may have been made
        anew for vectors of another length: then it is opened anew, once."""
        handle = handles.get(partition)
        if handle is not None:
            try:
                handle.table.checkout_latest()
                found = use(handle)
                self._used(handles, partition, handle)
                return found
            except Exception as error:
                if not (means_missing(error) or isinstance(error, SetupError)):
                    raise
                # Both legs of a search may find that out at once.
                handles.pop(partition, None)
        handle = self._open(connection, handles, partition)
        if handle is None:
            return None
        found = use(handle)
        self._used(handles, partition, handle)
        return found

    def _used(self, handles: Handles, partition: Partition, handle: Handle) -> None:
        """Remember what was used last, and close what was not for longest.

        Legs that run side by side get here at once: each step is one that no other can be amid.
        """
        handles[partition] = handles.pop(partition, handle)
        self._last_read.pop(partition, None)
        self._last_read[partition] = handle
        for kept in (handles, self._last_read):
            idle = [one for one, each in list(kept.items()) if not each.is_folding]
            for one in idle[: max(0, len(kept) - MAX_OPEN)]:
                kept.pop(one, None)

    def create(self, partition: Partition, width: int) -> Handle:
        """A table for vectors of ``width`` numbers; the one that is there, if any is."""
        name = table_name(partition, self.fingerprint)
        self._store.connection.create_table(name, schema=schema(width), exist_ok=True)
        handle = self._open(self._store.connection, self._handles, partition)
        if handle is None:
            raise ServiceUnavailable(f"the index of {partition} vanished while it was created.")
        self._used(self._handles, partition, handle)
        return handle

    def _open(self, connection: Any, handles: Handles, partition: Partition) -> Handle | None:
        try:
            table = connection.open_table(table_name(partition, self.fingerprint))
        except Exception as error:
            if means_missing(error):
                return None
            raise
        width = int(table.schema.field("vector").type.list_size)
        return handles.setdefault(partition, Handle(table, width))
