"""The few AWS calls that the command line makes itself, and what their errors mean to a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ragline.domain.errors import ServiceUnavailable, SetupError, Throttled

_THROTTLES = {"Throttling", "ThrottlingException", "TooManyRequestsException", "LimitExceeded"}


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Foreign exceptions become ours; ``doing`` says what was tried, as in "reading stack x"."""
    from botocore import exceptions as aws

    try:
        yield
    except (aws.NoCredentialsError, aws.PartialCredentialsError) as error:
        raise SetupError(
            f"{doing}: no AWS credentials were found. Name a profile with --profile, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from error
    except aws.ProfileNotFound as error:
        raise SetupError(f"{doing}: {error}. `aws configure list-profiles` lists them.") from error
    except aws.NoRegionError as error:
        raise SetupError(f"{doing}: no AWS region. Name one with --region.") from error
    except (aws.ConnectionError, aws.HTTPClientError, ValueError) as error:
        raise SetupError(
            f"{doing}: {error}. Is it running? `ragline up` starts a local stack."
        ) from error
    except aws.ClientError as error:
        raise _of_answer(doing, error) from error
    except aws.BotoCoreError as error:
        raise SetupError(f"{doing}: {error}.") from error


def _of_answer(doing: str, error: Any) -> SetupError | Throttled | ServiceUnavailable:
    answer = error.response
    code = answer.get("Error", {}).get("Code", "")
    message = answer.get("Error", {}).get("Message", "")
    if code in _THROTTLES:
        return Throttled(f"{doing}: AWS asks to slow down ({code}). Try again in a moment.")
    if answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
        return ServiceUnavailable(f"{doing}: AWS failed ({code}). Try again in a moment.")
    return SetupError(f"{doing}: {code}: {message}")


def stack_outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    """The outputs of a deployed stack, by name.

    Raises:
        SetupError: there is no such stack, or it may not be read.
    """
    from botocore.exceptions import ClientError

    with translated(f"reading stack {stack}"):
        try:
            stacks = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if "does not exist" not in error.response.get("Error", {}).get("Message", ""):
                raise
            stacks = []
    if not stacks:
        raise SetupError(
            f"there is no stack {stack} at {cloudformation.meta.endpoint_url}. Deploy it with "
            "`ragline up` (local) or `sam deploy` (AWS), or name another with --stack."
        )
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs") or ()}


def key_value(apigateway: Any, key_id: str) -> str:
    with translated("reading the API key"):
        return str(apigateway.get_api_key(apiKey=key_id, includeValue=True)["value"])


def function_names(cloudformation: Any, stack: str) -> dict[str, str]:
    """The stack's functions: logical name → function name."""
    names: dict[str, str] = {}
    token: dict[str, str] = {}
    with translated(f"listing the functions of stack {stack}"):
        while True:
            page = cloudformation.list_stack_resources(StackName=stack, **token)
            for resource in page["StackResourceSummaries"]:
                if resource["ResourceType"] == "AWS::Lambda::Function":
                    names[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
            if not page.get("NextToken"):
                return names
            token = {"NextToken": page["NextToken"]}
