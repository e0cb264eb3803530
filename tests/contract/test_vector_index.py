"""What every VectorIndex does: one suite, run on the fake and on LanceDB in a folder.

``VectorIndexContract`` can be run on any other place: subclass it, give it an ``index`` fixture
that is empty for ``ACME``, ``OTHER`` and ``BETA``; ``IndexesContract`` likewise, with ``indexes``.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ragline.adapters.lance import index as lance_index
from ragline.adapters.lance import queries as lance_queries
from ragline.adapters.lance import rows as lance_rows
from ragline.adapters.lance import store as lance_store
from ragline.adapters.lance import tables as lance_tables
from ragline.adapters.lance import upkeep as lance_upkeep
from ragline.adapters.lance.index import LanceIndex, LanceIndexes
from ragline.adapters.memory.index import MemoryIndex, MemoryIndexes
from ragline.domain.chunks import Candidate, Chunk, Filter, Passage, Row
from ragline.domain.documents import Partition, Scalar
from ragline.domain.errors import InvalidRequest, ServiceUnavailable, SetupError
from ragline.ports import Indexes, VectorIndex

DIMENSIONS = 8
ACME = Partition("acme", "handbook")
OTHER = Partition("acme", "letters")
BETA = Partition("beta", "handbook")
ALL = Filter()
NOW = timedelta(milliseconds=1)


def unit(*numbers: float) -> NDArray[np.float32]:
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


X, Y = unit(1), unit(0, 1)


def row(
    document_id: str = "doc",
    ordinal: int = 0,
    text: str = "a quick brown fox",
    *,
    generation: int = 1,
    vector: NDArray[np.float32] = X,
    pages: tuple[int | None, int | None] = (None, None),
    metadata: Mapping[str, Scalar] | None = None,
) -> Row:
    chunk = Chunk(ordinal, text, tokens=4, start=0, end=len(text), page=pages[0], page_end=pages[1])
    return Row(document_id, generation, chunk, "fox.txt", vector, metadata or {})


def ids(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.chunk_id for candidate in candidates]


def texts(index: VectorIndex, candidates: Sequence[Candidate]) -> list[str]:
    passages = index.passages(ACME, candidates)
    return [passages[one.chunk_id].chunk.text for one in candidates]


def seen(index: VectorIndex, where: Filter, partition: Partition = ACME) -> set[str]:
    """The documents that the filter lets through; both legs must agree."""
    dense = {hit.document_id for hit in index.dense(partition, X, 100, where)}
    bm25 = {hit.document_id for hit in index.bm25(partition, "fox", 100, where)}
    assert dense == bm25
    return dense


class VectorIndexContract:
    def test_a_passage_is_the_row_that_was_written(self, index: VectorIndex) -> None:
        chunk = Chunk(
            ordinal=7,
            text="Füchse jagen „nachts“ 🦊\n\tim Wald",
            tokens=9,
            start=120,
            end=153,
            headings=("Tiere", 'Der Fuchs\'s "Bau"'),
            page=3,
            page_end=4,
        )
        metadata: dict[str, Scalar] = {
            "lang": "de",
            "year": 2024,
            "weight": 0.5,
            "draft": True,
            "": "",
            "a=b": "'c\\",
        }
        index.upsert(ACME, [Row("doc", 2, chunk, "Füchse.pdf", unit(3, 4), metadata)])
        dense, bm25 = index.dense(ACME, X, 5, ALL), index.bm25(ACME, "nachts", 5, ALL)
        for found in (dense, bm25):
            assert [(c.document_id, c.generation, c.ordinal) for c in found] == [("doc", 2, 7)]
            passages = index.passages(ACME, found)
            assert passages == {"doc:2:7": Passage("doc", 2, chunk, "Füchse.pdf", metadata)}
            assert [type(value) for value in passages["doc:2:7"].metadata.values()] == [
                type(value) for value in metadata.values()
            ]

    def test_passages_are_read_of_the_candidates_that_are_asked_for(
        self, index: VectorIndex
    ) -> None:
        index.upsert(ACME, [row(ordinal=n, text=f"fox number{n}") for n in range(9)])
        index.upsert(OTHER, [row(ordinal=n, text="another fox") for n in range(9)])
        some = index.dense(ACME, X, 9, ALL)[2:5] + index.bm25(ACME, "number7", 1, ALL)
        passages = index.passages(ACME, some)
        assert {key: one.chunk.text for key, one in passages.items()} == {
            one.chunk_id: f"fox number{one.ordinal}" for one in some
        }
        assert index.passages(ACME, []) == {}

    def test_dense_hits_come_nearest_first_with_their_cosine(self, index: VectorIndex) -> None:
        vectors = [unit(1, slope) for slope in (2, 0.5, 0, -1)]
        index.upsert(ACME, [row(ordinal=i, vector=v) for i, v in enumerate(vectors)])
        hits = index.dense(ACME, X, 3, ALL)
        assert [hit.ordinal for hit in hits] == [2, 1, 3]
        expected = [1, 1 / math.hypot(1, 0.5), 1 / math.hypot(1, 1)]
        assert [hit.score for hit in hits] == pytest.approx(expected, abs=1e-3)

    def test_opposite_vectors_score_minus_one(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(vector=unit(-1))])
        assert [hit.score for hit in index.dense(ACME, X, 1, ALL)] == pytest.approx([-1], abs=1e-3)

    def test_rare_words_count_more_and_rows_without_any_are_left_out(
        self, index: VectorIndex
    ) -> None:
        texts = ["fox and hound", "fox and hen", "fox and fox cubs", "hen only", "badger"]
        index.upsert(ACME, [row(ordinal=i, text=text) for i, text in enumerate(texts)])
        hits = index.bm25(ACME, "the fox with a hound", 10, ALL)
        assert ids(hits)[0] == "doc:1:0"
        assert sorted(ids(hits)) == ["doc:1:0", "doc:1:1", "doc:1:2"]
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert all(hit.score > 0 for hit in hits)

    def test_limit_bounds_both_legs(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(ordinal=i) for i in range(5)])
        for limit in (0, 1, 3, 5, 50):
            assert len(index.dense(ACME, X, limit, ALL)) == min(limit, 5)
            assert len(index.bm25(ACME, "fox", limit, ALL)) == min(limit, 5)

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("Der Café-Besitzer heißt Müller", "cafe muller"),
            ("Article 3 of the treaty", "article 3"),
            ("see ERROR 42 in the log", "error 42"),
            ("黑豹队的防守只丢了 308分", "防守"),
            ("ประเทศไทยมี 77 จังหวัด", "จังหวัด"),
            ("東京都に住んでいます", "東京"),
            ("ИНДЕКС документов", "индекс"),
            ("user@example.com wrote", "example"),
        ],
    )
    def test_words_are_found_in_any_script(self, index: VectorIndex, text: str, query: str) -> None:
        index.upsert(ACME, [row("other", text="nothing of the kind"), row("doc", text=text)])
        hits = index.bm25(ACME, query, 5, ALL)
        assert [hit.document_id for hit in hits] == ["doc"]

    def test_a_single_digit_decides_between_two_passages(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(ordinal=i, text=f"article {i} says so") for i in range(1, 6)])
        assert ids(index.bm25(ACME, "article 3", 1, ALL)) == ["doc:1:3"]

    @pytest.mark.parametrize(
        "query",
        ['"fox', "+fox", "-fox", "fox:", "(fox", "fox*", "'fox'", "fox\0", "🦊 fox", "fox\\",
         "fox~2", "fox^3", "[fox TO", "fox\ud800", "fox AND", "{fox}", "fox;--", "%fox%"],
    )  # fmt: skip
    def test_no_character_of_a_query_is_an_operator(self, index: VectorIndex, query: str) -> None:
        index.upsert(ACME, [row("doc"), row("hen", text="a hen")])
        assert [hit.document_id for hit in index.bm25(ACME, query, 5, ALL)] == ["doc"]

    @pytest.mark.parametrize(
        "query", ["", " ", '"', "+", "-", ":", "(", "*", "'", "\0", "🦊", "the of and", "xyzzy"]
    )
    def test_a_query_without_words_that_occur_finds_nothing(
        self, index: VectorIndex, query: str
    ) -> None:
        index.upsert(ACME, [row()])
        assert index.bm25(ACME, query, 5, ALL) == []

    def test_writing_the_same_rows_again_changes_nothing(self, index: VectorIndex) -> None:
        rows = [row(ordinal=i, text=f"fox number{i}") for i in range(4)]
        index.upsert(ACME, rows)
        before = ids(index.dense(ACME, X, 10, ALL)), ids(index.bm25(ACME, "number2", 10, ALL))
        for again in (rows, rows[:2], [rows[3], rows[1]]):
            index.upsert(ACME, again)
        assert index.count(ACME) == 4
        assert sorted(ids(index.dense(ACME, X, 10, ALL))) == sorted(before[0])
        assert ids(index.bm25(ACME, "number2", 10, ALL)) == before[1] == ["doc:1:2"]

    def test_a_row_with_a_known_chunk_id_replaces_the_old_one(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(text="old fox", vector=X)])
        index.upsert(ACME, [row(text="new hen", vector=Y)])
        assert index.bm25(ACME, "fox", 5, ALL) == []
        assert texts(index, index.bm25(ACME, "hen", 5, ALL)) == ["new hen"]
        assert [hit.score for hit in index.dense(ACME, Y, 5, ALL)] == pytest.approx([1], abs=1e-3)

    def test_of_two_rows_with_one_chunk_id_in_a_call_the_last_counts(
        self, index: VectorIndex
    ) -> None:
        index.upsert(ACME, [row(text="first fox"), row(text="second fox")])
        assert texts(index, index.bm25(ACME, "fox", 5, ALL)) == ["second fox"]
        assert index.count(ACME) == 1

    def test_no_rows_are_no_error(self, index: VectorIndex) -> None:
        index.upsert(ACME, [])
        assert index.count(ACME) == 0

    def test_text_without_a_utf8_form_can_be_indexed(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(text="fox \ud800 den", metadata={"note": "\udfff"})])
        assert len(index.bm25(ACME, "den", 5, Filter(metadata={"note": "\udfff"}))) == 1

    def test_a_partition_never_written_is_empty(self, index: VectorIndex) -> None:
        assert index.dense(ACME, X, 5, ALL) == []
        assert index.bm25(ACME, "fox", 5, ALL) == []
        assert index.count(ACME) == index.count(ACME, "doc") == 0
        index.delete(ACME, "doc")

    def test_partitions_do_not_see_one_another(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row("ours")])
        index.upsert(OTHER, [row("letter")])
        index.upsert(BETA, [row("theirs"), row("ours")])
        assert seen(index, ALL) == {"ours"}
        assert seen(index, ALL, OTHER) == {"letter"}
        index.delete(BETA, "ours")
        assert seen(index, ALL) == {"ours"}
        assert seen(index, ALL, BETA) == {"theirs"}

    def test_delete_takes_a_whole_document(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row("doc", i, generation=g) for g in (1, 2) for i in (0, 1)])
        index.upsert(ACME, [row("docs"), row("Doc")])
        index.delete(ACME, "doc")
        index.delete(ACME, "doc")
        assert seen(index, ALL) == {"docs", "Doc"}
        assert index.count(ACME, "doc") == 0

    def test_delete_below_takes_older_generations_only(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(generation=g) for g in (1, 2, 3, 10)])
        index.delete(ACME, "doc", below=3)
        assert {hit.generation for hit in index.dense(ACME, X, 9, ALL)} == {3, 10}
        index.delete(ACME, "doc", below=0)
        assert index.count(ACME) == 2
        index.delete(ACME, "doc", below=11, keep=3)
        assert {hit.generation for hit in index.dense(ACME, X, 9, ALL)} == {3}

    def test_an_emptied_partition_can_be_filled_again(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row("doc")])
        index.delete(ACME, "doc")
        assert seen(index, ALL) == set()
        index.upsert(ACME, [row("new")])
        assert seen(index, ALL) == {"new"}

    def test_count_of_a_partition_and_of_a_document(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row("a", i) for i in range(3)] + [row("b"), row("b", generation=2)])
        assert (index.count(ACME), index.count(ACME, "a"), index.count(ACME, "b")) == (5, 3, 2)
        assert index.count(ACME, "none") == index.count(ACME, "") == 0

    def test_entries_are_every_row_of_the_partition(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row("a", n, generation=g) for g in (1, 3) for n in (0, 200_000)])
        index.upsert(ACME, [row("b"), row("c")])
        index.upsert(ACME, [row("a", 0, generation=3)])
        index.upsert(OTHER, [row("letter")])
        index.delete(ACME, "c")
        expected = [("a", 1, 0), ("a", 1, 200_000), ("a", 3, 0), ("a", 3, 200_000), ("b", 1, 0)]
        assert sorted(index.entries(ACME)) == expected
        assert list(index.entries(OTHER)) == [("letter", 1, 0)]

    def test_entries_may_be_deleted_while_they_are_read(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(name) for name in ("a", "b", "c")])
        for document_id, _, _ in index.entries(ACME):
            index.delete(ACME, document_id)
        assert list(index.entries(ACME)) == []

    def test_filter_by_document(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(name) for name in ("a", "b", "c")])
        assert seen(index, Filter(document_ids=["a", "c", "x"])) == {"a", "c"}

    def test_a_filter_of_no_documents_lets_nothing_through(self, index: VectorIndex) -> None:
        index.upsert(ACME, [row(name) for name in ("a", "b", "c")])
        assert seen(index, Filter(document_ids=[])) == set()
        assert seen(index, Filter(document_ids=None)) == {"a", "b", "c"}

    def test_filter_by_metadata_compares_value_and_type(self, index: VectorIndex) -> None:
        values: dict[str, Scalar] = {
            "int": 1, "text": "1", "true": True, "float": 1.0, "half": 0.5, "false": False,
            "zero": 0, "empty": "", "quote": "it's", "null": "null", "big": 2**53 + 1,
            "bigger": 2**53 + 2, "minus": -0.0, "tiny": 1e-300,
        }  # fmt: skip
        index.upsert(ACME, [row(name, metadata={"k": value}) for name, value in values.items()])
        index.upsert(ACME, [row("none"), row("elsewhere", metadata={"j": 1})])
        for name, value in values.items():
            assert seen(index, Filter(metadata={"k": value})) == {name}, value
        assert seen(index, Filter(metadata={"k": 0.0})) == {"minus"}
        assert seen(index, Filter(metadata={"k": 2})) == set()

    def test_every_condition_must_hold(self, index: VectorIndex) -> None:
        index.upsert(
            ACME,
            [
                row("a", metadata={"lang": "de", "year": 1}, pages=(1, 1)),
                row("b", metadata={"lang": "de", "year": 2}, pages=(2, 2)),
                row("c", metadata={"lang": "en", "year": 2}, pages=(2, 2)),
            ],
        )
        assert seen(index, Filter(metadata={"lang": "de", "year": 2})) == {"b"}
        assert seen(index, Filter(("a", "c"), {"year": 2}, page_from=2)) == {"c"}
        assert seen(index, Filter(("a",), {"year": 2})) == set()

    def test_filter_by_pages_is_inclusive_and_takes_passages_that_reach_in(
        self, index: VectorIndex
    ) -> None:
        spans = {"one": (1, 1), "two-three": (2, 3), "four": (4, 4), "five": (5, None)}
        index.upsert(ACME, [row(name, pages=pages) for name, pages in spans.items()])
        index.upsert(ACME, [row("pageless")])
        assert seen(index, Filter(page_from=3)) == {"two-three", "four", "five"}
        assert seen(index, Filter(page_to=2)) == {"one", "two-three"}
        assert seen(index, Filter(page_from=3, page_to=4)) == {"two-three", "four"}
        assert seen(index, Filter(page_from=5, page_to=5)) == {"five"}
        assert seen(index, Filter(page_from=6)) == set()

    def test_a_filter_does_not_cost_hits(self, index: VectorIndex) -> None:
        many = [row("many", i, vector=X) for i in range(60)]
        index.upsert(ACME, [*many, row("few", text="fox among hens, far off", vector=Y)])
        where = Filter(document_ids=["few"])
        assert ids(index.dense(ACME, X, 3, where)) == ["few:1:0"]
        assert ids(index.bm25(ACME, "fox", 3, where)) == ["few:1:0"]

    def test_vectors_of_another_length_are_refused_with_both_numbers(
        self, index: VectorIndex
    ) -> None:
        longer = np.ones(DIMENSIONS + 3, dtype=np.float32)
        index.upsert(ACME, [row()])
        both = r"acme/handbook holds vectors of 8 numbers.* 11 came.*same embedding model"
        with pytest.raises(SetupError, match=both):
            index.upsert(ACME, [row("other"), row("long", vector=longer)])
        with pytest.raises(SetupError, match=both):
            index.dense(ACME, longer, 1, ALL)
        with pytest.raises(SetupError, match=r"letters holds vectors of 11 numbers.* 8 came"):
            index.upsert(OTHER, [row(vector=longer), row("short")])
        assert (index.count(ACME), index.count(OTHER)) == (1, 0)
        index.upsert(OTHER, [row("long", vector=longer)])
        assert [hit.document_id for hit in index.dense(OTHER, longer, 5, ALL)] == ["long"]


class IndexesContract:
    def test_each_model_has_rows_of_its_own(self, indexes: Indexes) -> None:
        old, new = indexes.of("mini-1"), indexes.of("mini-1-int8")
        wide = np.ones(DIMENSIONS * 2, dtype=np.float32)
        old.upsert(ACME, [row("a"), row("b")])
        new.upsert(ACME, [row("a", vector=wide)])
        assert (old.count(ACME), new.count(ACME)) == (2, 1)
        assert [hit.document_id for hit in new.dense(ACME, wide, 5, ALL)] == ["a"]
        old.delete(ACME, "a")
        assert (seen(old, ALL), new.count(ACME)) == ({"b"}, 1)

    def test_the_index_of_a_model_is_always_the_same_object(self, indexes: Indexes) -> None:
        assert indexes.of("mini-1") is indexes.of("mini-1")
        assert indexes.of("mini-1") is not indexes.of("mini-2")

    def test_a_store_tells_the_length_that_all_vectors_must_have_if_there_is_one(
        self, indexes: Indexes
    ) -> None:
        indexes.of("mini-1").upsert(ACME, [row()])
        if indexes.length() is None:
            indexes.of("mini-2").upsert(ACME, [row(vector=np.ones(3, dtype=np.float32))])
        else:
            assert indexes.length() == row().vector.size

    def test_fingerprints_are_those_that_were_ever_written_sorted(self, indexes: Indexes) -> None:
        indexes.of("never").count(ACME)
        assert indexes.fingerprints(ACME) == []
        for name in ("mini-2", "mini-1", "mini-1-int8"):
            indexes.of(name).upsert(ACME, [row()])
        indexes.of("mini-9").upsert(OTHER, [row()])
        indexes.of("mini-1").delete(ACME, "doc")
        assert indexes.fingerprints(ACME) == ["mini-1", "mini-1-int8", "mini-2"]
        assert indexes.fingerprints(OTHER) == ["mini-9"]

    def test_partitions_are_those_that_were_ever_written_sorted(self, indexes: Indexes) -> None:
        index = indexes.of("mini-1")
        assert indexes.partitions() == []
        assert index.count(BETA) == 0
        index.delete(BETA, "doc")
        index.upsert(BETA, [])
        assert (list(index.entries(BETA)), indexes.partitions()) == ([], [])
        for partition in (OTHER, BETA, ACME):
            index.upsert(partition, [row()])
        indexes.of("mini-9").upsert(ACME, [row()])
        index.delete(OTHER, "doc")
        assert indexes.partitions() == [ACME, OTHER, BETA]

    def test_dropping_takes_one_model_of_one_partition(self, indexes: Indexes) -> None:
        for name in ("mini-1", "mini-2"):
            for partition in (ACME, OTHER):
                indexes.of(name).upsert(partition, [row()])
        indexes.drop(ACME, "mini-1")
        indexes.drop(ACME, "mini-1")
        indexes.drop(ACME, "never")
        indexes.drop(BETA, "mini-1")
        assert indexes.fingerprints(ACME) == ["mini-2"]
        assert (seen(indexes.of("mini-1"), ALL), seen(indexes.of("mini-2"), ALL)) == (
            set(),
            {"doc"},
        )
        assert indexes.fingerprints(OTHER) == ["mini-1", "mini-2"]

    def test_what_was_dropped_can_be_written_anew(self, indexes: Indexes) -> None:
        index = indexes.of("mini-1")
        index.upsert(ACME, [row("old", n) for n in range(3)])
        indexes.drop(ACME, "mini-1")
        wide = np.ones(DIMENSIONS * 2, dtype=np.float32)
        index.upsert(ACME, [row("new", vector=wide)])
        assert [hit.document_id for hit in index.dense(ACME, wide, 5, ALL)] == ["new"]

    def test_a_fingerprint_that_could_be_taken_for_another_is_refused(
        self, indexes: Indexes
    ) -> None:
        for name in ("", "a.b", "A", "../a", "a/b"):
            with pytest.raises(InvalidRequest, match="fingerprint"):
                indexes.of(name)


class TestMemoryIndexes(IndexesContract):
    @pytest.fixture
    def indexes(self) -> Indexes:
        return MemoryIndexes()


class TestLanceIndexes(IndexesContract):
    @pytest.fixture
    def indexes(self, tmp_path: Path) -> Indexes:
        return LanceIndexes(str(tmp_path))


class TestMemoryIndex(VectorIndexContract):
    @pytest.fixture
    def index(self) -> VectorIndex:
        return MemoryIndex()


class TestLanceIndex(VectorIndexContract):
    @pytest.fixture
    def index(self, tmp_path: Path) -> VectorIndex:
        return LanceIndex(str(tmp_path))


class Folding(LanceIndex):
    """Optimizes after each write, as the indexer does."""

    def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
        super().upsert(partition, rows)
        self.optimize(partition)

    def delete(
        self, partition: Partition, document_id: str, *, below: int | None = None, keep: int = 0
    ) -> None:
        super().delete(partition, document_id, below=below, keep=keep)
        self.optimize(partition)


class TestFoldedLanceIndex(VectorIndexContract):
    """The same with every commit folded at once: rows come from the keyword index, not a scan."""

    @pytest.fixture
    def index(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VectorIndex:
        monkeypatch.setattr(lance_upkeep, "MAX_COMMITS", 1)
        return Folding(str(tmp_path))


@pytest.fixture
def lance(tmp_path: Path) -> LanceIndex:
    return LanceIndex(str(tmp_path))


def fragments(index: LanceIndex) -> int:
    stats: Any = index._tables._handles[ACME].table.stats()
    return int(stats["fragment_stats"]["num_fragments"])


def test_a_reader_sees_every_commit_of_another_process_at_once(tmp_path: Path) -> None:
    writer = LanceIndex(str(tmp_path))
    reader = LanceIndex(str(tmp_path))
    assert seen(reader, ALL) == set()
    writer.upsert(ACME, [row("a")])
    assert seen(reader, ALL) == {"a"}
    writer.upsert(ACME, [row("b")])
    assert seen(reader, ALL) == {"a", "b"}
    writer._tables.run(ACME, lance_upkeep.fold)
    writer.delete(ACME, "a")
    assert seen(reader, ALL) == {"b"}


def clustered(rows: int, width: int = 32, seed: int = 7) -> NDArray[np.float32]:
    """Unit vectors around a few dozen centres, as embeddings of text are."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((40, width))
    noise = 0.6 * random.standard_normal((rows, width))
    vectors = (centres[random.integers(0, 40, rows)] + noise).astype(np.float32)
    found: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> LanceIndex:
    """An index with all its kinds of index made, over vectors of 32 numbers."""
    monkeypatch.setattr(lance_upkeep, "ANN_FROM_ROWS", rows)
    index = LanceIndex(str(tmp_path))
    vectors = clustered(rows)
    index.upsert(ACME, [row("many", n, f"fox number{n}", vector=v) for n, v in enumerate(vectors)])
    index._tables.run(ACME, lance_upkeep.fold)
    made = index._tables._handles[ACME].table.list_indices()
    assert {one.name for one in made} == {lance_upkeep.TEXT_INDEX, lance_upkeep.VECTOR_INDEX}
    return index


