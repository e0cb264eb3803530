from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ragline.domain.errors import EmbeddingFailed, SetupError
from ragline.embedding import onnx as module
from ragline.embedding.model import CARD_FILE, GRAPH_FILE, TOKENIZER_FILE, Precision
from ragline.embedding.onnx import OnnxEmbedder


@pytest.fixture
def copied(prepared: dict[Precision, Path], tmp_path: Path) -> Path:
    return shutil.copytree(prepared["int8"], tmp_path / "model")


def test_a_text_is_read_up_to_256_tokens_with_the_two_that_frame_it(
    prepared: dict[Precision, Path],
) -> None:
    embedder = OnnxEmbedder(prepared["fp32"])
    short, whole, longer = embedder.embed(
        ["cat " * 253, "cat " * 254, "cat " * 254 + "ocean " * 99]
    )
    np.testing.assert_array_equal(whole, longer)
    assert not np.array_equal(short, whole)


def test_a_query_that_is_asked_again_is_not_embedded_again(
    prepared: dict[Precision, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = OnnxEmbedder(prepared["int8"])
    first = embedder.embed_query("the cat")
    np.testing.assert_array_equal(first, embedder.embed(["the cat"])[0])
    monkeypatch.setattr(embedder, "_session", None)
    assert embedder.embed_query("the cat") is first
    with pytest.raises(AttributeError):
        embedder.embed_query("another")


def test_what_all_callers_share_cannot_be_written_to(prepared: dict[Precision, Path]) -> None:
    vector = OnnxEmbedder(prepared["int8"]).embed_query("the cat")
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 1


def test_only_so_many_queries_are_kept(
    prepared: dict[Precision, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUERIES_KEPT", 2)
    embedder = OnnxEmbedder(prepared["int8"])
    vectors = [embedder.embed_query(word) for word in ("cat", "ocean", "deep")]
    assert embedder.embed_query("deep") is vectors[2]
    assert embedder.embed_query("cat") is not vectors[0]


def test_each_token_has_a_vector_of_length_1_those_counted_that_frame_the_text(
    prepared: dict[Precision, Path],
) -> None:
    embedder = OnnxEmbedder(prepared["fp32"])
    found = embedder.tokens("The cats sat.", query=False, limit=99)
    # [CLS] the cat ##s sat . [SEP]
    assert found.shape == (7, embedder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_first_tokens_are_those_of_the_cut_text(prepared: dict[Precision, Path]) -> None:
    embedder = OnnxEmbedder(prepared["fp32"])
    cut = embedder.tokens("the cats sat . the ocean", query=False, limit=5)
    short = embedder.tokens("the cats", query=False, limit=5)
    assert len(cut) == 5
    np.testing.assert_array_equal(cut, short)


def test_the_card_names_the_vectors(prepared: dict[Precision, Path]) -> None:
    fingerprints = {OnnxEmbedder(folder).fingerprint for folder in prepared.values()}
    assert fingerprints == {"all-minilm-l6-v2-2-int8", "all-minilm-l6-v2-2-fp32"}


@pytest.mark.parametrize("name", [GRAPH_FILE, TOKENIZER_FILE, CARD_FILE])
def test_a_model_with_a_missing_file_says_how_to_get_it(name: str, copied: Path) -> None:
    (copied / name).unlink()
    with pytest.raises(SetupError, match="make model"):
        OnnxEmbedder(copied)


@pytest.mark.parametrize("name", [GRAPH_FILE, TOKENIZER_FILE, CARD_FILE])
@pytest.mark.parametrize("rest", [0, 100])
def test_a_model_with_a_damaged_file_says_how_to_get_it(name: str, rest: int, copied: Path) -> None:
    (copied / name).write_bytes((copied / name).read_bytes()[:rest])
    with pytest.raises(SetupError, match="make model"):
        OnnxEmbedder(copied)


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"name": "x"}'])
def test_a_card_of_another_shape_says_how_to_get_a_right_one(content: str, copied: Path) -> None:
    (copied / CARD_FILE).write_text(content)
    with pytest.raises(SetupError, match="make model"):
        OnnxEmbedder(copied)


def test_a_token_that_the_model_does_not_know_fails_that_text_alone(copied: Path) -> None:
    path = copied / TOKENIZER_FILE
    content = json.loads(path.read_text("utf-8"))
    content["model"]["vocab"]["ocean"] = 99_999
    path.write_text(json.dumps(content), "utf-8")
    embedder = OnnxEmbedder(copied)
    with pytest.raises(EmbeddingFailed, match="cannot embed"):
        embedder.embed(["the cat", "the ocean"])
    assert embedder.embed(["the cat"]).shape == (1, 384)


def test_a_vector_that_is_not_finite_fails(copied: Path, tensors: dict[str, np.ndarray]) -> None:
    from ragline.embedding.graph import build

    name = "embeddings.LayerNorm.bias"
    broken = tensors | {name: np.full(384, np.nan, np.float32)}
    (copied / GRAPH_FILE).write_bytes(build(broken, "fp32").SerializeToString())
    with pytest.raises(EmbeddingFailed, match="finite"):
        OnnxEmbedder(copied).embed(["cat"])


def test_running_the_model_needs_neither_onnx_nor_torch_nor_the_tools_that_prepare_it(
    prepared: dict[Precision, Path],
) -> None:
    program = (
        "import sys\n"
        "for name in ('onnx', 'torch', 'safetensors', 'platformdirs', 'huggingface_hub', 'uv'):\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from ragline.embedding.onnx import OnnxEmbedder\n"
        "print(OnnxEmbedder(Path(sys.argv[1])).embed(['the cat']).shape)\n"
    )
    command = [sys.executable, "-c", program, str(prepared["int8"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("(1, 384)\n", "")


def test_importing_the_embedders_loads_neither_runtime_nor_model() -> None:
    program = (
        "import sys, ragline.embedding.onnx, ragline.embedding.sentence_transformers\n"
        "import ragline.embedding.prepare\n"
        "print({'onnx', 'onnxruntime', 'tokenizers', 'torch', 'uv'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "set()\n"
