from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.embedding.hashing import HashEmbedder


def test_a_text_is_nearest_to_the_one_that_shares_most_words() -> None:
    embedder = HashEmbedder(256)
    query, none, one, two = embedder.embed(
        ["ocean current speed", "tax law reform", "ocean tax law", "the ocean current flows"]
    )
    assert query @ two > query @ one > query @ none


def test_words_are_compared_without_case_and_punctuation() -> None:
    plain, dressed = HashEmbedder().embed(["ocean current", "«Ocean», CURRENT!"])
    np.testing.assert_array_equal(plain, dressed)


def test_the_vectors_are_the_same_on_every_machine_and_in_every_process() -> None:
    [vector] = HashEmbedder(8).embed(["ocean"])
    assert np.flatnonzero(vector).tolist() == [2]
    assert vector[2] == 1


def test_chinese_without_spaces_still_shares_words() -> None:
    query, near, far = HashEmbedder(256).embed(["海洋", "深海的洋流", "税收改革"])
    assert query @ near > query @ far


@pytest.mark.parametrize("dimensions", [2, 64, 384])
@given(texts=st.lists(st.text(st.characters(exclude_categories=[]))))
def test_every_text_gets_a_unit_vector(dimensions: int, texts: list[str]) -> None:
    vectors = HashEmbedder(dimensions).embed(texts)
    assert vectors.shape == (len(texts), dimensions)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_vectors_of_other_sizes_have_other_fingerprints() -> None:
    assert HashEmbedder(64).fingerprint != HashEmbedder(32).fingerprint
