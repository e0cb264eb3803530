"""BERT and what stands on it as one ONNX graph, from plain arrays, without torch.

A graph reads **one** text: with one at a time there is no padding, hence no mask, and int8
activations get their scale from that text alone, so a result never depends on what it was batched
with.

Architecture: https://arxiv.org/abs/1810.04805; names of weights as in Hugging Face's BertModel and
BertForSequenceClassification.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragline.embedding.checkpoint import PINNED, Checkpoint
from ragline.embedding.model import Precision
from ragline.embedding.operators import Graph, Tensors


def build(tensors: Tensors, precision: Precision, checkpoint: Checkpoint = PINNED) -> Any:
    """An embedding model as an ``onnx.ModelProto``; the same input gives the same bytes.

    Reads ``input_ids`` (tokens,) and gives ``embedding`` (hidden,), the text's vector, and
    ``tokens`` (tokens, hidden), one vector for each token in its context; all of length 1. ONNX
    Runtime computes both whichever is asked for; the second is one normalisation more, below what
    can be measured.

    Raises:
        KeyError: a weight is missing.
    """
    graph = Graph(tensors, quantised=precision == "int8")
    x = _encoder(graph, checkpoint, _first_segment(graph, checkpoint))
    if checkpoint.pooling == "cls":
        pooled = _first_row(graph, x)
    else:
        axis = graph.constant("axis_0", np.array([0], np.int64))
        pooled = graph.op("ReduceMean", x, axis, keepdims=0)
    graph.op("LpNormalization", pooled, output="embedding", axis=-1, p=2)
    graph.op("LpNormalization", x, output="tokens", axis=-1, p=2)
    hidden = checkpoint.bert.hidden
    return graph.model(["input_ids"], {"embedding": [hidden], "tokens": ["tokens", hidden]})


def build_reranker(tensors: Tensors, precision: Precision, checkpoint: Checkpoint) -> Any:
    """A cross-encoder as an ``onnx.ModelProto``: BERT, its pooler and its classifier.

    Reads ``input_ids`` and ``token_type_ids``, both (tokens,), of question and passage as one
    text; gives ``score`` (1,), the classifier's only logit.

    Raises:
        KeyError: a weight is missing.
    """
    graph = Graph(tensors, quantised=precision == "int8")
    x = _encoder(graph, checkpoint, _given_segments(graph, checkpoint))
    first = _first_row(graph, x)
    # One row each: in int8 they would gain no time.
    pooled = graph.exact(
        first, "pooler.dense", tensors["pooler.dense.weight"], graph.weight("pooler.dense.bias")
    )
    squeezed = graph.op("Tanh", pooled)
    bias = graph.weight("classifier.bias")
    graph.exact(squeezed, "classifier", tensors["classifier.weight"], bias, output="score")
    return graph.model(["input_ids", "token_type_ids"], {"score": [1]})


def _encoder(graph: Graph, checkpoint: Checkpoint, positions: str) -> str:
    bert = checkpoint.bert
    words = graph.lookup("words", graph.tensors["embeddings.word_embeddings.weight"], "input_ids")
    x = graph.norm(graph.op("Add", words, positions), "embeddings.LayerNorm", bert.epsilon)
    for layer in range(bert.layers):
        x = _layer(graph, checkpoint, f"encoder.layer.{layer}.", x)
    return x


def _first_segment(graph: Graph, checkpoint: Checkpoint) -> str:
    # Every token is of segment 0, so that row is added to the positions once and for all.
    segment = graph.tensors["embeddings.token_type_embeddings.weight"][0]
    return _positions(graph, checkpoint, segment)


def _given_segments(graph: Graph, checkpoint: Checkpoint) -> str:
    table = graph.weight("embeddings.token_type_embeddings.weight")
    segments = graph.op("Gather", table, "token_type_ids")
    nothing = np.zeros(checkpoint.bert.hidden, np.float32)
    return graph.op("Add", _positions(graph, checkpoint, nothing), segments)


def _positions(graph: Graph, checkpoint: Checkpoint, added: NDArray[np.float32]) -> str:
    table = graph.tensors["embeddings.position_embeddings.weight"][: checkpoint.max_tokens]
    return graph.op(
        "Slice",
        graph.constant("positions", table + added),
        graph.constant("start", np.array([0], np.int64)),
        graph.op("Shape", "input_ids"),
    )


def _first_row(graph: Graph, x: str) -> str:
    """That of [CLS], which stands before every text; (hidden,)."""
    return graph.op("Gather", x, graph.constant("first", np.array(0, np.int64)), axis=0)


def _layer(graph: Graph, checkpoint: Checkpoint, prefix: str, x: str) -> str:
    epsilon = checkpoint.bert.epsilon

    def dense(name: str, x: str) -> str:
        bias = graph.weight(f"{prefix}{name}.bias")
        return graph.linear(x, f"{prefix}{name}", graph.tensors[f"{prefix}{name}.weight"], bias)

    attended = dense("attention.output.dense", _attention(graph, checkpoint, prefix, x))
    name = f"{prefix}attention.output.LayerNorm"
    x = graph.norm(graph.op("Add", attended, x), name, epsilon)
    wide = graph.op("Gelu", dense("intermediate.dense", x))
    narrow = dense("output.dense", wide)
    return graph.norm(graph.op("Add", narrow, x), f"{prefix}output.LayerNorm", epsilon)


def _attention(graph: Graph, checkpoint: Checkpoint, prefix: str, x: str) -> str:
    """Self-attention over all tokens of the text, before its output projection."""
    # One product for query, key and value: x is quantised once, and the product is larger.
    names = [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([graph.tensors[f"{name}.weight"] for name in names])
    bias = np.concatenate([graph.tensors[f"{name}.bias"] for name in names])
    bias_name = graph.constant(f"{prefix}attention.self.bias", bias)
    projected = graph.linear(x, f"{prefix}attention.self", weight, bias_name)
    heads, hidden = checkpoint.bert.heads, checkpoint.bert.hidden
    size = hidden // heads
    split = graph.constant("heads", np.array([0, 3, heads, size], np.int64))
    parts = graph.op("Transpose", graph.op("Reshape", projected, split), perm=[1, 2, 0, 3])
    axis = graph.constant("axis_0", np.array([0], np.int64))
    query, key, value = (
        graph.op("Squeeze", part, axis)
        for part in graph.ops("Split", parts, outputs=3, axis=0, num_outputs=3)
    )
    scaled = graph.op("Mul", query, graph.constant("scale", np.array([size**-0.5], np.float32)))
    scores = graph.op("MatMul", scaled, graph.op("Transpose", key, perm=[0, 2, 1]))
    mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value)
    joined = graph.constant("joined", np.array([0, hidden], np.int64))
    return graph.op("Reshape", graph.op("Transpose", mixed, perm=[1, 0, 2]), joined)
