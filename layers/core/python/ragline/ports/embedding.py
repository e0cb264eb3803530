"""The model: text to tokens and vectors, and passages read together with a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Tokenizer(Protocol):
    """The embedding model's own tokenizer.

    One that says ``by_word: bool`` of itself, and says True, gives every word between white space
    the tokens that it has by itself: then the counts of parts add up, and are not checked.
    """

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """The character span ``(start, end)`` of each token, special tokens left out."""


class Embedder(Protocol):
    """Text to vectors."""

    @property
    def fingerprint(self) -> str:
        """Names model, version and precision; ``[a-z0-9-]``. Vectors of two never mix."""

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Passages: ``(len(texts), dimensions)`` float32, each row of Euclidean length 1.

        Texts longer than the model reads are truncated to its window.
        """

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """A query: ``(dimensions,)`` float32 of length 1. Some models read it unlike a passage.

        It may be shared with other callers: not to be written to.
        """

    def fluency(self, text: str) -> float:
        """How well the model reads the language of a text: 0 not at all, 1 as its own."""


class Reranker(Protocol):
    """Reads question and passage together: finer than either leg, and too slow for all rows."""

    @property
    def name(self) -> str:
        """What it is, with its model; shown to people."""

    def weight(self, query: str) -> float:
        """Its share in the final order, 0 to 1; the rest is the legs'."""

    def scores(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """One score a passage, higher is better; comparable within one call only."""
