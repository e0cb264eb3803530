"""The vector index on LanceDB: a folder or a bucket of Lance tables, no server.

Nothing of LanceDB is imported until an index is built: it takes a second and 100 MB.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragline.adapters.lance import queries, upkeep
from ragline.adapters.lance.errors import translated
from ragline.adapters.lance.rows import ENTRY, literal, to_arrow
from ragline.adapters.lance.store import (
    INDEX_CACHE_BYTES,
    Store,
    storage_options,
    table_name,
)
from ragline.adapters.lance.tables import Handle, Tables
from ragline.domain.chunks import Candidate, Filter, Passage, Row
from ragline.domain.documents import Partition
from ragline.domain.errors import ModelMismatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragline.adapters.lance.replica import Replica

__all__ = ["LanceIndex", "LanceIndexes", "storage_options"]

ENTRIES_PER_BATCH = 10_000

logger = logging.getLogger(__name__)


class LanceIndexes:
    """The Indexes of one store, at ``uri``: a folder or ``s3://bucket/…``.

    ``replica`` is for who queries: a copy in a local folder. ``cache_bytes`` bound what is kept of
    the indexes in memory; who asks a table whose indexes do not fit reads them again and again.
    """

    def __init__(
        self,
        uri: str,
        *,
        storage_options: Mapping[str, str] | None = None,
        replica: Replica | None = None,
        cache_bytes: int = INDEX_CACHE_BYTES,
    ) -> None:
        self._store = Store(
            uri, storage_options=storage_options, replica=replica, cache_bytes=cache_bytes
        )
        self._indexes: dict[str, LanceIndex] = {}

    def of(self, fingerprint: str) -> LanceIndex:
        if fingerprint not in self._indexes:
            self._indexes.setdefault(fingerprint, LanceIndex(self._store, fingerprint=fingerprint))
        return self._indexes[fingerprint]

    def fingerprints(self, partition: Partition) -> list[str]:
        return sorted(model for one, model in self._store.names() if one == partition)

    def partitions(self) -> list[Partition]:
        """Those that were ever written with vectors of any model, sorted."""
        found = {one for one, _ in self._store.names()}
        return sorted(found, key=lambda one: (one.tenant, one.collection))

    def length(self) -> int | None:
        return None

    def drop(self, partition: Partition, fingerprint: str) -> None:
        """Another process that holds the table open finds it gone at its next query."""
        self._store.drop(table_name(partition, fingerprint))


class LanceIndex:
    """The VectorIndex of one embedding model: one Lance table per partition.

    Both legs filter before they rank, and see every commit that came before the query. The dense
    leg is exact below 10,000 rows, where it reads every vector; above, it has an index (IVF_SQ)
    whose best candidates it compares exactly, and scans the rows that came since.

    Commits are safe from many writers (conditional PUT) but slow with them: let one process write.
    Every method raises ``TransientError``; ``SetupError`` if the storage refuses us; and
    ``ModelMismatch`` if vectors have another length than those that the partition's table was made
    for, by the first upsert.
    """

    def __init__(
        self,
        store: Store | str,
        *,
        storage_options: Mapping[str, str] | None = None,
        fingerprint: str = "default",
    ) -> None:
        """``store``: where the tables are, or its URI (then ``storage_options`` say how)."""
        if isinstance(store, str):
            store = Store(store, storage_options=storage_options)
        self._tables = Tables(store, fingerprint)

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        if not rows:
            return

        def merge(handle: Handle) -> bool:
            for row in rows:
                self._check(partition, row.vector, handle.width)
            data = to_arrow(rows, handle.width)
            upkeep.survey(handle)
            builder = handle.table.merge_insert("chunk_id")
            builder.when_matched_update_all().when_not_matched_insert_all().execute(data)
            handle.wrote(data.num_rows)
            return True

        with translated():
            if not self._tables.run(partition, merge):
                width = rows[0].vector.size
                for row in rows:
                    self._check(partition, row.vector, width)
                merge(self._tables.create(partition, width))

    def delete(
        self, partition: Partition, document_id: str, *, below: int | None = None, keep: int = 0
    ) -> None:
        where = f"document_id = {literal(document_id)}"
        if below is not None:
            where += f" AND generation < {int(below)}"
        if keep:
            where += f" AND generation != {int(keep)}"

        def remove(handle: Handle) -> bool:
            handle.table.delete(where)
            handle.wrote()
            return True

        with translated():
            self._tables.run(partition, remove)

    def dense(
        self, partition: Partition, vector: NDArray[np.float32], limit: int, where: Filter
    ) -> list[Candidate]:
        def search(handle: Handle) -> list[Candidate]:
            self._check(partition, vector, handle.width)
            return queries.dense(handle, vector, limit, where)

        with translated():
            return self._tables.read(partition, search) or []

    def bm25(self, partition: Partition, query: str, limit: int, where: Filter) -> list[Candidate]:
        def search(handle: Handle) -> list[Candidate]:
            return queries.bm25(handle, query, limit, where)

        with translated():
            return self._tables.read(partition, search) or []

    def passages(self, partition: Partition, candidates: Sequence[Candidate]) -> dict[str, Passage]:
        """Of the version that a leg read last, which asks nobody whether there is a newer one.

        A row is taken for what was found only if its chunk says so. One that does not lie any more
        where a leg saw it, for a fold or another commit came between, is looked up by its chunk.
        """
        wanted = {one.chunk_id: one.hint for one in candidates}
        places = [hint for hint in wanted.values() if isinstance(hint, int)]
        with translated():
            found = self._tables.reread(
                partition, lambda handle: queries.passages_at(handle, places)
            )
            found = found or {}
            if lost := wanted.keys() - found.keys():
                found |= (
                    self._tables.read(
                        partition, lambda handle: queries.passages_named(handle, lost)
                    )
                    or {}
                )
        return {name: found[name] for name in wanted if name in found}

    def count(self, partition: Partition, document_id: str | None = None) -> int:
        where = f"document_id = {literal(document_id)}" if document_id is not None else None
        with translated():
            found = self._tables.read(partition, lambda one: int(one.table.count_rows(where)))
            return found or 0

    def entries(self, partition: Partition) -> Iterator[tuple[str, int, int]]:
        """As the port says, of one version of the table: no later commit changes what is seen.

        A batch of rows at a time and three columns of them, whatever the size of the table.
        """
        from lancedb.query import LanceEmptyQueryBuilder

        def scan(handle: Handle) -> Any:
            query = LanceEmptyQueryBuilder(handle.table).select(list(ENTRY))
            return query.to_batches(batch_size=ENTRIES_PER_BATCH)

        with translated():
            for batch in self._tables.run(partition, scan) or ():
                columns = [batch.column(name).to_pylist() for name in ENTRY]
                yield from zip(*columns, strict=True)

    def optimize(self, partition: Partition) -> None:
        """Folds the table, if it is due, for ``upkeep.FOLD_SECONDS`` at most."""
        handle = self._tables.kept(partition)
        if handle and upkeep.was_just_written(handle) and not upkeep.is_due(handle):
            return

        def tidy(handle: Handle) -> None:
            upkeep.survey(handle)
            if upkeep.is_due(handle) or upkeep.lies_untidy(handle):
                upkeep.fold_in_time(handle, partition)

        try:
            self._tables.run(partition, tidy)
        except Exception:
            logger.warning("could not survey the index of %s", partition, exc_info=True)

    def _check(self, partition: Partition, vector: NDArray[np.float32], width: int) -> None:
        if vector.shape != (width,):
            raise ModelMismatch(
                f"the index of {partition} holds vectors of {width} numbers (model "
                f"{self._tables.fingerprint}), and one of {vector.size} came: index and queries "
                "must use the same embedding model. If the model was changed, `ragline migrate` "
                "makes an index of the new one."
            )
