"""Collects ONNX nodes and constants, each in float32 or in our own int8.

Only standard operators (opset 20): ONNX Runtime fuses them better than its own contrib operators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

WEIGHT_LIMIT = 64
"""int8 weights stay within ±64: on x86 without VNNI, pairs of uint8 x int8 products are added in
saturating int16, and 2 x 255 x 64 just fits. So every processor computes the same vectors.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html (when to use
reduce-range)."""

Tensors = Mapping[str, NDArray[np.float32]]


class Graph:
    """Every method that adds something returns the name of its result."""

    def __init__(self, tensors: Tensors, *, quantised: bool) -> None:
        self.tensors = tensors
        self.quantised = quantised
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
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

    def weight(self, name: str) -> str:
        return self.constant(name, self.tensors[name])

    def linear(self, x: str, name: str, weight: NDArray[np.float32], bias: str) -> str:
        """``x @ weight.T + bias``; ``weight`` is (out, in), as torch keeps it."""
        if not self.quantised:
            return self.exact(x, name, weight, bias)
        integers, scales = _quantise(weight, WEIGHT_LIMIT)
        quantised, scale, zero = self.ops("DynamicQuantizeLinear", x, outputs=3)
        right = self.constant(name, integers.T)
        right_zero = self.constant(f"{name}.zero", np.zeros(len(weight), np.int8))
        product = self.op("MatMulInteger", quantised, right, zero, right_zero)
        right_scale = self.constant(f"{name}.scale", scales[:, 0])
        both = self.op("Mul", scale, right_scale)
        product = self.op("Mul", self.op("Cast", product, to=TensorProto.FLOAT), both)
        return self.op("Add", product, bias)

    def exact(
        self, x: str, name: str, weight: NDArray[np.float32], bias: str, *, output: str = ""
    ) -> str:
        """As ``linear``, in float32 whatever the rest of the graph is."""
        product = self.op("MatMul", x, self.constant(name, weight.T))
        return self.op("Add", product, bias, output=output)

    def lookup(self, name: str, table: NDArray[np.float32], ids: str) -> str:
        if not self.quantised:
            return self.op("Gather", self.constant(name, table), ids)
        integers, scales = _quantise(table, 127)
        rows = self.op("Gather", self.constant(name, integers), ids)
        scale = self.op("Gather", self.constant(f"{name}.scale", scales), ids)
        return self.op("Mul", self.op("Cast", rows, to=TensorProto.FLOAT), scale)

    def norm(self, x: str, name: str, epsilon: float) -> str:
        weight, bias = (self.weight(f"{name}.{part}") for part in ("weight", "bias"))
        return self.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=epsilon)

    def model(self, inputs: Sequence[str], outputs: Mapping[str, Sequence[str | int]]) -> Any:
        """``inputs`` are token numbers (tokens,); ``outputs`` are named, with their shapes."""
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "bert",
            [value(name, TensorProto.INT64, ["tokens"]) for name in inputs],
            [value(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
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
