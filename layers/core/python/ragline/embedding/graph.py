"""BERT, mean pooling and length normalisation as one ONNX graph, from plain arrays, without torch.

The graph reads the token ids of **one** text, ``input_ids`` (tokens,), and gives ``embedding``
(384,): with one text at a time there is no padding, hence no mask, and int8 activations get their
scale from that text alone, so a vector never depends on what it was batched with.

Architecture: https://arxiv.org/abs/1810.04805; names of weights as in Hugging Face's BertModel.
Only standard operators (opset 20): ONNX Runtime fuses them better than its own contrib operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ragline.embedding.model import Precision

LAYERS = 6
HEADS = 12
HIDDEN = 384
EPSILON = 1e-12
MAX_TOKENS = 256

WEIGHT_LIMIT = 64
"""int8 weights stay within ±64: on x86 without VNNI, pairs of uint8 x int8 products are added in
saturating int16, and 2 x 255 x 64 just fits. So every processor computes the same vectors.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html (when to use
reduce-range)."""

Tensors = Mapping[str, NDArray[np.float32]]


def build(tensors: Tensors, precision: Precision) -> Any:
    """The graph as an ``onnx.ModelProto``; the same input gives the same bytes.

    Raises:
        KeyError: a weight is missing.
    """
    graph = _Graph(quantised=precision == "int8")
    x = _embeddings(graph, tensors)
    for layer in range(LAYERS):
        x = _layer(graph, tensors, f"encoder.layer.{layer}.", x)
    pooled = graph.op(
        "ReduceMean", x, graph.constant("axis_0", np.array([0], np.int64)), keepdims=0
    )
    graph.op("LpNormalization", pooled, output="embedding", axis=-1, p=2)
    return graph.model()


class _Graph:
    """Collects nodes and constants; every method returns the name of its result."""

    def __init__(self, *, quantised: bool) -> None:
        self.quantised = quantised
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def ops(self, kind: str, *inputs: str, outputs: int, **attributes: object) -> list[str]:
        number = len(self.nodes)
        names = [f"{kind}_{number}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, f"{kind}_{number}", **attributes))
        return names

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: object) -> str:
        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def linear(self, x: str, name: str, weight: NDArray[np.float32], bias: str) -> str:
        """``x @ weight.T + bias``; ``weight`` is (out, in), as torch keeps it."""
        if not self.quantised:
            product = self.op("MatMul", x, self.constant(name, weight.T))
            return self.op("Add", product, bias)
        integers, scales = _quantise(weight, WEIGHT_LIMIT)
        quantised, scale, zero = self.ops("DynamicQuantizeLinear", x, outputs=3)
        right = self.constant(name, integers.T)
        right_zero = self.constant(f"{name}.zero", np.zeros(len(weight), np.int8))
        product = self.op("MatMulInteger", quantised, right, zero, right_zero)
        right_scale = self.constant(f"{name}.scale", scales[:, 0])
        both = self.op("Mul", scale, right_scale)
        product = self.op("Mul", self.op("Cast", product, to=TensorProto.FLOAT), both)
        return self.op("Add", product, bias)

    def lookup(self, name: str, table: NDArray[np.float32], ids: str) -> str:
        if not self.quantised:
            return self.op("Gather", self.constant(name, table), ids)
        integers, scales = _quantise(table, 127)
        rows = self.op("Gather", self.constant(name, integers), ids)
        scale = self.op("Gather", self.constant(f"{name}.scale", scales), ids)
        return self.op("Mul", self.op("Cast", rows, to=TensorProto.FLOAT), scale)

    def norm(self, x: str, name: str, tensors: Tensors) -> str:
        weight, bias = (self.weight(f"{name}.{part}", tensors) for part in ("weight", "bias"))
        return self.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=EPSILON)

    def weight(self, name: str, tensors: Tensors) -> str:
        return self.constant(name, tensors[name])

    def model(self) -> Any:
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "bert",
            [value("input_ids", TensorProto.INT64, ["tokens"])],
            [value("embedding", TensorProto.FLOAT, [HIDDEN])],
            list(self.constants.values()),
        )
        opset = helper.make_opsetid("", 20)
        return helper.make_model(
            graph, opset_imports=[opset], ir_version=10, producer_name="ragline"
        )


def _quantise(
    matrix: NDArray[np.float32], limit: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 with one scale per row: ``matrix ≈ integers * scales``, scales (rows, 1)."""
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    scales = np.where(largest > 0, largest / limit, 1).astype(np.float32)
    return np.rint(matrix / scales).astype(np.int8), scales


def _embeddings(graph: _Graph, tensors: Tensors) -> str:
    words = graph.lookup("words", tensors["embeddings.word_embeddings.weight"], "input_ids")
    # Every token is of segment 0, so that row is added to the positions once and for all.
    segment = tensors["embeddings.token_type_embeddings.weight"][0]
    positions = tensors["embeddings.position_embeddings.weight"][:MAX_TOKENS] + segment
    used = graph.op(
        "Slice",
        graph.constant("positions", positions),
        graph.constant("start", np.array([0], np.int64)),
        graph.op("Shape", "input_ids"),
    )
    return graph.norm(graph.op("Add", words, used), "embeddings.LayerNorm", tensors)


def _layer(graph: _Graph, tensors: Tensors, prefix: str, x: str) -> str:
    def dense(name: str, x: str) -> str:
        bias = graph.weight(f"{prefix}{name}.bias", tensors)
        return graph.linear(x, f"{prefix}{name}", tensors[f"{prefix}{name}.weight"], bias)

    attended = dense("attention.output.dense", _attention(graph, tensors, prefix, x))
    name = f"{prefix}attention.output.LayerNorm"
    x = graph.norm(graph.op("Add", attended, x), name, tensors)
    wide = graph.op("Gelu", dense("intermediate.dense", x))
    narrow = dense("output.dense", wide)
    return graph.norm(graph.op("Add", narrow, x), f"{prefix}output.LayerNorm", tensors)


def _attention(graph: _Graph, tensors: Tensors, prefix: str, x: str) -> str:
    """Self-attention over all tokens of the text, before its output projection."""
    # One product for query, key and value: x is quantised once, and the product is larger.
    names = [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([tensors[f"{name}.weight"] for name in names])
    bias = np.concatenate([tensors[f"{name}.bias"] for name in names])
    bias_name = graph.constant(f"{prefix}attention.self.bias", bias)
    projected = graph.linear(x, f"{prefix}attention.self", weight, bias_name)
    size = HIDDEN // HEADS
    split = graph.constant("heads", np.array([0, 3, HEADS, size], np.int64))
    heads = graph.op("Transpose", graph.op("Reshape", projected, split), perm=[1, 2, 0, 3])
    axis = graph.constant("axis_0", np.array([0], np.int64))
    query, key, value = (
        graph.op("Squeeze", part, axis)
        for part in graph.ops("Split", heads, outputs=3, axis=0, num_outputs=3)
    )
    scaled = graph.op("Mul", query, graph.constant("scale", np.array([size**-0.5], np.float32)))
    scores = graph.op("MatMul", scaled, graph.op("Transpose", key, perm=[0, 2, 1]))
    mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value)
    joined = graph.constant("joined", np.array([0, HIDDEN], np.int64))
    return graph.op("Reshape", graph.op("Transpose", mixed, perm=[1, 0, 2]), joined)
