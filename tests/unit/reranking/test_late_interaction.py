from __future__ import annotations

import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline.reranking import late_interaction
from ragline.reranking.late_interaction import (
    NOTHING_TO_READ,
    PASSAGE_TOKENS,
    WEIGHT,
    LateInteraction,
)

# Words with known angles between them: the cosine is read off.
VECTORS = {"cat": (1.0, 0.0), "tiger": (0.8, 0.6), "tax": (0.0, 1.0), "[CLS]": (-1.0, 0.0)}


class Dictionary:
    """A ``TokenEncoder`` of the words above, behind ``frame``; remembers what it was asked."""

    fingerprint = "dictionary-1"

    def __init__(self, frame: str = "[CLS]") -> None:
        self.asked: list[tuple[str, bool, int]] = []
        self._frame = frame

    def fluency(self, text: str) -> float:
        return sum(word in VECTORS for word in text.split()) / len(text.split())

    def tokens(self, text: str, *, query: bool, limit: int) -> NDArray[np.float32]:
        self.asked.append((text, query, limit))
        words = f"{self._frame} {text}".split()[:limit]
        vectors = [VECTORS.get(word, (0.0, -1.0)) for word in words]
        return np.array(vectors, np.float32).reshape(-1, 2)


def test_a_score_is_the_mean_of_each_query_tokens_best_cosine() -> None:
    passages = ["cat", "tiger", "cat tax", "tax cat"]
    scores = LateInteraction(Dictionary()).scores("cat tax", passages)
    # [CLS] finds itself in each; then cat, then tax.
    expected = [(1 + 1 + 0) / 3, (1 + 0.8 + 0.6) / 3, 1, 1]
    assert scores == pytest.approx(expected, abs=1e-3)


def test_it_counts_by_its_weight_and_less_where_the_model_reads_less_of_the_query() -> None:
    reranker = LateInteraction(Dictionary())
    weights = [reranker.weight(query) for query in ("cat tax", "cat Katze")]
    assert weights == [WEIGHT, WEIGHT / 2]


def test_nothing_to_read_comes_last_and_nothing_asked_decides_nothing() -> None:
    reranker = LateInteraction(Dictionary(frame=""))
    assert reranker.scores("cat", ["", "tax"]) == pytest.approx([NOTHING_TO_READ, 0])
    assert reranker.scores("", ["cat", "tax"]) == [0, 0]


def test_query_and_passages_are_read_once_each_as_what_they_are() -> None:
    encoder = Dictionary()
    LateInteraction(encoder).scores("cat", ["tax", "tiger"])
    assert [(text, query) for text, query, _ in encoder.asked] == [
        ("cat", True),
        ("tax", False),
        ("tiger", False),
    ]
    assert encoder.asked[1][2] == PASSAGE_TOKENS


def test_passages_seen_of_late_are_not_read_again_and_score_the_same() -> None:
    encoder = Dictionary()
    reranker = LateInteraction(encoder)
    first = reranker.scores("cat tiger", ["tax tiger", "cat"])
    encoder.asked.clear()
    assert reranker.scores("cat tiger", ["tax tiger", "cat"]) == first
    assert [text for text, _, _ in encoder.asked] == ["cat tiger"]


def test_the_cache_keeps_the_passages_used_last_within_its_bytes() -> None:
    encoder = Dictionary()
    # Each: two vectors of two float16, and four bytes a character.
    reranker = LateInteraction(encoder, cache_bytes=2 * (8 + 4 * 3) + 1)
    for passage in ("tax", "cat", "tax", "dog", "tax", "cat"):
        reranker.scores("cat", [passage])
    read = [text for text, query, _ in encoder.asked if not query]
    assert read == ["tax", "cat", "dog", "cat"]


def test_a_passage_larger_than_the_cache_is_scored_all_the_same() -> None:
    assert LateInteraction(Dictionary(), cache_bytes=1).scores("cat", ["cat"]) == pytest.approx([1])


class Slow(OrderedDict[str, Any]):
    """Another thread comes between whatever is looked up here and what is done about it."""

    def get(self, key: str, default: Any = None) -> Any:
        found = super().get(key, default)
        time.sleep(0.005)
        return found

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        time.sleep(0.005)
        return found


class Together(Dictionary):
    """Reads passages in two threads at once."""

    def __init__(self) -> None:
        super().__init__()
        self._both = Barrier(2, timeout=10)

    def tokens(self, text: str, *, query: bool, limit: int) -> NDArray[np.float32]:
        if not query:
            self._both.wait()
        return super().tokens(text, query=query, limit=limit)


def test_a_passage_that_another_thread_evicts_is_scored_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(late_interaction, "OrderedDict", Slow)
    reranker = LateInteraction(Dictionary(), cache_bytes=8 + 4 * 3)  # one passage
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda text: reranker.scores("cat", [text]), ["cat", "dog"] * 20)
        assert list(found) == [[1.0], [0.5]] * 20


def test_a_passage_that_two_threads_read_at_once_is_kept_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(late_interaction, "OrderedDict", Slow)
    encoder = Together()
    # Room for two, not three. Both passages are kept, so neither is read again: which would wait
    # in vain for a second thread.
    reranker = LateInteraction(encoder, cache_bytes=2 * (8 + 4 * 3) + 1)
    with ThreadPoolExecutor(2) as pool:
        for passage in ("cat", "tax"):
            list(pool.map(lambda _, text=passage: reranker.scores("cat", [text]), range(2)))
    encoder.asked.clear()
    reranker.scores("cat", ["cat", "tax"])
    assert [text for text, query, _ in encoder.asked if not query] == []
