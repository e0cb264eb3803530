from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline.embedding.graph import build
from ragline.embedding.model import GRAPH_FILE, Precision
from ragline.embedding.operators import WEIGHT_LIMIT
from tests.unit.embedding.bert_oracle import exact, forward, hidden_states

Tensors = dict[str, NDArray[np.float32]]
IDS = [[2, 3], [2, 4, 5, 6, 14, 3], [2, *range(4, 14), *range(4, 14), 1, 1, 1, 3]]


def run(folder: Path, ids: list[int], output: str = "embedding") -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / GRAPH_FILE)
    [vector] = session.run([output], {"input_ids": np.array(ids, np.int64)})
    assert isinstance(vector, np.ndarray)
    return vector


@pytest.mark.parametrize("ids", IDS)
def test_the_fp32_graph_computes_bert_to_the_last_float32_digits(
    ids: list[int], tensors: Tensors, prepared: dict[Precision, Path]
) -> None:
    np.testing.assert_allclose(run(prepared["fp32"], ids), forward(exact(tensors), ids), atol=2e-6)


@pytest.mark.parametrize("ids", IDS)
def test_the_int8_graph_stays_close_to_bert(
    ids: list[int], tensors: Tensors, prepared: dict[Precision, Path]
) -> None:
    assert run(prepared["int8"], ids) @ forward(exact(tensors), ids) > 0.995


@pytest.mark.parametrize("ids", IDS)
def test_the_second_output_is_each_token_in_its_context(
    ids: list[int], tensors: Tensors, prepared: dict[Precision, Path]
) -> None:
    expected = hidden_states(exact(tensors), ids, [0] * len(ids))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(run(prepared["fp32"], ids, "tokens"), expected, atol=2e-6)
    assert np.sum(run(prepared["int8"], ids, "tokens") * expected, axis=1).min() > 0.98


def test_int8_products_cannot_overflow_the_16_bits_that_older_processors_add_them_in(
    tensors: Tensors,
) -> None:
    from onnx import numpy_helper

    model = build(tensors, "int8")
    arrays = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    multiplied = [node.input[1] for node in model.graph.node if node.op_type == "MatMulInteger"]
    assert len(multiplied) == 6 * 4
    for name in multiplied:
        assert arrays[name].dtype == np.int8
        assert np.abs(arrays[name].astype(int)).max() == WEIGHT_LIMIT
    assert np.iinfo(np.int16).max >= 2 * 255 * WEIGHT_LIMIT


def test_a_row_of_zeros_is_quantised_without_dividing_by_zero(tensors: Tensors) -> None:
    name = "encoder.layer.0.output.dense.weight"
    changed = tensors | {name: tensors[name].copy()}
    changed[name][5] = 0
    assert build(changed, "int8").ByteSize() > 0  # NumPy's warning would be an error here


def test_a_missing_weight_is_named(tensors: Tensors) -> None:
    name = "encoder.layer.3.output.dense.bias"
    with pytest.raises(KeyError, match=name):
        build({key: value for key, value in tensors.items() if key != name}, "fp32")