def plan_of(index: LanceIndex, vector: NDArray[np.float32]) -> str:
    query = index._tables._handles[ACME].table.search(vector, vector_column_name="vector")
    return str(query.distance_type("cosine").limit(10).explain_plan(verbose=True))


def test_the_index_of_vectors_finds_what_reading_all_of_them_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = indexed(tmp_path, monkeypatch, 4_000)
    assert "ANN" in plan_of(index, clustered(1)[0])
    vectors, queries = clustered(4_000), clustered(50, seed=8)
    found = 0
    for query in queries:
        exact = np.argsort(-(vectors @ query))[:10]
        hits = index.dense(ACME, query, 100, ALL)
        found += len({hit.ordinal for hit in hits[:10]} & set(exact.tolist()))
        assert len(hits) == 100
        expected = [float(vectors[hit.ordinal] @ query) for hit in hits]
        assert [hit.score for hit in hits] == pytest.approx(expected, abs=2e-3)
    assert found / (10 * len(queries)) >= 0.99


def test_a_filter_that_lets_few_rows_through_costs_the_dense_leg_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they are: in partitions of the index far from the query, too."""
    from lancedb.index import IvfSq

    monkeypatch.setattr(lance_upkeep, "ANN_FROM_ROWS", 4_000)
    monkeypatch.setattr(lance_upkeep, "_vector_index", lambda: IvfSq("cosine", num_partitions=40))
    monkeypatch.setattr(lance_queries, "NPROBES", 2)
    index = LanceIndex(str(tmp_path))
    vectors = clustered(4_000)
    rows = [row("rare" if n % 20 == 0 else "other", n, vector=v) for n, v in enumerate(vectors)]
    index.upsert(ACME, rows)
    index._tables.run(ACME, lance_upkeep.fold)
    assert "ANN" in plan_of(index, vectors[1])
    hits = index.dense(ACME, vectors[1], 300, Filter(document_ids=["rare"]))
    assert len(hits) == 200
    assert {hit.document_id for hit in hits} == {"rare"}


def test_a_small_table_has_no_index_of_vectors(lance: LanceIndex) -> None:
    lance.upsert(ACME, [row(ordinal=n) for n in range(50)])
    lance._tables.run(ACME, lance_upkeep.fold)
    assert "ANN" not in plan_of(lance, X)


@pytest.mark.parametrize("rows", [0, 600])
def test_a_unique_word_and_a_unique_vector_are_found_and_gone_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Without an index of any kind over them, and beside indexes over all other rows."""
    writer = indexed(tmp_path, monkeypatch, rows) if rows else LanceIndex(str(tmp_path))
    reader = LanceIndex(str(tmp_path))
    lone = np.eye(32, dtype=np.float32)
    for n in range(3):
        writer.upsert(ACME, [row(f"new{n}", text=f"a wombat{n}", vector=lone[n])])
        for index in (writer, reader):
            assert ids(index.bm25(ACME, f"wombat{n}", 5, ALL)) == [f"new{n}:1:0"]
            assert index.dense(ACME, lone[n], 5, ALL)[0].document_id == f"new{n}"
    for n in range(3):
        writer.delete(ACME, f"new{n}")
        for index in (writer, reader):
            assert index.bm25(ACME, f"wombat{n}", 5, ALL) == []
            nearest = index.dense(ACME, lone[n], 5, ALL)
            assert f"new{n}" not in {hit.document_id for hit in nearest}


