"""An embedder that tells how much it was given to do, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragline.ports import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Watched:
    """``ports.Embedder`` in front of another one; made for one invocation.

    ``texts`` and ``tokens`` are those of the passages that it embedded (0 tokens where the model
    does not count them), ``milliseconds`` how long it took.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._before = self._tokens()
        self.texts = 0
        self.milliseconds = 0.0

    @property
    def fingerprint(self) -> str:
        return self._embedder.fingerprint

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    @property
    def tokens(self) -> int:
        return self._tokens() - self._before

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the port says; what fails is counted too."""
        start = time.perf_counter()
        try:
            return self._embedder.embed(texts)
        finally:
            self.texts += len(texts)
            self.milliseconds += (time.perf_counter() - start) * 1_000

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.embed_query(text)

    def fluency(self, text: str) -> float:
        return self._embedder.fluency(text)

    def _tokens(self) -> int:
        return int(getattr(self._embedder, "tokens_read", 0))
