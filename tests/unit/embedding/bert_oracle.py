"""BERT, mean pooling and normalisation in float64 and plain numpy: slow, and easy to check.

Written from the paper, head by head, sharing nothing with ``ragline.embedding.graph``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HEADS = 12

_erf = np.vectorize(math.erf, otypes=[np.float64])


def exact(tensors: Mapping[str, NDArray[np.float32]]) -> dict[str, Floats]:
    return {name: tensor.astype(np.float64) for name, tensor in tensors.items()}


def forward(weights: Mapping[str, Floats], ids: Sequence[int]) -> Floats:
    """The unit vector of one text, given its token ids (special tokens included)."""
    x = (
        weights["embeddings.word_embeddings.weight"][list(ids)]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    x = _norm(weights, "embeddings.LayerNorm", x)
    for number in range(6):
        layer = f"encoder.layer.{number}."
        attended = _dense(weights, f"{layer}attention.output.dense", _attend(weights, layer, x))
        x = _norm(weights, f"{layer}attention.output.LayerNorm", x + attended)
        wide = _dense(weights, f"{layer}intermediate.dense", x)
        wide = wide * 0.5 * (1 + _erf(wide / math.sqrt(2)))
        x = _norm(
            weights, f"{layer}output.LayerNorm", x + _dense(weights, f"{layer}output.dense", wide)
        )
    mean: Floats = x.mean(axis=0)
    unit: Floats = mean / np.linalg.norm(mean)
    return unit


def _dense(weights: Mapping[str, Floats], name: str, x: Floats) -> Floats:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(weights: Mapping[str, Floats], name: str, x: Floats) -> Floats:
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    scaled: Floats = centred / np.sqrt(variance + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _attend(weights: Mapping[str, Floats], layer: str, x: Floats) -> Floats:
    query, key, value = (
        _dense(weights, f"{layer}attention.self.{part}", x) for part in ("query", "key", "value")
    )
    size = x.shape[1] // HEADS
    heads = []
    for head in range(HEADS):
        columns = slice(head * size, (head + 1) * size)
        scores = query[:, columns] @ key[:, columns].T / math.sqrt(size)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        heads.append(powers / powers.sum(axis=1, keepdims=True) @ value[:, columns])
    return np.concatenate(heads, axis=1)
