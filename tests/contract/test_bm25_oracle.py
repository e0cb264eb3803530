"""The keyword leg ranks like rank_bm25, and where it does not it is known why.

rank_bm25 scores every text in Python (https://github.com/dorianbrown/rank_bm25). It gets the words
that LanceDB's tokenizer makes, and the same k1 and b.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rank_bm25 import BM25Okapi  # type: ignore[import-untyped]

from ragline.adapters.lance import upkeep as lance_upkeep
from ragline.adapters.lance.index import LanceIndex
from ragline.adapters.memory.index import K1, B
from ragline.domain.chunks import Filter
from ragline.evaluation import datasets
from tests.contract.test_bm25_ranking import ACME, rows
from tests.judged import JUDGED, PASSAGES

EXACT = 1e-5
"""Relative: LanceDB computes in single precision."""

REPEATING = "fog fog and the horn, the horn of the fog"


class Lucene(BM25Okapi):  # type: ignore[misc]
    """BM25Okapi with Lucene's idf, ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative.

    Its own is ln((N - n + 0.5) / (n + 0.5)), with a floor for words that half of the texts have.
    ``among``: the texts whose statistics (N, n and the average length) count; all by default.
    """

    def __init__(self, texts: Sequence[list[str]], among: Sequence[list[str]] = ()) -> None:
        self._among = among or texts
        super().__init__(texts, k1=K1, b=B)
        self.avgdl = sum(map(len, self._among)) / len(self._among)

    def _calc_idf(self, nd: dict[str, int]) -> None:
        total = len(self._among)
        having = Counter(word for text in self._among for word in set(text))
        for word in nd:
            self.idf[word] = math.log(1 + (total - having[word] + 0.5) / (having[word] + 0.5))


@dataclass
class Indexed:
    """Texts in LanceDB, each a document named by its position."""

    index: LanceIndex
    path: Path

    def add(self, texts: Sequence[str], *, first: int = 0, folded: bool = False) -> None:
        self.index.upsert(ACME, rows([""] * first + list(texts))[first:])
        if folded:
            self.index._tables.run(ACME, lance_upkeep.fold)

    def delete(self, positions: Iterable[int], *, folded: bool = False) -> None:
        for position in positions:
            self.index.delete(ACME, str(position))
        if folded:
            self.index._tables.run(ACME, lance_upkeep.fold)

    def words(self, text: str) -> list[str]:
        table: Any = self.index._tables._handles[ACME].table
        return [token.text for token in table.tokenize(text, column="text")]

    def scores(
        self, query: str, limit: int = 1_000, where: Filter | None = None
    ) -> dict[int, float]:
        """Position → score, best first."""
        hits = self.index.bm25(ACME, query, limit, where or Filter())
        return {int(hit.document_id): hit.score for hit in hits}

    @property
    def shards(self) -> int:
        """Of the newest keyword index; Lance calls them partitions."""
        newest = max(self.path.rglob("_indices/*"), key=lambda folder: folder.stat().st_mtime_ns)
        return len(list(newest.glob("part_*_docs.lance")))


@pytest.fixture
def indexed(tmp_path: Path) -> Indexed:
    return Indexed(LanceIndex(str(tmp_path)), tmp_path)


def expected(oracle: BM25Okapi, words: list[str]) -> dict[int, float]:
    """Position → score of the texts that hold a word of the query, best first."""
    scores = enumerate(oracle.get_scores(words))
    return dict(sorted(((at, one) for at, one in scores if one), key=lambda pair: -pair[1]))


def overlap(ours: Iterable[int], theirs: Iterable[int], depth: int = 10) -> float:
    """Which share of the first ``depth`` both have."""
    mine, others = set(list(ours)[:depth]), set(list(theirs)[:depth])
    return len(mine & others) / max(len(mine), len(others), 1)


@pytest.mark.parametrize("folded", [False, True])
def test_with_lucenes_idf_every_score_is_rank_bm25s(indexed: Indexed, folded: bool) -> None:
    indexed.add(PASSAGES, folded=folded)
    oracle = Lucene([indexed.words(text) for text in PASSAGES])
    for query in JUDGED:
        ours, theirs = indexed.scores(query), expected(oracle, indexed.words(query))
        assert ours == pytest.approx(theirs, rel=EXACT), query


def test_a_word_said_twice_in_a_query_counts_twice(indexed: Indexed) -> None:
    indexed.add(PASSAGES, folded=True)
    oracle = Lucene([indexed.words(text) for text in PASSAGES])
    words = indexed.words(REPEATING)
    assert words == ["fog", "fog", "horn", "horn", "fog"]
    assert indexed.scores(REPEATING) == pytest.approx(expected(oracle, words), rel=EXACT)


def test_lengths_are_exact_however_long_a_text_is(indexed: Indexed) -> None:
    """Lucene would keep 70 as 68, 300 as 280: https://issues.apache.org/jira/browse/LUCENE-7730."""
    texts = [f"fog {'lamp ' * length}" for length in (1, 39, 69, 70, 71, 299, 300, 1_000)]
    indexed.add(texts, folded=True)
    oracle = Lucene([indexed.words(text) for text in texts])
    assert indexed.scores("fog") == pytest.approx(expected(oracle, ["fog"]), rel=EXACT)


