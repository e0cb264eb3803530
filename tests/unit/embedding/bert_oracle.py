"""BERT and what stands on it in float64 and plain numpy: slow, and easy to check.

Written from the paper, head by head, sharing nothing with ``ragline.embedding.graph``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def exact(tensors: Mapping[str, NDArray[np.float32]]) -> dict[str, Floats]:
    return {name: tensor.astype(np.float64) for name, tensor in tensors.items()}


def forward(
    weights: Mapping[str, Floats],
    ids: Sequence[int],
    *,
    heads: int = 12,
    epsilon: float = 1e-12,
    pooling: str = "mean",
) -> Floats:
    """The unit vector of one text, given its token ids (special tokens included)."""
    x = hidden_states(weights, ids, [0] * len(ids), heads=heads, epsilon=epsilon)
    pooled: Floats = x[0] if pooling == "cls" else x.mean(axis=0)
    unit: Floats = pooled / np.linalg.norm(pooled)
    return unit


def classify(
    weights: Mapping[str, Floats],
    ids: Sequence[int],
    segments: Sequence[int],
    *,
    heads: int,
    epsilon: float,
) -> float:
    """The only logit of BertForSequenceClassification, whose weights have no "bert." in front."""
    x = hidden_states(weights, ids, segments, heads=heads, epsilon=epsilon)
    [logit] = _dense(weights, "classifier", np.tanh(_dense(weights, "pooler.dense", x[0])))
    return float(logit)


def hidden_states(
    weights: Mapping[str, Floats],
    ids: Sequence[int],
    segments: Sequence[int],
    *,
    heads: int = 12,
    epsilon: float = 1e-12,
) -> Floats:
    """The last layer's output, (tokens, hidden)."""
    x = (
        weights["embeddings.word_embeddings.weight"][list(ids)]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][list(segments)]
    )
    x = _norm(weights, "embeddings.LayerNorm", x, epsilon)
    layers = {name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}
    for number in range(len(layers)):
        layer = f"encoder.layer.{number}."
        attended = _attend(weights, layer, x, heads)
        attended = _dense(weights, f"{layer}attention.output.dense", attended)
        x = _norm(weights, f"{layer}attention.output.LayerNorm", x + attended, epsilon)
        wide = _dense(weights, f"{layer}intermediate.dense", x)
        wide = wide * 0.5 * (1 + _erf(wide / math.sqrt(2)))
        narrow = _dense(weights, f"{layer}output.dense", wide)
        x = _norm(weights, f"{layer}output.LayerNorm", x + narrow, epsilon)
    return x


def _dense(weights: Mapping[str, Floats], name: str, x: Floats) -> Floats:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(weights: Mapping[str, Floats], name: str, x: Floats, epsilon: float) -> Floats:
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    scaled: Floats = centred / np.sqrt(variance + epsilon)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _attend(weights: Mapping[str, Floats], layer: str, x: Floats, number: int) -> Floats:
    query, key, value = (
        _dense(weights, f"{layer}attention.self.{part}", x) for part in ("query", "key", "value")
    )
    size = x.shape[1] // number
    heads = []
    for head in range(number):
        columns = slice(head * size, (head + 1) * size)
        scores = query[:, columns] @ key[:, columns].T / math.sqrt(size)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        heads.append(powers / powers.sum(axis=1, keepdims=True) @ value[:, columns])
    return np.concatenate(heads, axis=1)
