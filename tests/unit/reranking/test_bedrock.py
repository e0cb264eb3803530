from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from ragline.domain.errors import RaglineError, ServiceUnavailable, SetupError, Throttled
from ragline.reranking.bedrock import MAX_CHARACTERS, UNRANKED, BedrockReranker, bedrock_client

ARN = "arn:aws:bedrock:eu-central-1::foundation-model/cohere.rerank-v3-5:0"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def client() -> Any:
    return boto3.client("bedrock-agent-runtime", region_name="eu-central-1")


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def reranker(client: Any) -> BedrockReranker:
    return BedrockReranker(client, ARN)


def request(query: str, *texts: str) -> dict[str, Any]:
    return {
        "queries": [{"type": "TEXT", "textQuery": {"text": query}}],
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
                "modelConfiguration": {"modelArn": ARN},
            },
        },
    }


def results(*pairs: tuple[int, float], token: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = {
        "results": [{"index": index, "relevanceScore": score} for index, score in pairs]
    }
    return answer | {"nextToken": token} if token else answer


def test_scores_come_in_the_order_of_the_passages(stub: Stubber, reranker: BedrockReranker) -> None:
    stub.add_response("rerank", results((1, 0.9), (0, 0.25)), request("cat", "tax", "tiger"))
    assert reranker.scores("cat", ["tax", "tiger"]) == [0.25, 0.9]


def test_what_says_nothing_is_not_sent(stub: Stubber, reranker: BedrockReranker) -> None:
    stub.add_response("rerank", results((0, 0.5)), request("cat", "tiger"))
    assert reranker.scores(" cat ", ["", "tiger", " \n"]) == [UNRANKED, 0.5, UNRANKED]
    assert reranker.scores(" ", ["tiger"]) == [UNRANKED]
    assert reranker.scores("cat", []) == []
    assert reranker.scores("cat", [""]) == [UNRANKED]


def test_texts_are_cut_and_mended_to_what_the_service_takes(
    stub: Stubber, reranker: BedrockReranker
) -> None:
    sent = request("c\ufffdt", "a" * MAX_CHARACTERS)
    stub.add_response("rerank", results((0, 0.5)), sent)
    reranker.scores("c\ud800t", ["a" * 99_999])


def test_pages_of_an_answer_are_put_together(stub: Stubber, reranker: BedrockReranker) -> None:
    first = request("cat", "a", "b", "c")
    stub.add_response("rerank", results((2, 0.9), token="more"), first)
    stub.add_response("rerank", results((0, 0.3)), first | {"nextToken": "more"})
    assert reranker.scores("cat", ["a", "b", "c"]) == [0.3, UNRANKED, 0.9]


def test_more_passages_than_a_call_takes_are_sent_in_several(
    stub: Stubber, reranker: BedrockReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragline.reranking.bedrock.MAX_PASSAGES", 2)
    stub.add_response("rerank", results((0, 0.1), (1, 0.2)), request("cat", "a", "b"))
    stub.add_response("rerank", results((0, 0.3)), request("cat", "c"))
    assert reranker.scores("cat", ["a", "b", "c"]) == [0.1, 0.2, 0.3]


@pytest.mark.parametrize("answer", [results(), results((7, 0.5)), results((0, 0.5), (2, 0.5))])
def test_an_answer_that_ranks_nothing_or_what_was_not_sent_is_a_failure_of_the_service(
    answer: dict[str, Any], stub: Stubber, client: Any
) -> None:
    stub.add_response("rerank", answer, dict.fromkeys(request("cat", "a", "b"), ANY))
    with pytest.raises(ServiceUnavailable, match=r"cohere\.rerank-v3-5"):
        BedrockReranker(client, ARN).scores("cat", ["a", "b"])


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("ThrottlingException", 429, Throttled),
        ("ServiceQuotaExceededException", 400, Throttled),
        ("DependencyFailedException", 424, ServiceUnavailable),
        ("BadGatewayException", 502, ServiceUnavailable),
        ("InternalServerException", 500, ServiceUnavailable),
        ("AccessDeniedException", 403, SetupError),
        ("ResourceNotFoundException", 404, SetupError),
        ("ValidationException", 400, SetupError),
    ],
)
def test_an_error_of_the_service_becomes_ours(
    code: str, status: int, ours: type[RaglineError], stub: Stubber, reranker: BedrockReranker
) -> None:
    stub.add_client_error("rerank", code, "the passage was: secret", status)
    with pytest.raises(RaglineError, match="reranking model") as caught:
        reranker.scores("cat", ["tiger"])
    assert type(caught.value) is ours
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("arn", ["", "cohere.rerank-v3-5:0", "arn:aws:s3:::bucket"])
def test_what_is_no_models_arn_is_refused(arn: str) -> None:
    with pytest.raises(SetupError, match=r"RERANKER_MODEL_ARN='.*ARN of a model"):
        bedrock_client(arn)


def test_the_model_is_called_in_its_own_region_and_given_up_early() -> None:
    made = bedrock_client(ARN)
    assert made.meta.region_name == "eu-central-1"
    assert made.meta.config.read_timeout * made.meta.config.retries["total_max_attempts"] < 20