def test_rows_come_and_go_at_once_while_the_table_is_folded_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = indexed(tmp_path, monkeypatch, 600)
    done = threading.Event()
    folds = 0

    def folds_on() -> None:
        nonlocal folds
        other = LanceIndex(str(tmp_path))
        while not done.is_set():
            with contextlib.suppress(RuntimeError):  # a commit came in between: it tries again
                other._tables.run(ACME, lance_upkeep.fold)
                folds += 1

    folder = threading.Thread(target=folds_on)
    folder.start()
    try:
        reader = LanceIndex(str(tmp_path))
        lone = np.eye(32, dtype=np.float32)
        for n in range(25):
            writer.upsert(ACME, [row(f"new{n}", text=f"a wombat{n}", vector=lone[n])])
            assert ids(reader.bm25(ACME, f"wombat{n}", 5, ALL)) == [f"new{n}:1:0"]
            assert reader.dense(ACME, lone[n], 5, ALL)[0].document_id == f"new{n}"
            if n % 2:
                writer.delete(ACME, f"new{n}")
                assert reader.bm25(ACME, f"wombat{n}", 5, ALL) == []
    finally:
        done.set()
        folder.join()
    assert folds > 0
    assert reader.count(ACME) == 600 + 13


def test_a_fold_that_takes_long_is_not_waited_for_and_not_begun_twice(
    lance: LanceIndex, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, end = [], threading.Event()

    def slow(handle: object) -> None:
        begun.append(handle)
        end.wait(10)

    monkeypatch.setattr(lance_upkeep, "MAX_COMMITS", 1)
    monkeypatch.setattr(lance_upkeep, "FOLD_SECONDS", 0.05)
    monkeypatch.setattr(lance_upkeep, "fold", slow)
    for n in range(3):
        lance.upsert(ACME, [row(ordinal=n)])
        lance.optimize(ACME)
    assert len(begun) == 1
    assert "folding the index of acme/handbook takes more than" in caplog.text
    assert lance.count(ACME) == 3
    end.set()
    folding = lance._tables._handles[ACME].folding
    assert folding is not None
    folding.join()
    lance.upsert(ACME, [row(ordinal=3)])
    lance.optimize(ACME)
    assert len(begun) == 2


def test_a_table_that_lies_idle_is_tidied_once_and_then_left(
    tmp_path: Path, lance: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        lance.upsert(ACME, [row(ordinal=n)])
    fresh = LanceIndex(str(tmp_path))
    fresh.optimize(ACME)
    assert fragments(fresh) == 6, "it was written a moment ago"
    monkeypatch.setattr(lance_upkeep, "IDLE", timedelta(0))
    monkeypatch.setattr(lance_upkeep, "KEEP_OLD_VERSIONS", timedelta(milliseconds=1))
    fresh = LanceIndex(str(tmp_path))
    fresh.optimize(ACME)
    assert fragments(fresh) == 1
    fresh.optimize(ACME)  # what the fold itself left
    handle = fresh._tables._handles[ACME]
    assert not lance_upkeep.is_due(handle)
    assert not lance_upkeep.lies_untidy(handle)


def test_a_large_table_is_folded_when_it_pays_or_when_the_last_fold_is_long_past() -> None:
    handle = lance_tables.Handle(table=None, width=8, known=True, indexed=100_000, commits=3)
    handle.unindexed, handle.fold_took = 1_500, 2.0
    handle.folded_at = time.monotonic() - 15
    assert not lance_upkeep.is_due(handle)
    handle.folded_at = time.monotonic() - 21
    assert lance_upkeep.is_due(handle)
    handle.unindexed = 900
    assert not lance_upkeep.is_due(handle)
    handle.unindexed, handle.folded_at = 4_200, time.monotonic()
    assert lance_upkeep.is_due(handle)
    handle.folded_in_vain()
    handle.wrote(rows=100)
    assert not lance_upkeep.is_due(handle), "that fold failed, and little came since"
    handle.wrote(rows=4_300)
    assert lance_upkeep.is_due(handle)


def test_housekeeping_of_a_partition_without_rows_is_nothing(lance: LanceIndex) -> None:
    lance.optimize(ACME)
    assert lance._tables.kept(ACME) is None


def test_a_table_dropped_under_an_open_handle_is_an_empty_partition(
    tmp_path: Path, lance: LanceIndex
) -> None:
    lance.upsert(ACME, [row("old", i) for i in range(3)])
    assert seen(lance, ALL) == {"old"}
    lance._tables._store.connection.drop_table("acme.handbook.default")
    assert seen(lance, ALL) == set()
    assert lance.count(ACME) == 0
    lance.upsert(ACME, [row("new")])
    assert seen(lance, ALL) == {"new"}


@pytest.mark.parametrize("commits", [1, 2, 3, 6])
def test_a_table_made_anew_under_an_open_handle_is_read_as_it_is_now(
    tmp_path: Path, lance: LanceIndex, commits: int
) -> None:
    for i in range(3):
        lance.upsert(ACME, [row("old", i)])
    assert seen(lance, ALL) == {"old"}
    another = LanceIndex(str(tmp_path))
    another._tables._store.connection.drop_table("acme.handbook.default")
    for i in range(commits):
        another.upsert(ACME, [row("new", i)])
    assert seen(lance, ALL) == {"new"}
    assert lance.count(ACME) == commits
    lance.upsert(ACME, [row("mine")])
    assert seen(another, ALL) == {"new", "mine"}


def test_fragments_and_uncovered_rows_stay_bounded_without_any_scheduled_job(
    lance: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_upkeep, "MAX_COMMITS", 4)
    for i in range(14):
        lance.upsert(ACME, [row(ordinal=i, text=f"fox number{i}")])
        lance.optimize(ACME)
        assert fragments(lance) <= 5, "those of 4 commits, and the folded one"
    covered = lance._tables._handles[ACME].table.index_stats(lance_upkeep.TEXT_INDEX)
    assert covered.num_indexed_rows >= 12
    assert lance.count(ACME) == 14
    assert ids(lance.bm25(ACME, "number3 number13", 5, ALL)) != []


def test_a_writer_that_starts_anew_takes_up_the_count_of_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_upkeep, "MAX_COMMITS", 4)
    for i in range(9):
        fresh = LanceIndex(str(tmp_path))
        fresh.upsert(ACME, [row(ordinal=i)])
        fresh.optimize(ACME)
        assert fragments(fresh) <= 5


def test_many_uncovered_rows_are_folded_into_the_keyword_index(
    lance: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_upkeep, "MAX_UNINDEXED", 50)
    lance.upsert(ACME, [row(ordinal=i) for i in range(49)])
    lance.optimize(ACME)
    assert lance._tables._handles[ACME].table.index_stats("text_idx").num_indexed_rows == 0
    lance.upsert(ACME, [row(ordinal=49)])
    lance.optimize(ACME)
    assert lance._tables._handles[ACME].table.index_stats("text_idx").num_indexed_rows == 50


def test_a_fold_that_fails_does_not_fail_the_write(
    lance: LanceIndex, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(handle: object) -> None:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(lance_upkeep, "MAX_COMMITS", 1)
    monkeypatch.setattr(lance_upkeep, "fold", broken)
    lance.upsert(ACME, [row()])
    lance.optimize(ACME)
    assert lance.count(ACME) == 1
    assert "could not fold the index of acme/handbook" in caplog.text


def test_a_fold_that_failed_over_many_uncovered_rows_is_not_tried_at_every_write(
    lance: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def broken(handle: object) -> None:
        tried.append(handle)
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(lance_upkeep, "MAX_UNINDEXED", 10)
    monkeypatch.setattr(lance_upkeep, "fold", broken)
    lance.upsert(ACME, [row(ordinal=n) for n in range(10)])
    lance.optimize(ACME)
    for n in range(10, 20):
        assert len(tried) == 1
        lance.upsert(ACME, [row(ordinal=n)])
        lance.optimize(ACME)
    assert len(tried) == 2


def test_a_table_whose_creator_died_early_gets_its_keyword_index(lance: LanceIndex) -> None:
    lance._tables._store.connection.create_table(
        "acme.handbook.default", schema=lance_rows.schema(DIMENSIONS)
    )
    assert seen(lance, ALL) == set()
    lance.upsert(ACME, [row()])
    assert [index.name for index in lance._tables._handles[ACME].table.list_indices()] == [
        "text_idx"
    ]


def test_more_tables_than_a_page_names_are_listed_and_strange_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_store, "NAMES_PER_PAGE", 3)
    indexes = LanceIndexes(str(tmp_path))
    partitions = [Partition(f"t{n}", "c") for n in range(6)]
    for partition in partitions:
        indexes.of("m").upsert(partition, [row()])
    for strange in ("nodot", "t0.c", "t0.c.d.e", "UPPER.c.d"):
        indexes._store.connection.create_table(strange, schema=lance_rows.schema(DIMENSIONS))
    assert indexes.partitions() == partitions
    assert LanceIndexes(str(tmp_path / "never")).partitions() == []


@pytest.mark.parametrize("between", ["fold", "replace", "drop", "delete"])
def test_passages_are_those_of_the_candidates_whatever_comes_in_between(
    tmp_path: Path, between: str
) -> None:
    writer, reader = LanceIndex(str(tmp_path)), LanceIndex(str(tmp_path))
    rows = [row(name, n, f"a fox {name}{n}") for name in ("a", "b") for n in range(3)]
    for one in rows:
        writer.upsert(ACME, [one])
    found = reader.dense(ACME, X, 9, ALL)
    if between == "fold":
        writer._tables.run(ACME, lambda handle: handle.table.optimize(cleanup_older_than=NOW))
    elif between == "replace":
        writer.upsert(ACME, rows)
    elif between == "delete":
        writer.delete(ACME, "a")
    else:
        writer._tables._store.drop("acme.handbook.default")
        writer.upsert(ACME, rows[::-1])
    reader.count(ACME)  # another query of this reader has seen the newer version
    passages = reader.passages(ACME, found)
    left = [one for one in rows if between != "delete" or one.document_id == "b"]
    assert {key: one.chunk for key, one in passages.items()} == {
        one.chunk_id: one.chunk for one in left
    }


def test_passages_are_read_of_the_version_that_the_legs_read(
    tmp_path: Path, lance: LanceIndex
) -> None:
    """A row that has just been deleted: the ledger has said what may be shown."""
    lance.upsert(ACME, [row("a"), row("b")])
    found = lance.bm25(ACME, "fox", 9, ALL)
    LanceIndex(str(tmp_path)).delete(ACME, "a")
    assert sorted(lance.passages(ACME, found)) == ["a:1:0", "b:1:0"]


def test_tables_not_used_for_long_are_closed_and_opened_again(
    lance: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_tables, "MAX_OPEN", 3)
    partitions = [Partition(f"t{n}", "c") for n in range(6)]
    for partition in partitions:
        lance.upsert(partition, [row()])
    lance.bm25(partitions[0], "fox", 1, ALL)
    kept = [partitions[4], partitions[5], partitions[0]]
    assert list(lance._tables._handles) == list(lance._tables._last_read) == kept
    for partition in partitions:
        assert seen(lance, ALL, partition) == {"doc"}
        [passage] = lance.passages(partition, lance.dense(partition, X, 1, ALL)).values()
        assert passage.chunk.text == "a quick brown fox"


def test_threads_that_use_tables_at_once_do_not_get_in_each_others_way(
    lance: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_tables, "MAX_OPEN", 4)
    partitions = [Partition(f"t{n}", "c") for n in range(8)]
    tables = lance._tables

    def use(start: int) -> None:
        for n in range(1_000):
            partition = partitions[(start + n) % len(partitions)]
            handle = tables._handles.setdefault(partition, lance_tables.Handle(None, 8))
            tables._used(tables._handles, partition, handle)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use, range(8)))
    finally:
        sys.setswitchinterval(usual)
    tables._used(tables._handles, ACME, lance_tables.Handle(None, 8))
    assert len(tables._handles) == len(tables._last_read) == 4


