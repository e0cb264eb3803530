"""The embedding model on ONNX Runtime: what the functions run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragline.embedding.fluency import fluency
from ragline.embedding.model import GRAPH_FILE, read_card
from ragline.embedding.runtime import Session
from ragline.embedding.tokenizer import encodable, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUERIES_KEPT = 1_024
"""Vectors of the latest queries that an embedder keeps: a page is turned, a search is refined. At
384 dimensions 1.5 MB."""


class OnnxEmbedder:
    """Implements ``ports.Embedder`` for a prepared model, and gives the vectors of tokens.

    One text at a time: as fast as any batch on a CPU, and a vector does not depend on its
    neighbours. ``threads`` is the number of cores that one text may use, ``tokens_read`` how many
    tokens it made vectors of so far, those that frame a text counted.

    Raises:
        SetupError: there is no model in the folder, or it is damaged.
    """

    def __init__(self, model_dir: Path, *, threads: int = 1) -> None:
        self._card = read_card(model_dir)
        self._tokenizer = load(model_dir, max_tokens=self._card.max_tokens)
        self._session = Session(model_dir / GRAPH_FILE, threads)
        self.tokens_read = 0
        self._query = lru_cache(maxsize=QUERIES_KEPT)(self._embed_query)

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
            vectors[row] = self._embed(self._card.passage_prefix + text)
        return vectors

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """As the port says; the latest queries' vectors are kept.

        Raises:
            EmbeddingFailed: the text cannot be embedded.
        """
        return self._query(text)

    def fluency(self, text: str) -> float:
        return fluency(self._tokenizer, encodable(text))

    def tokens(self, text: str, *, query: bool, limit: int) -> NDArray[np.float32]:
        """The first ``limit`` tokens, each as it is meant where it stands; those that frame the
        text are counted. (tokens, dimensions), rows of length 1.

        The text is read as a query or as a passage, as in ``embed_query`` and ``embed``.

        Raises:
            EmbeddingFailed: the text cannot be embedded.
        """
        prefix = self._card.query_prefix if query else self._card.passage_prefix
        ids = self._tokenizer.encode(encodable(prefix + text)).ids
        if len(ids) > limit:  # the token that closes the text stays
            ids = [*ids[: limit - 1], ids[-1]]
        return self._session.run("tokens", {"input_ids": ids})

    def _embed_query(self, text: str) -> NDArray[np.float32]:
        vector = self._embed(self._card.query_prefix + text)
        vector.flags.writeable = False  # shared by all who ask the same
        return vector

    def _embed(self, text: str) -> NDArray[np.float32]:
        ids = self._tokenizer.encode(encodable(text)).ids
        self.tokens_read += len(ids)
        return self._session.run("embedding", {"input_ids": ids})
