"""Late interaction over the embedding model's own token vectors: a reranker without other weights.

MaxSim of ColBERT (Khattab and Zaharia, SIGIR 2020, https://arxiv.org/abs/2004.12832), with the last
hidden state of a plain sentence embedding model in place of one that was trained for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PASSAGE_TOKENS = 208
"""A passage is read up to here: 40 passages of 190 tokens take 415-435 ms of one core with the
default model, and stay within the budget of 500 ms if all are cut here. Reading SciFact's abstracts
up to 192 tokens instead of 256 cost .009 nDCG@10."""

WEIGHT = 0.3
"""Of the final order. nDCG@10 of hybrid, and of it reranked with weights of .3, .5 and 1:
SciFact train .733, .740, .745, .733; Cranfield .415, .424, .422, .402; CACM .558, .562, .552, .497;
XQuAD en .977, .982, .984, .982."""

QUERY_TOKENS = 64
"""Longer queries are read up to here."""

CACHE_BYTES = 32 * 1024 * 1024
"""Token vectors of the passages read last, in float16: some 220 of 190 tokens. Turning a page or
refining a question asks for the same passages again."""

NOTHING_TO_READ = -1.0
"""The score of a passage without any token: below that of every other."""


class TokenEncoder(Protocol):
    """``ragline.embedding.onnx.OnnxEmbedder``, or a fake."""

    @property
    def fingerprint(self) -> str: ...

    def fluency(self, text: str) -> float: ...

    def tokens(self, text: str, *, query: bool, limit: int) -> NDArray[np.float32]:
        """(tokens, dimensions), rows of length 1."""


class LateInteraction:
    """Implements ``ports.Reranker``: the mean, over the query's tokens, of each one's greatest
    cosine to a token of the passage; -1 to 1.

    All tokens count. By these scores alone, nDCG@10 over SciFact's training questions is .710; .708
    without those that frame a text ([CLS], [SEP]), .702 without the query's punctuation as well,
    .697 without its stop words too.
    """

    def __init__(self, encoder: TokenEncoder, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._encoder = encoder
        self._cache = _Cache(cache_bytes)

    @property
    def name(self) -> str:
        return f"late interaction, {self._encoder.fingerprint}"

    def weight(self, query: str) -> float:
        """A voice, no more: the model was not trained for this. Less where it reads less of it."""
        return WEIGHT * self._encoder.fluency(query)

    def scores(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """As the port says.

        Raises:
            EmbeddingFailed: the model cannot read one of the texts.
        """
        if not passages:
            return []
        asked = self._encoder.tokens(query, query=True, limit=QUERY_TOKENS)
        # All are read before any is compared: by turns, the threads of NumPy's BLAS, which wait
        # busily for its next product, took two thirds of the time.
        read = [self._passage(passage) for passage in passages]
        return [_maxsim(asked, vectors.astype(np.float32)) for vectors in read]

    def _passage(self, text: str) -> NDArray[np.float16]:
        kept = self._cache.get(text)
        if kept is None:
            found = self._encoder.tokens(text, query=False, limit=PASSAGE_TOKENS)
            kept = found.astype(np.float16)
            self._cache.put(text, kept)
        # Rounded the first time too: a score must not depend on what was asked before.
        return kept


def _maxsim(query: NDArray[np.float32], passage: NDArray[np.float32]) -> float:
    if not len(passage):
        return NOTHING_TO_READ
    if not len(query):
        return 0.0
    return float((query @ passage.T).max(axis=1).mean())


class _Cache:
    """The vectors used last, within so many bytes (the texts counted); threads may share it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._lock = Lock()
        self._entries: OrderedDict[str, NDArray[np.float16]] = OrderedDict()

    def get(self, text: str) -> NDArray[np.float16] | None:
        with self._lock:
            found = self._entries.get(text)
            if found is not None:
                self._entries.move_to_end(text)
            return found

    def put(self, text: str, vectors: NDArray[np.float16]) -> None:
        size = _size(text, vectors)
        with self._lock:
            if size > self._limit or text in self._entries:
                return
            self._entries[text] = vectors
            self._held += size
            while self._held > self._limit:
                self._held -= _size(*self._entries.popitem(last=False))


def _size(text: str, vectors: NDArray[np.float16]) -> int:
    return int(vectors.nbytes) + 4 * len(text)
