"""The vector indexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from ragline.domain.chunks import Candidate, Filter, Passage, Row
from ragline.domain.documents import Partition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class VectorIndex(Protocol):
    """Rows by meaning and by keyword. A cache of the ledger: it may hold rows that are not live."""

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those with the same chunk_id. Idempotent."""

    def delete(
        self, partition: Partition, document_id: str, *, below: int | None = None, keep: int = 0
    ) -> None:
        """Delete a document's rows: all, or those of generations below ``below``, but not those of
        generation ``keep``. Idempotent."""

    def optimize(self, partition: Partition) -> None:
        """Housekeeping, if it is due; only speed and cost depend on it. It never raises and returns
        within a minute: call it when all that was written is recorded."""

    def dense(
        self, partition: Partition, vector: NDArray[np.float32], limit: int, where: Filter
    ) -> list[Candidate]:
        """Nearest rows by cosine similarity, best first, among those that pass the filter."""

    def bm25(self, partition: Partition, query: str, limit: int, where: Filter) -> list[Candidate]:
        """Best rows by BM25, best first; rows that match no term are left out."""

    def passages(self, partition: Partition, candidates: Sequence[Candidate]) -> dict[str, Passage]:
        """What the rows hold that ``dense`` or ``bm25`` has just found, by chunk id.

        Those of rows that are gone by now are left out. A leg names many rows and few are shown:
        so what is long is read here, and only of those.
        """

    def count(self, partition: Partition, document_id: str | None = None) -> int:
        """Rows of the partition, or of one document in it; 0 for a partition never written."""

    def entries(self, partition: Partition) -> Iterator[tuple[str, int, int]]:
        """``(document_id, generation, ordinal)`` of every row, in no order; repeated as it is."""


class Indexes(Protocol):
    """The vector indexes of one store: one for each embedding model, for vectors of two never mix.

    So a collection can be embedded anew beside the index that answers, and switched to when done.
    """

    def of(self, fingerprint: str) -> VectorIndex:
        """The index of that model's vectors, always the same object; it may hold nothing yet."""

    def fingerprints(self, partition: Partition) -> list[str]:
        """The models whose vectors of this partition were ever written, sorted."""

    def partitions(self) -> list[Partition]:
        """Those that were ever written with vectors of any model, sorted."""

    def length(self) -> int | None:
        """How many numbers every vector must have; None if each model's may have its own."""

    def drop(self, partition: Partition, fingerprint: str) -> None:
        """Remove all that is kept of a partition's rows of one model; none is no error."""
