"""What every embedder does alike: the same tests against the fake and the real ones."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ragline.embedding.hashing import HashEmbedder
from ragline.embedding.onnx import OnnxEmbedder
from ragline.embedding.sentence_transformers import SentenceTransformersEmbedder
from ragline.ports import Embedder

model, torch = pytest.mark.model, pytest.mark.torch

TEXTS = [
    "The invoice is due within thirty days of receipt.",
    "short",
    "海洋の深い流れは気候を運ぶ。",
    "🦜 parrots 👩‍👩‍👧‍👦 and naïve Æther",
    "A much longer passage, which fills more of the window. " * 12,
    "عقد الإيجار ينتهي في مارس",
]


@pytest.fixture(
    scope="module",
    params=[
        "hash",
        pytest.param("int8", marks=model),
        pytest.param("fp32", marks=model),
        pytest.param("sentence-transformers", marks=torch),
    ],
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "hash":
        return HashEmbedder()
    if request.param == "sentence-transformers":
        pytest.importorskip("sentence_transformers")
        return SentenceTransformersEmbedder(request.getfixturevalue("published"), device="cpu")
    return OnnxEmbedder(request.getfixturevalue(f"{request.param}_dir"))


def test_each_text_gets_one_row_of_float32_and_unit_length(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    vectors = embedder.embed([])
    assert vectors.shape == (0, embedder.dimensions)
    assert vectors.dtype == np.float32


@pytest.mark.parametrize("text", [*TEXTS, "", "lone \ud83d surrogate"])
def test_a_query_is_one_vector_the_same_each_time(text: str, embedder: Embedder) -> None:
    vector = embedder.embed_query(text)
    assert vector.shape == (embedder.dimensions,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(embedder.embed_query(text), vector)


def test_a_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_rows_come_in_the_order_of_the_texts(embedder: Embedder) -> None:
    forwards, backwards = embedder.embed(TEXTS), embedder.embed(TEXTS[::-1])
    np.testing.assert_allclose(forwards, backwards[::-1], atol=1e-6)
    closeness = forwards @ forwards.T
    assert closeness.argmax(axis=1).tolist() == list(range(len(TEXTS)))
    assert (closeness - 2 * np.eye(len(TEXTS))).max() < 0.99


def test_a_text_beyond_the_window_is_embedded_all_the_same(embedder: Embedder) -> None:
    [vector] = embedder.embed(["The quick brown fox. " * 50_000])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\0", "\ufeff", "a" * 5_000, "lone \ud83d surrogate"]
)
def test_odd_texts_get_a_unit_vector_too(text: str, embedder: Embedder) -> None:
    [vector] = embedder.embed([text])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_text_that_says_the_same_is_nearer_than_one_that_does_not(embedder: Embedder) -> None:
    query = embedder.embed_query("When is the invoice due?")
    near, far = embedder.embed(
        ["The invoice is due in thirty days.", "Parrots are colourful tropical birds."]
    )
    assert query @ near > query @ far + 0.2


def test_the_fingerprint_is_fit_for_keys_and_names(embedder: Embedder) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", embedder.fingerprint)
