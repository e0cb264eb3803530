"""The prepared model against the published weights: by plain numpy anywhere, by torch where it is.

The sentences are those of Python's own help, and some that are not English.
"""

from __future__ import annotations

import re
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline.embedding.onnx import OnnxEmbedder
from tests.unit.embedding.bert_oracle import exact, forward

FOREIGN = [
    "Der Vertrag verlängert sich um ein Jahr, wenn er nicht gekündigt wird.",
    "L'océan absorbe une grande part de la chaleur excédentaire.",
    "海洋の深い流れは気候を運ぶ。",
    "Контракт действует до конца марта.",
    "🦜 parrots 👩‍👩‍👧‍👦 and naïve Æther",
    "",
]


def sentences(count: int) -> list[str]:
    found = []
    for name in sorted(topics):
        for sentence in re.split(r"(?<=[.!?])\s+", topics[name]):
            plain = " ".join(sentence.split())
            if 20 < len(plain) < 1_500:
                found.append(plain)
    return [*found[:: len(found) // count][:count], *FOREIGN]


def cosines(one: NDArray[np.float32], other: NDArray[np.floating]) -> NDArray[np.floating]:
    found: NDArray[np.floating] = np.sum(one * other, axis=1)
    return found


@pytest.mark.model
def test_the_model_computes_the_published_weights_by_plain_numpy(
    published: Path, fp32_dir: Path, int8_dir: Path
) -> None:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    weights = exact(load_file(published / "model.safetensors"))
    tokenizer = Tokenizer.from_file(str(published / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    texts = sentences(8)
    expected = np.array([forward(weights, tokenizer.encode(text).ids) for text in texts])
    assert cosines(OnnxEmbedder(fp32_dir).embed(texts), expected).min() > 0.999999
    close = cosines(OnnxEmbedder(int8_dir).embed(texts), expected)
    assert close.mean() > 0.985
    assert close.min() > 0.97


@pytest.mark.model
def test_the_model_gives_the_numbers_that_sentence_transformers_gave(fp32_dir: Path) -> None:
    [vector] = OnnxEmbedder(fp32_dir).embed(["This is an example sentence"])
    expected = [0.06765695, 0.06349596, 0.04871309, 0.07930495, 0.03744801]
    np.testing.assert_allclose(vector[:5], expected, atol=1e-6)


@pytest.mark.model
def test_the_int8_model_gives_the_numbers_that_are_in_indexes_everywhere(int8_dir: Path) -> None:
    # Another number here is another model: raise REVISION.
    [vector] = OnnxEmbedder(int8_dir).embed(["This is an example sentence"])
    expected = [0.04551903, 0.08299685, 0.06082713, 0.07468463, 0.03511048]
    np.testing.assert_allclose(vector[:5], expected, atol=1e-3)


@pytest.mark.model
def test_int8_keeps_close_to_fp32_over_many_sentences(fp32_dir: Path, int8_dir: Path) -> None:
    texts = sentences(300)
    close = cosines(OnnxEmbedder(int8_dir).embed(texts), OnnxEmbedder(fp32_dir).embed(texts))
    assert close.mean() > 0.985
    assert close.min() > 0.96


@pytest.mark.torch
def test_the_model_gives_what_sentence_transformers_gives(
    published: Path, fp32_dir: Path, int8_dir: Path
) -> None:
    pytest.importorskip("sentence_transformers")
    from ragline.embedding.sentence_transformers import SentenceTransformersEmbedder

    texts = [*sentences(300), " ".join(sentences(40))]
    expected = SentenceTransformersEmbedder(published, device="cpu").embed(texts)
    assert cosines(OnnxEmbedder(fp32_dir).embed(texts), expected).min() > 0.9999
    assert cosines(OnnxEmbedder(int8_dir).embed(texts), expected).mean() > 0.98
