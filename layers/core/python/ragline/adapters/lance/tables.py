"""The Lance tables of a store: how they are named, found, opened, made and dropped.

A partition has a table for each embedding model that its rows were embedded by, named
``{tenant}.{collection}.{fingerprint}``. Names have no dot, so no two share a table.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ragline.adapters.lance.errors import means_missing, translated
from ragline.adapters.lance.rows import schema
from ragline.domain.documents import Partition, check_name
from ragline.domain.errors import InvalidRequest, ServiceUnavailable, SetupError

if TYPE_CHECKING:
    from ragline.adapters.lance.replica import Replica

T = TypeVar("T")

logger = logging.getLogger(__name__)

NAMES_PER_PAGE = 1_000

INDEX_CACHE_BYTES = 384 * 1024 * 1024
METADATA_CACHE_BYTES = 64 * 1024 * 1024
"""LanceDB would keep 6 GB and 1 GB, and with it the indexes of versions that are long gone. 100,000
rows have indexes of 57 MB."""


def storage_options(endpoint_url: str, region: str) -> dict[str, str]:
    """How to reach S3, or the endpoint of a local cloud ('' means AWS itself).

    Credentials come from the usual AWS environment. Requests give up early: a queue
    retries better than a function that waits out its time.
    """
    options = {
        "region": region,
        "timeout": "15s",
        "connect_timeout": "5s",
        "client_max_retries": "3",
        "client_retry_timeout": "10",
    }
    if endpoint_url:
        options |= {"endpoint": endpoint_url, "virtual_hosted_style_request": "false"}
        options["allow_http"] = str(endpoint_url.startswith("http:")).lower()
    return options


class Store:
    """A folder or bucket of tables, at ``uri``: a path or ``s3://bucket/…``.

    ``replica`` has copies of some of them in a folder, for readers.
    """

    def __init__(
        self,
        uri: str,
        *,
        storage_options: Mapping[str, str] | None = None,
        replica: Replica | None = None,
    ) -> None:
        import lancedb

        self.replica = replica
        with translated():
            session = lancedb.Session(INDEX_CACHE_BYTES, METADATA_CACHE_BYTES)
            self.connection = _connect(uri, session, dict(storage_options or {}) or None)
            self.copies = _connect(str(replica.folder), session) if replica else None

    def names(self) -> Iterator[tuple[Partition, str]]:
        """The partition and the fingerprint of every table that is one of ours."""
        token: str | None = None
        with translated():
            while True:
                page = self.connection.list_tables(page_token=token, limit=NAMES_PER_PAGE)
                yield from (named for name in page.tables if (named := parse_name(name)))
                token = page.page_token
                if not token:
                    return

    def drop(self, name: str) -> None:
        """Remove a table with all its versions; none is no error."""
        with translated():
            try:
                self.connection.drop_table(name)
            except Exception as error:
                if not means_missing(error):
                    raise


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

    def folded_in_vain(self) -> None:
        """Remember what there was to fold when that failed."""
        self.tried_at, self.tried_with = self.commits, self.unindexed


def _connect(uri: str, session: Any, storage_options: dict[str, str] | None = None) -> Any:
    import lancedb

    # Tables asks once what the latest version is; LanceDB would ask at each step of a query, four
    # times one after the other.
    return lancedb.connect(
        uri, storage_options=storage_options, session=session, read_consistency_interval=None
    )


class Tables:
    """The tables of one embedding model, opened on first use and kept open."""

    def __init__(self, store: Store, fingerprint: str) -> None:
        self._store = store
        self.fingerprint = check_name(fingerprint, "fingerprint")
        self._handles: dict[Partition, Handle] = {}
        self._copies: dict[Partition, Handle] = {}

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
        handles: dict[Partition, Handle],
        partition: Partition,
        use: Callable[[Handle], T],
    ) -> T | None:
        """A handle kept from earlier may have outlived its table, and that one may have been made
        anew for vectors of another length: then it is opened anew, once."""
        handle = handles.get(partition)
        if handle is not None:
            try:
                handle.table.checkout_latest()
                return use(handle)
            except Exception as error:
                if not (means_missing(error) or isinstance(error, SetupError)):
                    raise
                # Both legs of a search may find that out at once.
                handles.pop(partition, None)
        handle = self._open(connection, handles, partition)
        return None if handle is None else use(handle)

    def create(self, partition: Partition, width: int) -> Handle:
        """A table for vectors of ``width`` numbers; the one that is there, if any is."""
        name = table_name(partition, self.fingerprint)
        self._store.connection.create_table(name, schema=schema(width), exist_ok=True)
        handle = self._open(self._store.connection, self._handles, partition)
        if handle is None:
            raise ServiceUnavailable(f"the index of {partition} vanished while it was created.")
        return handle

    def partitions(self) -> list[Partition]:
        found = (one for one, model in self._store.names() if model == self.fingerprint)
        return sorted(found, key=lambda one: (one.tenant, one.collection))

    def _open(
        self, connection: Any, handles: dict[Partition, Handle], partition: Partition
    ) -> Handle | None:
        try:
            table = connection.open_table(table_name(partition, self.fingerprint))
        except Exception as error:
            if means_missing(error):
                return None
            raise
        width = int(table.schema.field("vector").type.list_size)
        return handles.setdefault(partition, Handle(table, width))


def table_name(partition: Partition, fingerprint: str) -> str:
    tenant = check_name(partition.tenant, "tenant")
    collection = check_name(partition.collection, "collection")
    return f"{tenant}.{collection}.{check_name(fingerprint, 'fingerprint')}"


def parse_name(name: str) -> tuple[Partition, str] | None:
    """The partition and the fingerprint whose table it is; None if it is not one of ours."""
    parts = name.split(".")
    if len(parts) != 3:
        return None
    try:
        tenant, collection = check_name(parts[0], "tenant"), check_name(parts[1], "collection")
        return Partition(tenant, collection), check_name(parts[2], "fingerprint")
    except InvalidRequest:
        return None
