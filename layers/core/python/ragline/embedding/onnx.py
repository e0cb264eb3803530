"""The embedding model on ONNX Runtime: what the functions run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragline.domain.errors import EmbeddingFailed, SetupError
from ragline.embedding.model import ADVICE, GRAPH_FILE, read_card
from ragline.embedding.tokenizer import encodable, load

if TYPE_CHECKING:
    from numpy.typing import NDArray


class OnnxEmbedder:
    """Implements ``ports.Embedder`` for a prepared model.

    One text at a time: as fast as any batch on a CPU, and a vector does not depend on its
    neighbours. ``threads`` is the number of cores that one text may use.

    Raises:
        SetupError: there is no model in the folder, or it is damaged.
    """

    def __init__(self, model_dir: Path, *, threads: int = 1) -> None:
        self._card = read_card(model_dir)
        self._tokenizer = load(model_dir, max_tokens=self._card.max_tokens)
        self._session = _session(model_dir / GRAPH_FILE, threads)

    @property
    def fingerprint(self) -> str:
        return self._card.fingerprint

    @property
    def dimensions(self) -> int:
        return self._card.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the port says.

        Raises:
            EmbeddingFailed: one of the texts cannot be embedded; embed them singly to find it.
        """
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._embed(text)
        return vectors

    def _embed(self, text: str) -> NDArray[np.float32]:
        ids = self._tokenizer.encode(encodable(text)).ids
        try:
            [vector] = self._session.run(["embedding"], {"input_ids": np.array(ids, np.int64)})
        except Exception as error:  # the runtime's exceptions have no common base
            raise EmbeddingFailed(f"The model cannot embed this text: {error}") from error
        if not np.isfinite(vector).all():
            raise EmbeddingFailed("The model gave no finite vector for this text.")
        embedding: NDArray[np.float32] = vector
        return embedding


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A plan per length of text costs 18 MB over a mixed load and saves no measurable time.
    options.enable_mem_pattern = False
    # Waiting threads would burn the very cores that other functions' work needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions have no common base
        raise SetupError(f"The model {path} is missing or damaged. {ADVICE}") from error
