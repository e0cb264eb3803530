"""A search: both legs, only what the ledger shows, a reranker that may fail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline.adapters.memory.index import MemoryIndex
from ragline.adapters.memory.ledger import MemoryLedger
from ragline.domain.chunks import Candidate, Filter, Passage
from ragline.domain.documents import Document, Partition
from ragline.domain.errors import InvalidRequest, ServiceUnavailable
from ragline.embedding.hashing import HashEmbedder
from ragline.ports import Reranker
from ragline.usecases.search import RERANKED, SearchRequest, SearchResult, search
from tests.overlap import OverlapReranker
from tests.unit.pipeline import HANDBOOK, Pipeline


@dataclass
class CountingLedger(MemoryLedger):
    asked: list[int] = field(default_factory=list)

    def __init__(self) -> None:
        super().__init__()
        self.asked = []

    def get_many(self, tenant: str, document_ids: Collection[str]) -> dict[str, Document]:
        self.asked.append(len(document_ids))
        return super().get_many(tenant, document_ids)


class Backwards:
    """Prefers what the legs put last."""

    name = "backwards"
    read: Sequence[str] = ()

    def weight(self, query: str) -> float:
        return 1.0

    def scores(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        self.read = passages
        return list(range(len(passages)))


class Broken:
    name = "broken"

    def weight(self, query: str) -> float:
        return 1.0

    def scores(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        raise ServiceUnavailable("it does not answer")


def shelf(count: int, word: str = "lamp") -> Pipeline:
    pipeline = Pipeline(ledger=CountingLedger())
    for number in range(count):
        pipeline.drop(f"The {word} number {number}.", f"d{number:03}", filename=f"{number}.md")
    pipeline.run()
    return pipeline


def ask(
    pipeline: Pipeline, query: str, reranker: Reranker | None = None, **options: object
) -> SearchResult:
    return search(
        SearchRequest(HANDBOOK, query, **options),  # type: ignore[arg-type]
        embedder=pipeline.embedder,
        index=pipeline.index,
        ledger=pipeline.ledger,
        reranker=reranker,
    )


def found(result: SearchResult) -> list[str]:
    return [hit.passage.document_id for hit in result.hits]


def test_the_ledger_is_asked_about_the_hits_that_are_shown_and_few_more() -> None:
    pipeline = shelf(60)
    assert isinstance(pipeline.ledger, CountingLedger)
    pipeline.ledger.asked.clear()
    ask(pipeline, "lamp number 7", limit=5)
    assert sum(pipeline.ledger.asked) <= 20


def test_deleted_documents_are_passed_over_until_the_page_is_full() -> None:
    pipeline = shelf(60)
    before = found(ask(pipeline, "lamp number", limit=50))
    for gone in before[:45]:
        pipeline.delete(gone)
    assert found(ask(pipeline, "lamp number", limit=15)) == before[45:] + [
        one for one in found(ask(pipeline, "lamp number", limit=100)) if one not in before
    ]


class Gone(MemoryIndex):
    """Rows of some documents vanish between the legs and the passages; counts what is read."""

    def __init__(self, gone: Collection[str] = ()) -> None:
        super().__init__()
        self.gone = gone
        self.read: list[int] = []

    def passages(self, partition: Partition, candidates: Sequence[Candidate]) -> dict[str, Passage]:
        self.read.append(len(candidates))
        kept = [one for one in candidates if one.document_id not in self.gone]
        return super().passages(partition, kept)


def with_rows_of(pipeline: Pipeline, gone: Collection[str] = ()) -> Gone:
    index = Gone(gone)
    index._partitions = pipeline.index._partitions
    pipeline.indexes._indexes[pipeline.embedder.fingerprint] = index
    return index


def test_only_the_passages_that_are_shown_are_read() -> None:
    pipeline = shelf(60)
    index = with_rows_of(pipeline)
    result = ask(pipeline, "lamp number 7", limit=5)
    assert index.read == [5]
    assert result.legs == {"dense": 60, "bm25": 60}
    assert "passages" in result.timings_ms


def test_only_the_passages_that_a_reranker_reads_are_read() -> None:
    pipeline = shelf(60)
    index = with_rows_of(pipeline)
    ask(pipeline, "lamp number 7", Backwards(), limit=5)
    assert index.read == [RERANKED]


def test_rows_that_vanish_before_they_are_read_give_way_to_the_next() -> None:
    pipeline = shelf(60)
    before = found(ask(pipeline, "lamp number", limit=60))
    index = with_rows_of(pipeline, before[1:4])
    result = ask(pipeline, "lamp number", limit=10)
    assert found(result) == [before[0], *before[4:13]]
    assert index.read == [10, 3]
    assert [hit.score for hit in result.hits] == sorted(
        (hit.score for hit in result.hits), reverse=True
    )


def test_a_filter_that_names_no_document_finds_nothing_and_asks_nobody() -> None:
    pipeline = shelf(3)
    result = ask(pipeline, "lamp", where=Filter(document_ids=[]))
    assert (list(result.hits), result.legs, result.timings_ms) == ([], {}, {})
    assert "names no document" in result.notes[0]


def test_a_reranker_reads_the_first_hits_and_puts_them_in_order() -> None:
    pipeline, backwards = shelf(RERANKED + 10), Backwards()
    plain = found(ask(pipeline, "lamp number 7", limit=50))
    result = ask(pipeline, "lamp number 7", backwards, limit=50)
    assert len(backwards.read) == RERANKED
    assert found(result) == plain[:RERANKED][::-1] + plain[RERANKED:]
    assert (result.reranker, list(result.notes)) == ("backwards", [])
    assert "rerank" in result.timings_ms


def test_a_reranker_reads_headings_that_the_passage_itself_does_not_hold() -> None:
    pipeline, backwards = Pipeline(), Backwards()
    pipeline.drop("# Boilers\n\n" + " ".join(f"It is step {n}." for n in range(20)))
    pipeline.run()
    ask(pipeline, "step", backwards)
    assert len(backwards.read) > 1
    assert all("Boilers" in passage for passage in backwards.read)


def test_a_reranker_that_cannot_be_reached_costs_its_order_and_not_the_answer() -> None:
    pipeline = shelf(5)
    result = ask(pipeline, "lamp number 3", Broken())
    assert found(result) == found(ask(pipeline, "lamp number 3"))
    assert result.reranker == ""
    [note] = result.notes
    assert "broken" in note


def test_a_reranker_that_counts_shared_words_prefers_the_passage_that_has_them_all() -> None:
    pipeline = shelf(12)
    assert found(ask(pipeline, "the lamp number 11", OverlapReranker()))[0] == "d011"


def test_a_query_of_stop_words_alone_is_answered_by_meaning_and_says_so() -> None:
    result = ask(shelf(3), "the of and")
    assert result.legs["bm25"] == 0
    assert len(result.hits) == 3
    assert "meaning alone" in result.notes[0]


def test_a_keyword_search_for_stop_words_says_that_they_are_no_keywords() -> None:
    result = ask(shelf(3), "the of and", mode="bm25")
    assert (list(result.hits), result.legs) == ([], {"bm25": 0})
    assert "keyword" in result.notes[0]


def test_passages_are_found_by_the_heading_above_them() -> None:
    pipeline = Pipeline()
    pipeline.drop("# Boilers\n\n" + " ".join(f"It is step {n}." for n in range(20)))
    pipeline.run()
    last = max(
        (hit.passage.chunk for hit in ask(pipeline, "boilers", mode="bm25").hits),
        key=lambda chunk: chunk.ordinal,
    )
    assert last.ordinal > 0
    assert "Boilers" not in last.text
    assert last.context == "Boilers"


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, 1.0)])
def test_weights_that_rank_nothing_are_refused(weights: tuple[float, float]) -> None:
    with pytest.raises(InvalidRequest, match="weights"):
        ask(shelf(1), "lamp", weights=weights)


class Foreign(HashEmbedder):
    """Reads no query, and finds what is unlike it."""

    def fluency(self, text: str) -> float:
        return 0.0

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = -super().embed_query(text)
        return vector


def test_a_model_that_cannot_read_the_query_does_not_bury_what_its_keywords_find() -> None:
    pipeline = shelf(30)
    pipeline.embedder = Foreign()
    result = ask(pipeline, "number 17", limit=30)
    scores = [hit.ranks["bm25"].score for hit in result.hits]
    assert found(result)[0] == "d017"
    assert scores == sorted(scores, reverse=True)
    assert "hardly reads" in result.notes[0]


def test_what_no_keyword_finds_is_still_ordered_by_meaning() -> None:
    pipeline = shelf(30)
    pipeline.embedder = Foreign()
    by_meaning = found(ask(pipeline, "17", mode="dense", limit=30))
    bm25 = found(ask(pipeline, "17", mode="bm25", limit=30))
    rest = [one for one in by_meaning if one not in bm25]
    assert found(ask(pipeline, "17", limit=30)) == [*bm25, *rest]
