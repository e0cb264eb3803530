"""A cross-encoder on ONNX Runtime: reads question and passage as one text.

Nogueira and Cho 2019, https://arxiv.org/abs/1901.04085. Prepared by ``ragline model --reranker``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ragline.embedding.model import GRAPH_FILE, RERANKER_ADVICE, read_card
from ragline.embedding.runtime import Session
from ragline.embedding.tokenizer import encodable, load

PAIR_TOKENS = 192
"""Question and passage together are read up to here, as far as the model reads: 40 pairs of that
length take some 400 ms of one core with six layers of 384. The budget is 500 ms."""


class CrossEncoder:
    """Implements ``ports.Reranker`` for a prepared cross-encoder.

    A score is the classifier's logit, of any size; where a pair is too long, the longer of the two
    texts is cut. ``threads`` is the number of cores that one pair may use.

    Raises:
        SetupError: there is no reranker in the folder, or it is damaged.
    """

    def __init__(self, model_dir: Path, *, threads: int = 1) -> None:
        self._card = read_card(model_dir, "reranker")
        tokens = min(PAIR_TOKENS, self._card.max_tokens)
        self._tokenizer = load(model_dir, max_tokens=tokens, advice=RERANKER_ADVICE)
        self._session = Session(model_dir / GRAPH_FILE, threads, RERANKER_ADVICE)

    @property
    def name(self) -> str:
        return f"cross-encoder, {self._card.fingerprint}"

    def weight(self, query: str) -> float:
        return 1.0

    def scores(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """As the port says.

        Raises:
            EmbeddingFailed: the model cannot read one of the pairs.
        """
        question = encodable(query)
        return [self._score(question, encodable(passage)) for passage in passages]

    def _score(self, question: str, passage: str) -> float:
        pair = self._tokenizer.encode(question, passage)
        inputs = {"input_ids": pair.ids, "token_type_ids": pair.type_ids}
        [score] = self._session.run("score", inputs)
        return float(score)
