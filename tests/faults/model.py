"""The embedding model of the fault tests: words hashed, and a word that it cannot take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ragline.domain.errors import EmbeddingFailed
from ragline.embedding.hashing import HashEmbedder

POISON = "arsenic"


class Model(HashEmbedder):
    """``refuses``: what it raises for texts that hold ``POISON``; None once it is mended."""

    def __init__(self) -> None:
        super().__init__(dimensions=16)
        self.refuses: Exception | None = EmbeddingFailed("the model cannot read this.")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.refuses and any(POISON in text for text in texts):
            raise self.refuses
        return super().embed(texts)
