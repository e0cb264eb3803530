"""Amazon Bedrock's Rerank: a model of Cohere's or Amazon's, as a service.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ragline.adapters.aws_errors import translated
from ragline.domain.errors import ServiceUnavailable, SetupError
from ragline.embedding.tokenizer import encodable

MAX_PASSAGES = 1_000
"""More than one call takes."""

MAX_CHARACTERS = 32_000
"""A text is cut here; the service takes no longer one."""

UNRANKED = 0.0
"""The score of what cannot be sent (it is empty) or was left out: the least relevance there is."""


_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]+):\d*:[a-z-]+/\S+")


def bedrock_client(model_arn: str) -> Any:
    """A client in the model's own region: few regions have models that rerank.

    Gives up early: a question waits, and can be answered without.

    Raises:
        SetupError: this is no model's ARN.
    """
    import boto3
    from botocore.config import Config

    found = _ARN.fullmatch(model_arn)
    if not found:
        raise SetupError(
            f"RERANKER_MODEL_ARN={model_arn!r}: RERANKER=bedrock needs the ARN of a model, such as"
            " arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0."
        )
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=2, read_timeout=5
    )
    return boto3.client("bedrock-agent-runtime", region_name=found["region"], config=config)


class BedrockReranker:
    """Implements ``ports.Reranker``; ``client`` is boto3's of ``bedrock-agent-runtime``."""

    def __init__(self, client: Any, model_arn: str) -> None:
        self._client = client
        self._arn = model_arn

    @property
    def name(self) -> str:
        return f"reranking model {self._arn.rpartition('/')[2]}"

    def weight(self, query: str) -> float:
        return 1.0

    def scores(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """As the port says; relevance from 0 to 1.

        Raises:
            Throttled: the account's limit is reached.
            SetupError: the model may not be called, or is not there.
        """
        question = _sendable(query)
        places = [place for place, passage in enumerate(passages) if _sendable(passage)]
        scores = [UNRANKED] * len(passages)
        if not question:
            return scores
        for start in range(0, len(places), MAX_PASSAGES):
            some = places[start : start + MAX_PASSAGES]
            for index, score in self._ranked(question, [_sendable(passages[at]) for at in some]):
                scores[some[index]] = score
        return scores

    def _ranked(self, question: str, texts: Sequence[str]) -> Iterator[tuple[int, float]]:
        """The place of each text that the service ranked, and its relevance."""
        request = self._request(question, texts)
        ranked = 0
        while True:
            with translated(self.name):
                answer = self._client.rerank(**request)
            for result in answer["results"]:
                if not 0 <= result["index"] < len(texts):
                    raise ServiceUnavailable(f"{self.name} ranked a passage that was not sent.")
                ranked += 1
                yield result["index"], float(result["relevanceScore"])
            if not answer.get("nextToken"):
                break
            request["nextToken"] = answer["nextToken"]
        if not ranked:
            raise ServiceUnavailable(f"{self.name} ranked none of {len(texts)} passages.")

    def _request(self, question: str, texts: Sequence[str]) -> dict[str, Any]:
        return {
            "queries": [{"type": "TEXT", "textQuery": {"text": question}}],
            "sources": [
                {
                    "type": "INLINE",
                    "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": text}},
                }
                for text in texts
            ],
            "rerankingConfiguration": {
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": {
                    "numberOfResults": len(texts),
                    "modelConfiguration": {"modelArn": self._arn},
                },
            },
        }


def _sendable(text: str) -> str:
    """'' for what says nothing."""
    return encodable(text.strip())[:MAX_CHARACTERS]
