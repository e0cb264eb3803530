"""Vectors kept from an earlier run are the embedder's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline.embedding.hashing import HashEmbedder
from ragline.evaluation.kept_vectors import KeptVectors


class Counting(HashEmbedder):
    def __init__(self, dimensions: int = 64) -> None:
        super().__init__(dimensions)
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return super().embed(texts)


TEXTS = ["one fox", "two hens", "\ud800 half"]


def test_a_text_is_embedded_once_for_all_runs(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    kept = KeptVectors(first, tmp_path)
    expected = first.embed(TEXTS)
    np.testing.assert_array_equal(kept.embed(TEXTS), expected)
    kept.save()
    again = KeptVectors(second, tmp_path)
    np.testing.assert_array_equal(again.embed([*TEXTS[::-1], "new"])[:3], expected[::-1])
    assert second.asked == ["new"]


def test_a_second_run_adds_to_what_is_kept(tmp_path: Path) -> None:
    for text in TEXTS:
        kept = KeptVectors(Counting(), tmp_path)
        kept.embed([text])
        kept.save()
    embedder = Counting()
    KeptVectors(embedder, tmp_path).embed(TEXTS)
    assert embedder.asked == []
    assert [path.name for path in tmp_path.iterdir()] == [f"{embedder.fingerprint}.npz"]


def test_another_model_has_its_own(tmp_path: Path) -> None:
    kept = KeptVectors(Counting(64), tmp_path)
    kept.embed(TEXTS)
    kept.save()
    other = Counting(32)
    assert KeptVectors(other, tmp_path).embed(TEXTS).shape == (3, 32)
    assert other.asked == TEXTS


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"nothing"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, data: bytes) -> None:
    embedder = Counting()
    (tmp_path / f"{embedder.fingerprint}.npz").write_bytes(data)
    kept = KeptVectors(embedder, tmp_path)
    kept.embed(TEXTS)
    kept.save()
    again = Counting()
    KeptVectors(again, tmp_path).embed(TEXTS)
    assert again.asked == []


def test_queries_are_not_kept(tmp_path: Path) -> None:
    embedder = HashEmbedder()
    kept = KeptVectors(embedder, tmp_path)
    np.testing.assert_array_equal(kept.embed_query("fox"), embedder.embed_query("fox"))
    kept.save()
    assert not list(tmp_path.iterdir())