def test_a_table_that_is_being_folded_is_not_closed(
    lance: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_tables, "MAX_OPEN", 1)
    lance.upsert(ACME, [row()])
    end = threading.Event()
    folding = threading.Thread(target=end.wait, args=(10,))
    folding.start()
    lance._tables._handles[ACME].folding = folding
    lance.upsert(OTHER, [row()])
    assert ACME in lance._tables._handles
    end.set()
    folding.join()
    lance.upsert(OTHER, [row("b")])
    assert list(lance._tables._handles) == [OTHER]


def test_a_row_that_is_there_twice_is_two_entries(lance: LanceIndex) -> None:
    lance.upsert(ACME, [row()])
    twice = lance_rows.to_arrow([row()], DIMENSIONS)
    lance._tables._handles[ACME].table.add(twice)
    assert list(lance.entries(ACME)) == [("doc", 1, 0)] * 2


def test_entries_come_in_batches_and_are_those_of_one_version(
    lance: LanceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lance_index, "ENTRIES_PER_BATCH", 10)
    lance.upsert(ACME, [row(ordinal=n) for n in range(95)])
    entries = lance.entries(ACME)
    first = next(entries)
    lance.upsert(ACME, [row("late")])
    lance.delete(ACME, "doc")
    assert sorted([first, *entries]) == [("doc", 1, n) for n in range(95)]


