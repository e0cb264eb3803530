"""Many processes embed as one does."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from ragline.domain.errors import EmbeddingFailed, SetupError
from ragline.embedding import pool as module
from ragline.embedding.model import GRAPH_FILE, Precision
from ragline.embedding.onnx import OnnxEmbedder
from ragline.embedding.pool import PooledEmbedder


def test_many_processes_give_the_vectors_of_one_in_order(prepared: dict[Precision, Path]) -> None:
    one, texts = OnnxEmbedder(prepared["int8"]), [f"the cat {n}" for n in range(40)]
    with PooledEmbedder(prepared["int8"], 2) as many:
        np.testing.assert_array_equal(many.embed(texts), one.embed(texts))
        np.testing.assert_array_equal(many.embed_query("the cat"), one.embed_query("the cat"))
        assert many.embed([]).shape == (0, 384)
        assert (many.fingerprint, many.dimensions) == (one.fingerprint, one.dimensions)


def test_a_text_that_cannot_be_embedded_is_told_as_by_one(
    prepared: dict[Precision, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with PooledEmbedder(prepared["int8"], 1) as many:
        # What a process is sent is found by its name there, so the failing one must be importable.
        monkeypatch.setattr(module, "_embed", refuse)
        with pytest.raises(EmbeddingFailed, match="not this one") as caught:
            many.embed(["the cat"])
        assert caught.value.chunk == 7


def test_a_process_that_dies_is_told_with_advice(
    prepared: dict[Precision, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with PooledEmbedder(prepared["int8"], 1) as many:
        monkeypatch.setattr(module, "_embed", die)
        with pytest.raises(SetupError, match="fewer workers"):
            many.embed(["the cat"])


def test_a_model_that_is_damaged_is_told_before_any_process_starts(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        PooledEmbedder(tmp_path, 2)


def refuse(model_dir: Path, texts: object) -> None:
    assert (model_dir / GRAPH_FILE).exists()
    raise EmbeddingFailed("not this one.", chunk=7)


def die(model_dir: Path, texts: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
