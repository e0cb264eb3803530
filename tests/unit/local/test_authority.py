"""What of MiniStack's asking is put right where policies are enforced."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ragline.local import authority


@pytest.mark.parametrize(
    ("call", "action"),
    [
        ("sqs:SendMessageBatch", "sqs:SendMessage"),
        ("sqs:ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
        ("sqs:DeleteMessageBatch", "sqs:DeleteMessage"),
        ("sqs:SendMessage", "sqs:SendMessage"),
        ("dynamodb:GetItem", "dynamodb:GetItem"),
        ("batch:SubmitBatch", "batch:SubmitBatch"),
        ("bedrock:Converse", "bedrock:InvokeModel"),
        ("bedrock:InvokeModel", "bedrock:InvokeModel"),
        (None, None),
    ],
)
def test_a_batch_needs_the_action_of_the_single_call(call: str | None, action: str | None) -> None:
    assert authority.action_of(call) == action


def test_deleting_parameters_is_asked_for_the_parameter() -> None:
    body = json.dumps({"Names": ["/stack/webhooks/a", "/stack/webhooks/b"]}).encode()
    assert authority.parameter_of("AmazonSSM.DeleteParameters", body) == "/stack/webhooks/a"
    assert authority.parameter_of("AmazonSSM.GetParameter", body) == ""
    assert authority.parameter_of("AmazonSSM.GetParameters", body) == "/stack/webhooks/a"
    below = b'{"Path": "/stack/passwords", "Recursive": true}'
    assert authority.parameter_of("AmazonSSM.GetParametersByPath", below) == "/stack/passwords"
    assert authority.parameter_of("AmazonSSM.DeleteParameters", b"") == ""


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:sts::000000000000:assumed-role/stack-ApiRole-1/stack-api", "stack-ApiRole-1"),
        ("arn:aws:iam::000000000000:user/somebody", "somebody"),
        ("arn:aws:iam::000000000000:root", "root"),
    ],
)
def test_a_decision_names_the_role(arn: str, name: str) -> None:
    assert authority.role_of(arn) == name


def test_a_request_counts_as_over_tls_unless_it_says_otherwise() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append([value for name, value in scope["headers"] if name == b"x-forwarded-proto"])

    tls = authority.over_tls(app)
    for headers in ([], [(b"x-forwarded-proto", b"http")]):
        scope = {"type": "http", "headers": headers}
        asyncio.run(tls(scope, None, None))  # type: ignore[arg-type]
        assert scope["headers"] == headers
    assert seen == [[b"https"], [b"http"]]