def test_what_fails_while_entries_are_read_is_translated(tmp_path: Path, lance: LanceIndex) -> None:
    lance.upsert(ACME, [row()])
    for file in tmp_path.rglob("*.lance"):
        if file.is_file():
            file.write_bytes(b"no longer a table")
    with pytest.raises(ServiceUnavailable, match="the vector index failed"):
        list(LanceIndex(str(tmp_path)).entries(ACME))


def test_names_that_could_share_a_table_are_refused(lance: LanceIndex) -> None:
    with pytest.raises(InvalidRequest):
        lance.upsert(Partition("acme.a", "b"), [row()])
    with pytest.raises(InvalidRequest):
        lance.count(Partition("..", "b"))


def test_importing_the_adapter_loads_neither_lancedb_nor_pyarrow() -> None:
    program = (
        "import sys, ragline.adapters.lance.index;"
        "print([m for m in ('lancedb', 'pyarrow', 'numpy') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


NASTY = st.text(
    alphabet=st.sampled_from("ab'\"\\;-%_\0\n=,[]{}()\u2019\ud800é") | st.characters(), max_size=12
)
SCALARS = NASTY | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.booleans()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> LanceIndex:
    return LanceIndex(str(tmp_path_factory.mktemp("lance")))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(metadata=st.dictionaries(NASTY, SCALARS, min_size=1, max_size=3), other=SCALARS)
def test_any_metadata_is_matched_as_it_would_be_in_python(
    shared: LanceIndex, metadata: dict[str, Scalar], other: Scalar
) -> None:
    rows = [row("a", metadata=metadata), row("b", metadata=dict.fromkeys(metadata, other))]
    memory = MemoryIndex()
    for index in (shared, memory):
        index.upsert(ACME, rows)
    for where in (Filter(metadata=metadata), Filter(metadata=dict.fromkeys(metadata, other))):
        assert seen(shared, where) == seen(memory, where)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document_ids=st.lists(NASTY, min_size=1, max_size=4), query=NASTY)
def test_no_id_and_no_query_breaks_out_of_its_quotes(
    shared: LanceIndex, document_ids: list[str], query: str
) -> None:
    shared.upsert(OTHER, [row("safe")])
    assert shared.dense(OTHER, X, 9, Filter(document_ids=document_ids)) == []
    shared.bm25(OTHER, query, 9, Filter(document_ids=document_ids))
    for document_id in document_ids:
        assert shared.count(OTHER, document_id) == 0
        shared.delete(OTHER, document_id)
    assert shared.count(OTHER) == 1