def test_texts_without_a_word_are_not_counted(indexed: Indexed) -> None:
    texts = ["the", "...", "and of the", *PASSAGES]
    indexed.add(texts, folded=True)
    corpus = [indexed.words(text) for text in texts]
    for query in JUDGED:
        words = indexed.words(query)
        told = expected(Lucene(corpus, among=corpus[3:]), words)
        assert indexed.scores(query) == pytest.approx(told, rel=EXACT)


def test_the_shards_of_an_index_share_their_statistics(indexed: Indexed) -> None:
    for first in (0, 10, 20):
        indexed.add(PASSAGES[first : first + 10], first=first, folded=True)
    assert indexed.shards > 1
    oracle = Lucene([indexed.words(text) for text in PASSAGES])
    for query in JUDGED:
        told = expected(oracle, indexed.words(query))
        assert indexed.scores(query) == pytest.approx(told, rel=EXACT)


def test_rows_the_index_does_not_cover_yet_are_scored_by_other_statistics(indexed: Indexed) -> None:
    """What is covered by what is covered, what is not by all: so they are compared though they
    cannot quite be, https://github.com/lance-format/lance/issues/9058.
    """
    indexed.add(PASSAGES[:20], folded=True)
    indexed.add(PASSAGES[20:], first=20)
    corpus = [indexed.words(text) for text in PASSAGES]
    covered, every = Lucene(corpus, among=corpus[:20]), Lucene(corpus)
    for query in JUDGED:
        words = indexed.words(query)
        told = expected(every, words)
        told.update((at, one) for at, one in expected(covered, words).items() if at < 20)
        told = {at: one for at, one in told.items() if one}
        found = indexed.scores(query)
        assert set(found) == set(told)
        assert found == pytest.approx(told, rel=EXACT)


def test_deleted_rows_count_until_their_fragment_is_rewritten(indexed: Indexed) -> None:
    """Folding rewrites a fragment of which more than a tenth is deleted."""
    indexed.add(PASSAGES, folded=True)
    corpus = [indexed.words(text) for text in PASSAGES]

    def told(query: str, dead: set[int], among: Sequence[list[str]]) -> dict[int, float]:
        scores = expected(Lucene(corpus, among=among), indexed.words(query))
        return {at: one for at, one in scores.items() if at not in dead}

    indexed.delete([3, 10], folded=True)
    for query in JUDGED:
        assert indexed.scores(query) == pytest.approx(told(query, {3, 10}, corpus), rel=EXACT)
    dead = {3, 10, *range(20, 30)}
    indexed.delete(range(20, 30), folded=True)
    living = [words for at, words in enumerate(corpus) if at not in dead]
    for query in JUDGED:
        assert indexed.scores(query) == pytest.approx(told(query, dead, living), rel=EXACT)


def test_a_filter_changes_no_score_once_all_is_covered(indexed: Indexed) -> None:
    indexed.add(PASSAGES, folded=True)
    some = {2, 3, 4, 11, 25}
    for query in JUDGED:
        every = indexed.scores(query)
        kept = indexed.scores(query, where=Filter(document_ids=[str(one) for one in some]))
        assert kept == pytest.approx(
            {at: one for at, one in every.items() if at in some}, rel=EXACT
        )


@pytest.mark.data
@pytest.mark.skipif("RAGLINE_DATA" not in os.environ, reason="RAGLINE_DATA is not set")
@pytest.mark.parametrize(
    ("folder", "as_published"),
    [("scifact", 0.93), ("cranfield", 0.9), ("cacm", 0.9), ("xquad/zh", 0.9)],
)
def test_on_real_text_the_first_ten_are_rank_bm25s(
    indexed: Indexed, folder: str, as_published: float, record_property: Any
) -> None:
    """``as_published``: the least that BM25Okapi with its own idf, which differs, agrees by."""
    dataset = datasets.load(Path(os.environ["RAGLINE_DATA"]) / folder, folder).first_queries(100)
    texts = [f"{entry.title} {entry.text}".strip() for entry in dataset.entries]
    texts = [text for text in texts if text]
    indexed.add(texts, folded=True)
    corpus = [indexed.words(text) for text in texts]
    lucene, published = Lucene(corpus), BM25Okapi(corpus, k1=K1, b=B)
    alike, roughly = [], []
    for query in dataset.queries.values():
        words, ours = indexed.words(query), indexed.scores(query, 10)
        theirs = expected(lucene, words)
        assert ours == pytest.approx({at: theirs[at] for at in ours}, rel=EXACT)
        alike.append(overlap(ours, theirs))
        roughly.append(overlap(ours, expected(published, words)))
    told = f"{sum(alike) / len(alike):.4f}, own idf {sum(roughly) / len(roughly):.4f}"
    record_property("overlap@10", told)
    assert sum(alike) / len(alike) > 0.998, (
        "equal scores at the tenth rank may be ordered otherwise"
    )
    assert sum(roughly) / len(roughly) > as_published
