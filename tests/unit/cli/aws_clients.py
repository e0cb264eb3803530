"""Real boto3 clients whose answers are prepared: botocore checks both sides' shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.stub import Stubber

from tests.unit.cli.fakes import KEY, FakeSession

ENDPOINT = "http://127.0.0.1:4566"
OUTPUTS = {"ApiId": "abc", "ApiStage": "live", "ApiKeyId": "k1"}


def stubbed(service: str, endpoint_url: str | None = ENDPOINT) -> tuple[Any, Stubber]:
    client = boto3.client(
        service,  # type: ignore[call-overload]
        region_name="eu-west-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    stubber = Stubber(client)
    stubber.activate()
    return client, stubber


def cloudformation(
    outputs: dict[str, str] | None = None, endpoint_url: str | None = ENDPOINT
) -> Any:
    """Answers one question about a stack with these outputs."""
    client, stubber = stubbed("cloudformation", endpoint_url)
    listed = [
        {"OutputKey": name, "OutputValue": value}
        for name, value in (OUTPUTS if outputs is None else outputs).items()
    ]
    stack = {
        "StackName": "ragline-dev",
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": listed,
    }
    stubber.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "ragline-dev"})
    return client


def no_stack() -> Any:
    client, stubber = stubbed("cloudformation")
    stubber.add_client_error(
        "describe_stacks", "ValidationError", "Stack with id ragline-dev does not exist", 400
    )
    return client


def apigateway() -> Any:
    client, stubber = stubbed("apigateway")
    stubber.add_response(
        "get_api_key", {"id": "k1", "value": KEY}, {"apiKey": "k1", "includeValue": True}
    )
    return client


def session(**clients: Any) -> FakeSession:
    return FakeSession({"cloudformation": cloudformation(), "apigateway": apigateway(), **clients})
