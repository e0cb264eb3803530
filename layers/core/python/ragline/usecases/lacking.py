"""What an index lacks of what the ledger says: the work of a migration, before it is begun."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ragline.domain.chunks import Part
from ragline.domain.documents import Document, Partition
from ragline.domain.errors import NotFound
from ragline.domain.ledger import ChunkState, Work
from ragline.ports import Ledger, VectorIndex
from ragline.usecases.compare_rows import in_state
from ragline.usecases.findings import Examination


@dataclass(frozen=True, slots=True)
class Task:
    """A generation of a document, and which of its chunks have no row yet."""

    document: Document
    generation: int
    work: Work
    missing: frozenset[int]

    def parts(self, ordinals: Sequence[int]) -> list[Part]:
        return self.work.parts(self.document, ordinals, self.generation)


@dataclass(frozen=True, slots=True)
class Plan:
    """``documents`` and ``chunks`` are to be found by the target; ``tasks`` is what is not."""

    tasks: Sequence[Task]
    documents: int
    chunks: int

    @property
    def missing(self) -> int:
        return sum(len(task.missing) for task in self.tasks)


def plan(*, ledger: Ledger, target: VectorIndex, collection: str | None = None) -> Plan:
    """What the target lacks of all that counts, or of one collection, of whatever tenant.

    Reads the whole ledger and the ids of all rows.

    Raises:
        NotFound: no document is, or was, in that collection.
    """
    seen = Examination("", "")
    for audit in ledger.audit():
        if collection in {None, audit.document.partition.collection}:
            seen.add(audit)
    if collection is not None and not seen.documents:
        raise NotFound(f"no document of any tenant is in a collection {collection!r}.")
    rows: dict[Partition, dict[tuple[str, int], set[int]]] = {}
    tasks: list[Task] = []
    chunks = 0
    for document, (_, document_id, generation), work in seen.counted():
        wanted = in_state(work, ChunkState.INDEXED)
        chunks += len(wanted)
        partition = document.partition
        if partition not in rows:
            rows[partition] = _rows(target, partition)
        missing = wanted - rows[partition].get((document_id, generation), set())
        if missing:
            tasks.append(Task(document, generation, work, frozenset(missing)))
    return Plan(tasks, len({one[:2] for one in seen.work}), chunks)


def _rows(target: VectorIndex, partition: Partition) -> dict[tuple[str, int], set[int]]:
    rows: dict[tuple[str, int], set[int]] = defaultdict(set)
    for document_id, generation, ordinal in target.entries(partition):
        rows[document_id, generation].add(ordinal)
    return rows
