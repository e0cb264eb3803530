"""Models on Amazon Bedrock, by Converse.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from ragline.adapters.aws_errors import error_code, translated
from ragline.domain.errors import ModelRefused, RaglineError, ServiceUnavailable, Throttled
from ragline.ports import PageImage, Seen
from ragline.vision.asking import SYSTEM, bounded

_BY_CODE: Mapping[str, type[RaglineError]] = {
    "ModelErrorException": ServiceUnavailable,
    "ModelNotReadyException": Throttled,
    "ModelTimeoutException": ServiceUnavailable,
}
"""Errors of Converse that no other service has; the rest is translated as everywhere."""

_REFUSALS = frozenset({"content_filtered", "guardrail_intervened"})


def bedrock_client(seconds: float) -> Any:
    """A client of this region that waits so long for an answer.

    The SDK does not ask again by itself: an answer that did not arrive may have been paid. The
    queue does, when there is time.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=3,
        read_timeout=seconds,
    )
    return boto3.client("bedrock-runtime", config=config)


class BedrockVision:
    """``ports.Vision``; ``client`` is boto3's of ``bedrock-runtime``, ``model`` the id of a model
    or of an inference profile."""

    def __init__(self, client: Any, model: str) -> None:
        self._client = client
        self._model = model

    @property
    def model(self) -> str:
        return self._model

    def ask(self, image: PageImage, prompt: str, *, answer_tokens: int, seconds: float) -> Seen:
        with translated(f"vision model {self._model}"):
            try:
                answer = self._client.converse(**self._request(image, prompt, answer_tokens))
            except ClientError as error:
                raise self._refusal(error) or error from error
        return self._seen(answer)

    def _request(self, image: PageImage, prompt: str, answer_tokens: int) -> dict[str, Any]:
        picture = {"format": image.format, "source": {"bytes": image.path.read_bytes()}}
        return {
            "modelId": self._model,
            "system": [{"text": SYSTEM}],
            "messages": [{"role": "user", "content": [{"image": picture}, {"text": prompt}]}],
            "inferenceConfig": {"maxTokens": answer_tokens},
        }

    def _refusal(self, error: ClientError) -> RaglineError | None:
        code = error_code(error)
        if code == "ValidationException":
            words = bounded(str(error.response["Error"].get("Message", "")))
            return ModelRefused(f"{self._model} refused the request: {words or 'no words'}")
        kind = _BY_CODE.get(code)
        return kind(f"Converse on vision model {self._model}: {code}.") if kind else None

    def _seen(self, answer: Mapping[str, Any]) -> Seen:
        try:
            blocks = answer["output"]["message"]["content"]
            text = "".join(block["text"] for block in blocks if "text" in block).strip()
            used, stop = answer["usage"], answer["stopReason"]
            tokens = int(used["inputTokens"]), int(used["outputTokens"])
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceUnavailable(f"{self._model} answered in no shape of Converse.") from error
        if stop in _REFUSALS or not text:
            raise ModelRefused(f"{self._model} gave no answer ({bounded(str(stop))}).")
        return Seen(text, *tokens, truncated=stop == "max_tokens")
