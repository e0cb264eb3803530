"""Words hashed into a vector: a stand-in for a model where only sameness of words matters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Chinese and Japanese write no spaces: there, each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")


class HashEmbedder:
    """Implements ``ports.Embedder``: texts that share more words are nearer; no model, no files.

    Feature hashing with signs (https://arxiv.org/abs/0902.2206). The same on every machine.
    """

    def __init__(self, dimensions: int = 64) -> None:
        self._dimensions = dimensions

    @property
    def fingerprint(self) -> str:
        return f"hash-1-{self._dimensions}"

    @property
    def dimensions(self) -> int:
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self._dimensions), np.float32)
        for row, text in enumerate(texts):
            for word in _WORD.findall(text.casefold()):
                number = _hash(word)
                vectors[row, (number >> 1) % self._dimensions] += 1 if number & 1 else -1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        # No words, or they cancelled out: any direction will do.
        vectors[lengths[:, 0] == 0, 0] = 1
        lengths[lengths == 0] = 1
        normed: NDArray[np.float32] = vectors / lengths
        return normed

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.embed([text])[0]
        return vector

    def fluency(self, text: str) -> float:
        return 1.0


def _hash(word: str) -> int:
    data = word.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
