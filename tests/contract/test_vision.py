"""Models that see: the same promises by Bedrock's Converse and by an OpenAI-compatible endpoint.

Bedrock is botocore's own client with stubbed answers, so requests are checked against the service's
model; what the local cloud's Bedrock says is asked in tests/e2e/test_analyses.py.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from PIL import Image

from ragline.domain.errors import (
    ModelRefused,
    RaglineError,
    ServiceUnavailable,
    SetupError,
    Throttled,
)
from ragline.ports import PageImage, Seen, Vision
from ragline.vision.asking import MAX_WORDS, SYSTEM
from ragline.vision.bedrock import BedrockVision
from ragline.vision.openai import LONGEST_WAIT, OpenAiVision
from tests.vision_server import VisionServer, completion, seeing

KEY = "sk-not-to-be-seen"
PROMPT = "What is it?"


@dataclass
class Model:
    """A model under test, and how to make it say something."""

    vision: Vision
    says: Callable[[str, str], None]
    """A text, and ``end``, ``length`` or ``filter``."""
    fails: Callable[[str], None]
    """One of ``CODES``."""

    def ask(self, image: PageImage) -> Seen:
        return self.vision.ask(image, PROMPT, answer_tokens=300, seconds=20)


@pytest.fixture
def image(tmp_path: Path) -> PageImage:
    path = tmp_path / "1.png"
    Image.new("RGB", (40, 30), "white").save(path)
    return PageImage(path, "png", 40, 30)


STOPS = {"end": "end_turn", "length": "max_tokens", "filter": "content_filtered"}
CODES = {
    "throttled": ("ThrottlingException", 429),
    "busy": ("ModelNotReadyException", 429),
    "down": ("ServiceUnavailableException", 503),
    "failing": ("ModelErrorException", 424),
    "timeout": ("ModelTimeoutException", 408),
    "invalid": ("ValidationException", 400),
    "denied": ("AccessDeniedException", 403),
    "unknown": ("ResourceNotFoundException", 404),
}


def on_bedrock(image: PageImage) -> Iterator[Model]:
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    expected = {
        "modelId": "amazon.nova-lite-v1:0",
        "system": [{"text": SYSTEM}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"image": {"format": "png", "source": {"bytes": image.path.read_bytes()}}},
                    {"text": PROMPT},
                ],
            }
        ],
        "inferenceConfig": {"maxTokens": 300},
    }
    with Stubber(client) as stub:

        def says(text: str, stop: str) -> None:
            content: list[Any] = [{"text": text}] if text else []
            answer = {
                "output": {"message": {"role": "assistant", "content": content}},
                "stopReason": STOPS[stop],
                "usage": {"inputTokens": 1_700, "outputTokens": 40, "totalTokens": 1_740},
                "metrics": {"latencyMs": 900},
            }
            stub.add_response("converse", answer, expected)

        def fails(how: str) -> None:
            code, status = CODES[how]
            stub.add_client_error("converse", code, "the image is " + "too big, " * 100, status)

        yield Model(BedrockVision(client, "amazon.nova-lite-v1:0"), says, fails)
        stub.assert_no_pending_responses()


STATUSES = {
    "throttled": 429,
    "busy": 529,
    "down": 500,
    "failing": 502,
    "timeout": 408,
    "invalid": 400,
    "denied": 401,
    "unknown": 404,
}


def on_openai() -> Iterator[tuple[Model, VisionServer, list[float]]]:
    slept: list[float] = []
    with seeing() as server:

        def says(text: str, stop: str) -> None:
            reason = {"end": "stop", "length": "length", "filter": "content_filter"}[stop]
            server.answers.append((200, {}, completion(text or None, reason)))

        def fails(how: str) -> None:
            words = {"error": {"message": "the image is " + "too big, " * 100}}
            server.answers += [(STATUSES[how], {}, words)] * (1 if how in FINAL else 3)

        vision = OpenAiVision(server.url, "looker", lambda: KEY, sleep=slept.append)
        yield Model(vision, says, fails), server, slept


FINAL = {"invalid", "denied", "unknown"}


@pytest.fixture(params=["bedrock", "openai"])
def model(request: pytest.FixtureRequest, image: PageImage) -> Iterator[Model]:
    if request.param == "bedrock":
        yield from on_bedrock(image)
        return
    for made, *_ in on_openai():
        yield made


def test_an_answer_comes_with_what_it_took(model: Model, image: PageImage) -> None:
    model.says(" A white page. ", "end")
    assert model.ask(image) == Seen("A white page.", 1_700, 40)


def test_an_answer_that_was_cut_says_so(model: Model, image: PageImage) -> None:
    model.says("A white", "length")
    assert model.ask(image).truncated


@pytest.mark.parametrize(("text", "stop"), [("", "end"), ("", "filter"), ("I will not.", "filter")])
def test_no_answer_is_a_refusal(model: Model, image: PageImage, text: str, stop: str) -> None:
    model.says(text, stop)
    with pytest.raises(ModelRefused, match="no answer"):
        model.ask(image)


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("throttled", Throttled),
        ("busy", Throttled),
        ("down", ServiceUnavailable),
        ("failing", ServiceUnavailable),
        ("timeout", ServiceUnavailable),
        ("invalid", ModelRefused),
        ("denied", SetupError),
        ("unknown", SetupError),
    ],
)
def test_what_goes_wrong_is_said_in_our_words(
    model: Model, image: PageImage, how: str, kind: type[RaglineError]
) -> None:
    model.fails(how)
    with pytest.raises(RaglineError) as raised:
        model.ask(image)
    assert type(raised.value) is kind
    assert KEY not in str(raised.value)


def test_a_refusal_has_the_providers_words_and_not_too_many(model: Model, image: PageImage) -> None:
    model.fails("invalid")
    with pytest.raises(ModelRefused, match="the image is too big") as raised:
        model.ask(image)
    assert len(str(raised.value)) < MAX_WORDS + 100


@pytest.fixture
def openai() -> Iterator[tuple[Model, VisionServer, list[float]]]:
    yield from on_openai()


def test_the_picture_the_question_and_the_key_arrive(
    openai: tuple[Model, VisionServer, list[float]], image: PageImage
) -> None:
    model, server, _ = openai
    assert model.ask(image).text == f"{PROMPT} A picture of 40 by 30 pixels."
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body["model"] == "looker" and asked.body["max_tokens"] == 300
    with Image.open(io.BytesIO(asked.picture[1])) as picture:
        assert picture.size == (40, 30)


def test_it_is_asked_again_after_the_wait_that_it_asks_for(
    openai: tuple[Model, VisionServer, list[float]], image: PageImage
) -> None:
    model, server, slept = openai
    server.answers = [(429, {"retry-after": "3"}, {}), (503, {}, b"down")]
    assert model.ask(image).text
    assert len(server.asked) == 3 and slept[0] == 3.0 and 0 < slept[1] <= LONGEST_WAIT


def test_a_long_wait_is_left_to_the_queue(
    openai: tuple[Model, VisionServer, list[float]], image: PageImage
) -> None:
    model, server, slept = openai
    server.answers = [(429, {"retry-after": "600"}, {})]
    with pytest.raises(Throttled):
        model.ask(image)
    assert slept == [] and len(server.asked) == 1


def test_the_key_does_not_follow_a_redirect(
    openai: tuple[Model, VisionServer, list[float]], image: PageImage
) -> None:
    model, server, _ = openai
    server.answers = [(307, {"location": f"{server.url}/elsewhere"}, {})]
    with pytest.raises(SetupError, match="VisionUrl"):
        model.ask(image)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "data", [b"<html>", b"[]", b"{}", b'{"choices":[]}', b"x" * 5_000_000, b"[" * 100_000]
)
def test_an_answer_that_is_none_is_no_crash(
    openai: tuple[Model, VisionServer, list[float]], image: PageImage, data: bytes
) -> None:
    model, server, _ = openai
    server.answers = [(200, {}, data)]
    with pytest.raises(ServiceUnavailable):
        model.ask(image)


def test_an_endpoint_that_is_not_there_is_said_to_be_away(image: PageImage) -> None:
    with seeing() as server:
        url = server.url
    vision = OpenAiVision(url, "looker", lambda: "", sleep=lambda _: None)
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1 could not be reached"):
        vision.ask(image, PROMPT, answer_tokens=9, seconds=5)


@pytest.mark.parametrize("url", ["http://models.example/v1", "ftp://x", "models", "https://", ""])
def test_a_key_only_travels_by_tls_or_within_this_machine(url: str) -> None:
    with pytest.raises(SetupError, match="VISION_URL"):
        OpenAiVision(url, "looker", lambda: KEY)


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://localhost:11434/v1"])
def test_where_a_key_may_travel_it_is_taken(url: str) -> None:
    assert OpenAiVision(url, "looker", lambda: KEY).model == "looker"
