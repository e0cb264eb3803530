"""Models behind an OpenAI-compatible endpoint, by chat completions with the picture as a data URL.

https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from ragline.domain.errors import (
    ModelRefused,
    ServiceUnavailable,
    SetupError,
    Throttled,
    TransientError,
)
from ragline.ports import PageImage, Seen
from ragline.vision.asking import SYSTEM, bounded

MAX_ANSWER_BYTES = 4 * 1024 * 1024
ATTEMPTS = 3
LONGEST_WAIT = 15.0
"""Seconds between two attempts of one turn. Who asks for more is asked again by the queue."""

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


class OpenAiVision:
    """``ports.Vision``; ``url`` is the API's base, such as ``https://api.openai.com/v1``.

    ``key()`` gives the API key, '' where the endpoint wants none; it is asked for at each attempt.
    """

    def __init__(
        self,
        url: str,
        model: str,
        key: Callable[[], str],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        check_url(url)
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._host = urlsplit(url).hostname
        self._model = model
        self._key = key
        self._sleep = sleep
        # Redirects are not followed: the key would go with them.
        self._pool = urllib3.PoolManager(retries=False)

    @property
    def model(self) -> str:
        return self._model

    def ask(self, image: PageImage, prompt: str, *, answer_tokens: int, seconds: float) -> Seen:
        body = json.dumps(_request(self._model, image, prompt, answer_tokens)).encode()
        deadline = time.monotonic() + seconds
        for attempt in range(ATTEMPTS):
            try:
                return self._seen(self._post(body, deadline))
            except _Again as again:
                wait = again.wait if again.wait is not None else _pause(attempt)
                in_time = time.monotonic() + wait < deadline
                if attempt == ATTEMPTS - 1 or wait > LONGEST_WAIT or not in_time:
                    raise again.error from again
                self._sleep(wait)
        raise AssertionError("unreachable")  # pragma: no cover

    def _post(self, body: bytes, deadline: float) -> Mapping[str, Any]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if key := self._key():
            headers["authorization"] = f"Bearer {key}"
        left = max(1.0, deadline - time.monotonic())
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(5.0, left), total=left),
                redirect=False,
                preload_content=False,
            )
            try:
                data = answer.read(MAX_ANSWER_BYTES + 1)
            finally:
                answer.close()
        except HTTPError as error:
            raise _Again(self._unreached(type(error).__name__)) from error
        if len(data) > MAX_ANSWER_BYTES:
            raise ServiceUnavailable(f"{self._host} answered with more than 4 MB.")
        if answer.status != 200:
            raise self._refused(answer.status, data, answer.headers.get("retry-after", ""))
        return self._object(data)

    def _refused(self, status: int, data: bytes, retry_after: str) -> Exception:
        what = f"{self._host} answered HTTP {status}"
        if status in _AGAIN:
            kind = Throttled if status in {429, 529} else ServiceUnavailable
            wait = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
            return _Again(kind(f"{what}."), wait)
        if status in {401, 403}:
            return SetupError(f"{what}: the key of the vision model is not accepted; renew it.")
        if status in {404, 405} or 300 <= status < 400:
            return SetupError(f"{what}: check VisionUrl and VisionModel ({self._model}).")
        return ModelRefused(f"{self._model} refused the request ({status}): {_words(data)}")

    def _seen(self, answer: Mapping[str, Any]) -> Seen:
        try:
            choice = answer["choices"][0]
            message, stop = choice["message"], choice.get("finish_reason")
            text = (message.get("content") or "").strip()
            used = answer.get("usage") or {}
            tokens = int(used.get("prompt_tokens", 0)), int(used.get("completion_tokens", 0))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ServiceUnavailable(
                f"{self._host} answered in no shape of chat completions."
            ) from error
        if stop == "content_filter" or not text:
            words = bounded(str(message.get("refusal") or stop))
            raise ModelRefused(f"{self._model} gave no answer ({words}).")
        return Seen(text, *tokens, truncated=stop == "length")

    def _object(self, data: bytes) -> Mapping[str, Any]:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ServiceUnavailable(f"{self._host} answered with no JSON object.")
        return found

    def _unreached(self, why: str) -> ServiceUnavailable:
        return ServiceUnavailable(f"{self._host} could not be reached: {why}.")


class _Again(Exception):
    """Another attempt may help, after ``wait`` seconds if the endpoint said so."""

    def __init__(self, error: TransientError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


def check_url(url: str) -> None:
    """Raises SetupError unless keys and pages may travel there: by TLS, or to this machine."""
    place = urlsplit(url)
    if place.scheme == "https" and place.hostname:
        return
    if place.scheme == "http" and place.hostname and _is_here(place.hostname):
        return
    raise SetupError(
        f"VISION_URL={url!r}: give the https address of an OpenAI-compatible API, such as "
        "https://api.openai.com/v1; http is taken to this machine only."
    )


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _request(model: str, image: PageImage, prompt: str, answer_tokens: int) -> dict[str, Any]:
    data = base64.b64encode(image.path.read_bytes()).decode()
    picture = {"url": f"data:image/{image.format};base64,{data}"}
    return {
        "model": model,
        "max_tokens": answer_tokens,
        "messages": [
            {"role": "system", "content": SYSTEM},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": picture},
                    {"type": "text", "text": prompt},
                ],
            },
        ],
    }


def _words(data: bytes) -> str:
    """The provider's message, where it has the usual place, else the beginning of its answer."""
    text = data[:10_000].decode(errors="replace")
    try:
        told = json.loads(text)
        told = told.get("error", told)
        text = str(told.get("message", text) if isinstance(told, dict) else told)
    except (ValueError, AttributeError, RecursionError):
        pass
    return bounded(text) or "no words"


def _pause(attempt: int) -> float:
    """Exponential, with full jitter; see ``adapters.backoff``."""
    return random.uniform(0.2, min(LONGEST_WAIT, 2.0 * 2**attempt))  # noqa: S311
