"""The shared contract of indexes on Pinecone: the real SDK against a small server of ours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ragline.adapters.pinecone.index import PineconeIndexes
from ragline.domain.errors import SetupError
from ragline.ports import Indexes, VectorIndex
from tests.contract.pinecone import pinecone, serving
from tests.contract.test_vector_index import (
    ACME,
    ALL,
    DIMENSIONS,
    OTHER,
    IndexesContract,
    VectorIndexContract,
    X,
    row,
    seen,
)


@pytest.fixture
def indexes() -> Iterator[PineconeIndexes]:
    with serving() as server, pinecone(server) as made:
        yield made


class TestPineconeIndex(VectorIndexContract):
    @pytest.fixture
    def index(self, indexes: PineconeIndexes) -> VectorIndex:
        return indexes.of("mini-1")

    def test_vectors_of_another_length_are_refused_with_both_numbers(
        self, index: VectorIndex
    ) -> None:
        """As elsewhere; but all partitions of a Pinecone index have vectors of one length."""
        longer = np.ones(DIMENSIONS + 3, dtype=np.float32)
        index.upsert(ACME, [row()])
        both = r"acme/handbook holds vectors of 8 numbers.* 11 came.*same embedding model"
        with pytest.raises(SetupError, match=both):
            index.upsert(ACME, [row("other"), row("long", vector=longer)])
        with pytest.raises(SetupError, match=both):
            index.dense(ACME, longer, 1, ALL)
        with pytest.raises(SetupError, match=r"letters holds vectors of 8 numbers.* 11 came"):
            index.upsert(OTHER, [row(vector=longer)])
        assert (index.count(ACME), index.count(OTHER)) == (1, 0)


class TestPineconeIndexes(IndexesContract):
    @pytest.fixture
    def indexes(self, indexes: PineconeIndexes) -> Indexes:
        return indexes

    def test_each_model_has_rows_of_its_own(self, indexes: Indexes) -> None:
        old, new = indexes.of("mini-1"), indexes.of("mini-1-int8")
        old.upsert(ACME, [row("a"), row("b")])
        new.upsert(ACME, [row("a")])
        assert (old.count(ACME), new.count(ACME)) == (2, 1)
        assert [hit.document_id for hit in new.dense(ACME, X, 5, ALL)] == ["a"]
        old.delete(ACME, "a")
        assert (seen(old, ALL), new.count(ACME)) == ({"b"}, 1)

    def test_what_was_dropped_can_be_written_anew(self, indexes: Indexes) -> None:
        index = indexes.of("mini-1")
        index.upsert(ACME, [row("old", n) for n in range(3)])
        indexes.drop(ACME, "mini-1")
        index.upsert(ACME, [row("new")])
        assert [hit.document_id for hit in index.dense(ACME, X, 5, ALL)] == ["new"]
