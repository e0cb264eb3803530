"""Any sentence-transformers model, on torch: an option for a GPU, and the oracle for parity."""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragline.domain.errors import EmbeddingFailed, SetupError
from ragline.embedding.fluency import fluency
from ragline.embedding.tokenizer import encodable

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SentenceTransformersEmbedder:
    """Implements ``ports.Embedder``. ``device`` is torch's ("cuda", "cpu"); None lets it choose.

    Raises:
        SetupError: the extra is not installed, or the model cannot be loaded.
    """

    def __init__(self, model_name_or_path: str | Path, device: str | None = None) -> None:
        self._model = _load(str(model_name_or_path), device)
        # Asked of a vector: the method that tells has changed its name between releases.
        self._dimensions = len(self._model.encode("", show_progress_bar=False))
        name = re.sub(r"[^a-z0-9]+", "-", Path(model_name_or_path).name.lower()).strip("-")
        self._fingerprint = f"st-{name}-{_digest(self._model)}"

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def dimensions(self) -> int:
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the port says.

        Raises:
            EmbeddingFailed: one of the texts cannot be embedded; embed them singly to find it.
        """
        if not texts:
            return np.empty((0, self._dimensions), np.float32)
        return self._encode(self._model.encode_document, texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """As the port says.

        Raises:
            EmbeddingFailed: the text cannot be embedded.
        """
        vector: NDArray[np.float32] = self._encode(self._model.encode_query, [text])[0]
        return vector

    def fluency(self, text: str) -> float:
        """As the port says; 1 for a model whose tokenizer is not of the package tokenizers."""
        tokenizer = getattr(self._model.tokenizer, "backend_tokenizer", None)
        return fluency(tokenizer, encodable(text)) if tokenizer else 1.0

    def _encode(self, encode: Callable[..., Any], texts: Sequence[str]) -> NDArray[np.float32]:
        try:
            vectors = encode(
                [encodable(text) for text in texts],
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        except RuntimeError as error:  # torch's
            raise EmbeddingFailed(f"The model cannot embed this text: {error}") from error
        return np.asarray(vectors, np.float32)


def _load(name: str, device: str | None) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise SetupError(
            "sentence-transformers is not installed."
            " Install it with `pip install 'ragline[sentence-transformers]'`."
        ) from error
    try:
        return SentenceTransformer(name, device=device)
    except Exception as error:  # of the hub, of torch, of the file formats: no common base
        raise SetupError(f"The model {name!r} cannot be loaded: {error}") from error


def _digest(model: Any) -> str:
    """Eight digits that name weights, window and prompts: a name alone says none of them."""
    as_bytes = importlib.import_module("torch").uint8  # numpy knows no bfloat16
    prompts = {name: prompt for name, prompt in sorted(model.prompts.items()) if prompt}
    digest = hashlib.sha256(f"{model.max_seq_length}{prompts or ''}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        plain = tensor.detach().cpu().contiguous().flatten()
        digest.update(f"{name} {plain.dtype}".encode())
        digest.update(plain.view(dtype=as_bytes).numpy())
    return digest.hexdigest()[:8]
