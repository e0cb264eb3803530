"""A model of the real shape with random weights and a tiny vocabulary: nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline.embedding import weights
from ragline.embedding.model import TOKENIZER_FILE, Precision, sha256
from ragline.embedding.prepare import prepare

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = [
    *SPECIAL,
    "the",
    "cat",
    "sat",
    "cafe",
    "##s",
    "ocean",
    "deep",
    "世",
    "界",
    "🦜",
    ".",
    "a",
]


@pytest.fixture(scope="session")
def tensors() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(7)

    def draw(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.05, shape).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": draw(len(VOCABULARY), 384),
        "embeddings.position_embeddings.weight": draw(512, 384),
        "embeddings.token_type_embeddings.weight": draw(2, 384),
    }
    dense = {"intermediate.dense": (1536, 384), "output.dense": (384, 1536)}
    for part in ("self.query", "self.key", "self.value", "output.dense"):
        dense[f"attention.{part}"] = (384, 384)
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{number}." for number in range(6)):
        for name, (outputs, inputs) in dense.items():
            found[f"{layer}{name}.weight"] = draw(outputs, inputs)
            found[f"{layer}{name}.bias"] = draw(outputs)
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    for name in norms:
        found[f"{name}.weight"] = 1 + draw(384)
        found[f"{name}.bias"] = draw(384)
    return found


@pytest.fixture(scope="session")
def weights_dir(tensors: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("weights")
    save_file(tensors, folder / weights.WEIGHTS_FILE)
    numbers = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    # As published, it cuts and pads to 128: ours must do neither.
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding(length=128)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    return folder


@pytest.fixture(scope="session")
def sums(weights_dir: Path) -> dict[str, str]:
    return {name: sha256(weights_dir / name) for name in weights.SHA256}


@pytest.fixture
def pinned(sums: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the random weights for the published ones."""
    monkeypatch.setattr(weights, "SHA256", sums)


@pytest.fixture(scope="session")
def prepared(
    sums: dict[str, str], weights_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Precision, Path]:
    """The random model, prepared in both precisions; not to be changed."""
    root = tmp_path_factory.mktemp("prepared")
    precisions: tuple[Precision, ...] = ("int8", "fp32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "SHA256", sums)
        return {name: prepare(root / name, name, weights=weights_dir) for name in precisions}
