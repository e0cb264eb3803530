"""A small embedding model, by which a corpus is through in minutes: two narrow layers of random
weights. Its tokens are the default model's, so passages are cut as ever; its hits mean nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ragline.embedding.adopt import adopt
from ragline.embedding.model import TOKENIZER_FILE
from ragline.embedding.prepare import ensure
from tests.unit.embedding.checkpoints import (
    HIDDEN,
    random_weights,
    sentence_transformers_files,
    write_checkpoint,
)

VOCABULARY, POSITIONS, WINDOW = 30_522, 512, 256


def small_model(folder: Path) -> Path:
    """Made in ``folder``; the one to give as ModelDir."""
    source = folder / "small"
    write_checkpoint(
        source,
        files=sentence_transformers_files(window=WINDOW),
        config={"max_position_embeddings": POSITIONS, "vocab_size": VOCABULARY},
    )
    weights = random_weights(VOCABULARY, 0)
    weights["embeddings.position_embeddings.weight"] = (
        np.random.default_rng(5).normal(0, 0.3, (POSITIONS, HIDDEN)).astype(np.float32)
    )
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(ensure("int8") / TOKENIZER_FILE, source / TOKENIZER_FILE)
    kept = os.environ.get("RAGLINE_CACHE")
    os.environ["RAGLINE_CACHE"] = str(folder / "cache")
    try:
        return adopt(str(source), "fp32")
    finally:
        if kept is None:
            del os.environ["RAGLINE_CACHE"]
        else:
            os.environ["RAGLINE_CACHE"] = kept
