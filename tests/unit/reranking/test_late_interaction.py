from __future__ import annotations

import numpy as np
import pytest

from ragline.embedding.onnx import TokenVectors
from ragline.reranking import late_interaction
from ragline.reranking.late_interaction import NOTHING_TO_READ, PASSAGE_TOKENS, LateInteraction

# Words with known angles between them: the cosine is read off.
VECTORS = {"cat": (1.0, 0.0), "tiger": (0.8, 0.6), "tax": (0.0, 1.0), "[CLS]": (-1.0, 0.0)}


class Dictionary:
    """A ``TokenEncoder`` of the words above, framed by [CLS]; remembers what it was asked."""

    fingerprint = "dictionary-1"

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool, int]] = []

    def tokens(self, text: str, *, query: bool, limit: int) -> TokenVectors:
        self.asked.append((text, query, limit))
        words = ["[CLS]", *text.split()][:limit]
        vectors = [VECTORS.get(word, (0.0, -1.0)) for word in words]
        special = np.array([word == "[CLS]" for word in words], np.bool_)
        return TokenVectors(words, special, np.array(vectors, np.float32).reshape(-1, 2))


@pytest.fixture
def words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_interaction, "WITH_SPECIAL_TOKENS", False)
    monkeypatch.setattr(late_interaction, "WITH_PUNCTUATION", False)


def test_a_score_is_the_mean_of_each_query_tokens_best_cosine() -> None:
    passages = ["cat", "tiger", "cat tax", "tax cat"]
    scores = LateInteraction(Dictionary()).scores("cat tax", passages)
    # [CLS] finds itself in each; then cat, then tax.
    expected = [(1 + 1 + 0) / 3, (1 + 0.8 + 0.6) / 3, 1, 1]
    assert scores == pytest.approx(expected, abs=1e-3)


@pytest.mark.usefixtures("words_only")
def test_words_alone_can_be_made_to_count() -> None:
    reranker = LateInteraction(Dictionary())
    scores = reranker.scores("cat tax", ["cat", "tiger", "cat tax"])
    assert scores == pytest.approx([0.5, 0.7, 1.0], abs=1e-3)
    assert reranker.scores("cat ?", ["cat", "cat ?"]) == pytest.approx([1, 1])
    assert reranker.scores("?", ["cat ?"]) == pytest.approx([1])


@pytest.mark.usefixtures("words_only")
def test_nothing_to_read_comes_last_and_nothing_asked_decides_nothing() -> None:
    reranker = LateInteraction(Dictionary())
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
