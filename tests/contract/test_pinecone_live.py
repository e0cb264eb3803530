"""The same contract on the real Pinecone, where a key and an index for tests are given.

    RAGLINE_PINECONE_API_KEY=… RAGLINE_PINECONE_HOST=https://….pinecone.io \\
        python -m pytest tests/contract/test_pinecone_live.py

The index is made as docs/pinecone.md says, with 8 dimensions. Every test writes to partitions of
its own and drops them; each write is waited for, since Pinecone shows it late.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline.adapters.pinecone.index import PineconeIndex, PineconeIndexes
from ragline.domain.chunks import Row
from ragline.domain.documents import Partition
from ragline.ports import Indexes, VectorIndex
from tests.contract.test_pinecone import TestPineconeIndex as PineconeContract
from tests.contract.test_pinecone import TestPineconeIndexes as PineconeIndexesContract
from tests.contract.test_vector_index import ACME, ALL, BETA, OTHER, row

KEY = os.environ.get("RAGLINE_PINECONE_API_KEY", "")
HOST = os.environ.get("RAGLINE_PINECONE_HOST", "")
SHOWN_WITHIN = 120.0

if not (KEY and HOST):
    needs = "needs RAGLINE_PINECONE_API_KEY and RAGLINE_PINECONE_HOST"
    pytest.skip(needs, allow_module_level=True)

PARTITIONS = (ACME, OTHER, BETA)


class Patient(PineconeIndex):
    """Waits after each write until a search reports that it has seen it."""

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        super().upsert(partition, rows)
        if rows:
            self._catch_up(partition)

    def delete(
        self, partition: Partition, document_id: str, *, below: int | None = None, keep: int = 0
    ) -> None:
        super().delete(partition, document_id, below=below, keep=keep)
        if partition in self._writer._made:
            self._catch_up(partition)


class PatientIndexes(PineconeIndexes):
    """``mark`` sets the fingerprints of one test apart from all others."""

    def __init__(self, mark: str) -> None:
        super().__init__(HOST, lambda: KEY, secret="RAGLINE_PINECONE_API_KEY")
        self._mark = mark

    def of(self, fingerprint: str) -> PineconeIndex:
        made = super().of(fingerprint)  # refuses impossible names
        if not isinstance(made, Patient):
            name = f"{fingerprint}-{self._mark}"
            self._indexes[fingerprint] = Patient(self._connection, name, catch_up=SHOWN_WITHIN)
        return self._indexes[fingerprint]

    def fingerprints(self, partition: Partition) -> list[str]:
        end = f"-{self._mark}"
        return [f.removesuffix(end) for f in super().fingerprints(partition) if f.endswith(end)]


@pytest.fixture
def live() -> Iterator[PatientIndexes]:
    made = PatientIndexes(secrets.token_hex(4))
    yield made
    for index in list(made._indexes.values()):
        for partition in PARTITIONS:
            index.drop(partition)
    made.close()


class TestLiveIndex(PineconeContract):
    @pytest.fixture
    def index(self, live: PatientIndexes) -> VectorIndex:
        return live.of("mini-1")


class TestLiveIndexes(PineconeIndexesContract):
    @pytest.fixture
    def indexes(self, live: PatientIndexes) -> Indexes:
        return live


def test_a_query_is_answered_within_a_second(live: PatientIndexes) -> None:
    rng = np.random.default_rng(1)
    vectors: NDArray[np.float32] = rng.normal(size=(200, 8)).astype(np.float32)
    index = live.of("mini-1")
    index.upsert(ACME, [row(ordinal=n, vector=v) for n, v in enumerate(vectors)])
    took = []
    for vector in vectors[:20]:
        start = time.perf_counter()
        index.dense(ACME, vector, 100, ALL)
        took.append(time.perf_counter() - start)
    assert sorted(took)[10] < 1
