"""Indexes in a dictionary: the fake of the unit tests, and the textbook to rank like."""

from __future__ import annotations

import heapq
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ragline.domain.chunks import Candidate, Filter, Passage, Row
from ragline.domain.documents import Partition, Scalar, check_name
from ragline.domain.errors import ModelMismatch
from ragline.domain.stop_words import STOP_WORDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

K1, B = 1.2, 0.75

# Scripts that put no space between words: one character, one token.
_ALONE = r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
_TOKEN = re.compile(rf"{_ALONE}|(?:(?!{_ALONE})[^\W_])+")


class MemoryIndexes:
    """The Indexes of one process."""

    def __init__(self) -> None:
        self._indexes: dict[str, MemoryIndex] = {}

    def of(self, fingerprint: str) -> MemoryIndex:
        check_name(fingerprint, "fingerprint")
        return self._indexes.setdefault(fingerprint, MemoryIndex())

    def fingerprints(self, partition: Partition) -> list[str]:
        return sorted(name for name, one in self._indexes.items() if partition in one._partitions)

    def partitions(self) -> list[Partition]:
        """Those that were ever written with vectors of any model, sorted."""
        found = {partition for one in self._indexes.values() for partition in one._partitions}
        return sorted(found, key=lambda one: (one.tenant, one.collection))

    def length(self) -> int | None:
        return None

    def drop(self, partition: Partition, fingerprint: str) -> None:
        self.of(fingerprint)._clear(partition)


class MemoryIndex:
    """Exact cosine and Okapi BM25 over every row; nothing is kept between processes.

    ``ModelMismatch`` if vectors have another length than those of the partition's first upsert.
    """

    def __init__(self) -> None:
        self._partitions: dict[Partition, dict[str, Row]] = {}
        self._widths: dict[Partition, int] = {}

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        if rows:
            for row in rows:
                self._check(partition, row.vector, self._widths.get(partition, rows[0].vector.size))
            self._widths.setdefault(partition, rows[0].vector.size)
            written = self._partitions.setdefault(partition, {})
            written.update((row.chunk_id, row) for row in rows)

    def delete(
        self, partition: Partition, document_id: str, *, below: int | None = None, keep: int = 0
    ) -> None:
        rows = self._partitions.get(partition, {})
        for key, row in list(rows.items()):
            dead = (below is None or row.generation < below) and row.generation != keep
            if row.document_id == document_id and dead:
                del rows[key]

    def optimize(self, partition: Partition) -> None:
        """Nothing to do."""

    def dense(
        self, partition: Partition, vector: NDArray[np.float32], limit: int, where: Filter
    ) -> list[Candidate]:
        rows = self._rows(partition)
        self._check(partition, vector, self._widths.get(partition, vector.size))
        scored = [(_cosine(row.vector, vector), row) for row in rows if _passes(row, where)]
        return _best(scored, limit)

    def bm25(self, partition: Partition, query: str, limit: int, where: Filter) -> list[Candidate]:
        """Scores depend on all rows of the partition, whatever the filter lets through."""
        rows = self._rows(partition)
        scores = okapi(tokens(query), [Counter(tokens(row.chunk.searched)) for row in rows])
        pairs = zip(scores, rows, strict=True)
        return _best([(s, row) for s, row in pairs if s > 0 and _passes(row, where)], limit)

    def passages(self, partition: Partition, candidates: Sequence[Candidate]) -> dict[str, Passage]:
        rows = self._partitions.get(partition, {})
        found = (rows[one.chunk_id] for one in candidates if one.chunk_id in rows)
        return {
            row.chunk_id: Passage(
                row.document_id, row.generation, row.chunk, row.filename, row.metadata
            )
            for row in found
        }

    def count(self, partition: Partition, document_id: str | None = None) -> int:
        rows = self._rows(partition)
        return sum(1 for row in rows if document_id is None or row.document_id == document_id)

    def entries(self, partition: Partition) -> Iterator[tuple[str, int, int]]:
        for row in self._rows(partition):
            yield row.document_id, row.generation, row.chunk.ordinal

    def _clear(self, partition: Partition) -> None:
        self._partitions.pop(partition, None)
        self._widths.pop(partition, None)

    def _rows(self, partition: Partition) -> list[Row]:
        return list(self._partitions.get(partition, {}).values())

    def _check(self, partition: Partition, vector: NDArray[np.float32], width: int) -> None:
        if vector.shape != (width,):
            raise ModelMismatch(
                f"the index of {partition} holds vectors of {width} numbers, and one of "
                f"{vector.size} came: index and queries must use the same embedding model."
            )


def okapi(query: Iterable[str], texts: Sequence[Counter[str]]) -> list[float]:
    """The BM25 score of each text (its words counted) for a query; 0 where no word occurs.

    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with
    Lucene's idf, which is never negative. A word that the query repeats counts each time.
    """
    lengths = [text.total() for text in texts]
    average = sum(lengths) / len(texts) if any(lengths) else 1.0
    norms = [K1 * (1 - B + B * length / average) for length in lengths]
    scores = [0.0] * len(texts)
    for term, times in Counter(query).items():
        having = sum(1 for text in texts if term in text)
        idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for i, text in enumerate(texts):
            scores[i] += times * idf * text[term] * (K1 + 1) / (text[term] + norms[i])
    return scores


def tokens(text: str) -> Iterator[str]:
    """Lower-case words without accents and stop words; characters where a script has no spaces."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    return (word for word in _TOKEN.findall(plain) if word not in STOP_WORDS)


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(a @ b) / (math.sqrt(float(a @ a)) * math.sqrt(float(b @ b)))


def _passes(row: Row, where: Filter) -> bool:
    page, page_end = row.chunk.page, row.chunk.page_end or row.chunk.page
    return (
        (where.document_ids is None or row.document_id in where.document_ids)
        and all(_same(row.metadata.get(key), value) for key, value in where.metadata.items())
        and (where.page_from is None or (page_end is not None and page_end >= where.page_from))
        and (where.page_to is None or (page is not None and page <= where.page_to))
    )


def _same(a: Scalar | None, b: Scalar) -> bool:
    return type(a) is type(b) and a == b


def _best(scored: Sequence[tuple[float, Row]], limit: int) -> list[Candidate]:
    best = heapq.nlargest(limit, scored, key=lambda pair: pair[0])
    return [
        Candidate(row.document_id, row.generation, row.chunk.ordinal, score) for score, row in best
    ]
