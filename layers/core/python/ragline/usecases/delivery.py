"""How the rows of a migration come into their index: by the indexer, or straight into a store.

A partition has one writer. Of the store that is deployed that is the indexer, so its rows go by the
queue; into a store that is not, nobody writes but the migration.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ragline.domain.chunks import Row
from ragline.domain.documents import Partition
from ragline.domain.errors import PermanentError, StoredDataLost
from ragline.domain.lifecycle import dead_below
from ragline.ports import Ledger, Objects, Queues, VectorIndex
from ragline.usecases.findings import Finding, Kind
from ragline.usecases.index import rows_of
from ragline.usecases.migrate import Done, Task
from ragline.usecases.repair import repair


class ByQueue:
    """As upserts on IndexOps.fifo, in their place among all that happens to the documents."""

    def __init__(self, *, ledger: Ledger, objects: Objects, queues: Queues) -> None:
        self._ledger, self._objects, self._queues = ledger, objects, queues

    def deliver(self, batch: Sequence[Done]) -> None:
        self._queues.send_ops([op for done in batch for op in done.ops])

    def undo(self, task: Task) -> None:
        """The indexer drops what is late by itself."""

    def clear(self, findings: Iterable[Finding]) -> None:
        """Order away rows of what does not count."""
        repair(_dead(findings), ledger=self._ledger, objects=self._objects, queues=self._queues)


class Directly:
    """Into an index that nobody else writes."""

    def __init__(self, index: VectorIndex, *, ledger: Ledger, objects: Objects) -> None:
        self._index, self._ledger, self._objects = index, ledger, objects

    def deliver(self, batch: Sequence[Done]) -> None:
        """One commit for each partition; where the store refuses a row, its neighbours go on."""
        rows: dict[Partition, list[tuple[Done, Row]]] = defaultdict(list)
        for done in batch:
            rows[done.task.document.partition] += [(done, row) for row in self._rows(done)]
        for partition, some in rows.items():
            try:
                self._index.upsert(partition, [row for _, row in some])
            except PermanentError:
                for done, row in some:
                    self._upsert_one(partition, done, row)
            self._index.optimize(partition)

    def undo(self, task: Task) -> None:
        partition, document_id = task.document.partition, task.document.document_id
        self._remove(partition, document_id, task.generation)

    def clear(self, findings: Iterable[Finding]) -> None:
        """Remove rows of what does not count."""
        for finding in _dead(findings):
            if finding.partition is not None:
                self._remove(finding.partition, finding.subject, finding.generation)

    def _rows(self, done: Done) -> list[Row]:
        found: list[Row] = []
        for op in done.ops:
            try:
                found += rows_of(done.task.document, op, self._objects)
            except StoredDataLost as error:  # or the document is gone, which is seen afterwards
                done.note(error, len(done.task.missing.intersection(op.ordinals)))
        return [row for row in found if row.chunk.ordinal in done.task.missing]

    def _upsert_one(self, partition: Partition, done: Done, row: Row) -> None:
        try:
            self._index.upsert(partition, [row])
        except PermanentError as error:
            done.note(error, 1)

    def _remove(self, partition: Partition, document_id: str, generation: int) -> None:
        """What does not count of a document; of one that is unknown here, up to ``generation``."""
        document = self._ledger.get(partition.tenant, document_id)
        below, keep = generation + 1, 0
        if document is not None and document.partition == partition:
            below, keep = dead_below(document), document.live_generation
        self._index.delete(partition, document_id, below=below, keep=keep)


def _dead(findings: Iterable[Finding]) -> list[Finding]:
    """Rows that are of no generation which counts; of one that does, only some chunks' are."""
    return [one for one in findings if one.kind is Kind.EXTRA_ROWS and not one.ordinals]
