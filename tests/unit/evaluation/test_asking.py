"""Queries are put to a search as people put them, and its answers read as the measures want."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ragline.domain.errors import InvalidRequest
from ragline.evaluation.asking import WARM_UP, Answer, Making, Variant, run
from ragline.evaluation.datasets import Dataset, Entry
from ragline.evaluation.reports import Report, report
from ragline.evaluation.saving import save_report
from ragline.usecases.search import MAX_QUERY_CHARACTERS

HYBRID, RERANKED = Variant("hybrid"), Variant("hybrid", rerank=True)
MAKING = Making("in process", "hash-1-64", 7, {"indexed": 3}, 1.5)


def dataset(queries: dict[str, str], entries: Sequence[Entry] = ()) -> Dataset:
    documents = [*entries, Entry("a", "", "a"), Entry("b", "", "b"), Entry("c", "", "c")]
    qrels = {name: {"a": 1} for name in queries}
    return Dataset("tiny", "test", documents, queries, qrels, unjudged=0, total=len(documents))


class Search:
    """Answers always the same, and remembers what it was asked."""

    def __init__(self, *entries: str, reranked: bool = False) -> None:
        self._answer = Answer(entries, reranked)
        self.asked: list[str] = []

    def __call__(self, query: str, variant: Variant) -> Answer:
        self.asked.append(query)
        return self._answer


def told(data: Dataset, found: dict[Variant, Search]) -> Report:
    runs = [run(data, variant, ask, lambda _: None) for variant, ask in found.items()]
    return report(data, MAKING, runs, ["said before."])


@pytest.mark.parametrize("name", ["dense", "bm25", "hybrid", "dense+rerank", "hybrid+rerank"])
def test_a_variant_is_written_as_it_is_read(name: str) -> None:
    assert str(Variant.parse(name)) == name
    assert Variant.parse(f" {name} ") == Variant.parse(name)


@pytest.mark.parametrize("name", ["", "rerank", "+rerank", "Dense", "hybrid+rerank+rerank", "x"])
def test_an_unknown_mode_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"name some of dense, bm25, hybrid"):
        Variant.parse(name)


def test_a_document_stands_where_its_best_passage_stands() -> None:
    done = run(dataset({"q": "fog"}), HYBRID, Search("b", "a", "b", "c", "a"), lambda _: None)
    assert done.found == {"q": ["b", "a", "c"]}
    assert done.passages == 5


def test_every_query_is_asked_once_and_timed_after_one_that_is_none_of_them() -> None:
    moved: list[int] = []
    search = Search("a")
    done = run(dataset({"q": "fog", "r": "horn"}), HYBRID, search, moved.append)
    assert search.asked == [WARM_UP, "fog", "horn"]
    assert len(done.milliseconds) == sum(moved) == 2


def test_a_query_longer_than_allowed_is_cut_and_counted() -> None:
    data = dataset({"q": "fog " * 1_000, "r": "horn"})
    search = Search("a")
    notes = told(data, {HYBRID: search}).notes
    assert len(search.asked[1]) == MAX_QUERY_CHARACTERS
    assert notes == ["said before.", "1 queries were cut to 2,000 characters, the limit."]


def test_a_query_that_is_a_document_is_not_its_own_answer() -> None:
    query = "Cars should be banned. They smell."
    same = Entry("q", "Cars should be banned.", "They  smell.")
    done = run(dataset({"q": query}, [same]), HYBRID, Search("q", "a"), lambda _: None)
    assert done.found == {"q": ["a"]}


def test_a_document_that_merely_has_the_number_of_the_query_counts() -> None:
    other = Entry("q", "", "Something else.")
    done = run(dataset({"q": "fog"}, [other]), HYBRID, Search("q", "a"), lambda _: None)
    assert done.found == {"q": ["q", "a"]}


def test_figures_are_averages_over_queries() -> None:
    [figures] = told(dataset({"q": "fog", "r": "horn"}), {HYBRID: Search("b", "b", "a")}).figures
    assert figures.variant == "hybrid"
    assert figures.measures["MRR@10"] == 0.5
    assert (figures.documents, figures.passages) == (2, 3)
    assert 0 <= figures.p50_ms <= figures.p95_ms


def test_each_mode_is_compared_with_the_one_before_and_the_hybrid_with_the_better_leg() -> None:
    found = {
        Variant("dense"): Search("a"),
        Variant("bm25"): Search("b", "a"),
        HYBRID: Search("b", "c", "a"),
        RERANKED: Search("a", reranked=True),
    }
    differences = told(dataset({"q": "fog", "r": "horn"}), found).differences
    assert list(dict.fromkeys((one.variant, one.against) for one in differences)) == [
        ("bm25", "dense"),
        ("hybrid", "bm25"),
        ("hybrid+rerank", "hybrid"),
        ("hybrid", "dense"),
    ]
    by = {(one.variant, one.against, one.measure): one.interval for one in differences}
    assert by["bm25", "dense", "MRR@10"].mean == -0.5
    assert by["hybrid", "dense", "MRR@10"].mean == pytest.approx(1 / 3 - 1)
    assert len(differences) == 4 * 5


def test_queries_that_were_not_reranked_are_told() -> None:
    notes = told(dataset({"q": "fog", "r": "horn"}), {RERANKED: Search("a")}).notes
    assert "hybrid+rerank: 2 queries were not reranked." in notes


def test_runs_are_saved_as_trec_eval_reads_them(tmp_path: Path) -> None:
    data = dataset({"q 1": "fog"})
    runs = [run(data, RERANKED, Search("b", "a"), lambda _: None)]
    save_report(tmp_path / "runs", report(data, MAKING, runs, []), runs)
    assert (tmp_path / "runs" / "tiny.hybrid+rerank.run").read_text().splitlines() == [
        "q_1 Q0 b 1 1.000000 ragline-hybrid+rerank",
        "q_1 Q0 a 2 0.500000 ragline-hybrid+rerank",
    ]
    assert '"build_seconds": 1.5' in (tmp_path / "runs" / "tiny.json").read_text()
