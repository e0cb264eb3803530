"""The few AWS calls that the command line makes itself, and what their errors mean to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ragline.domain.documents import Status
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


def domain_of(endpoint_url: str) -> str:
    """AWS' domain that an endpoint is of; '' for that of a stand-in."""
    host = urlsplit(endpoint_url).hostname or ""
    domains = ("amazonaws.com", "amazonaws.com.cn")
    return next((domain for domain in domains if host.endswith(f".{domain}")), "")


def needed(outputs: Mapping[str, str], name: str, stack: str) -> str:
    """An output of a deployed stack. Raises SetupError: it has none of that name."""
    if not outputs.get(name):
        raise SetupError(f"stack {stack} has no output {name}: deploy this version of Ragline.")
    return outputs[name]


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


def secret_value(secretsmanager: Any, arn: str) -> str:
    with translated("reading the stack's own API key (or set RAGLINE_API_KEY)"):
        return str(secretsmanager.get_secret_value(SecretId=arn)["SecretString"]).strip()


def function_names(cloudformation: Any, stack: str) -> dict[str, str]:
    """The stack's functions: logical name → function name."""
    return resources(cloudformation, stack, "AWS::Lambda::Function")


def resources(cloudformation: Any, stack: str, kind: str) -> dict[str, str]:
    """Resources of one type, of the stack and of those nested in it: logical → physical id."""
    names: dict[str, str] = {}
    nested: list[str] = []
    token: dict[str, str] = {}
    with translated(f"listing the resources of stack {stack}"):
        while True:
            page = cloudformation.list_stack_resources(StackName=stack, **token)
            for resource in page["StackResourceSummaries"]:
                if resource["ResourceType"] == kind:
                    names[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
                if resource["ResourceType"] == "AWS::CloudFormation::Stack":
                    nested.append(resource["PhysicalResourceId"])
            if not page.get("NextToken"):
                break
            token = {"NextToken": page["NextToken"]}
    for one in nested:
        names |= resources(cloudformation, one, kind)
    return names


def queue_counts(sqs: Any, url: str) -> tuple[int, int, int]:
    """Messages that wait, are in hand, and are held back; SQS only estimates them."""
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    with translated(f"reading queue {url.rsplit('/', 1)[-1]}"):
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    waiting, in_hand, held_back = (int(told.get(name, 0)) for name in names)
    return waiting, in_hand, held_back


def under_way(dynamodb: Any, table: str, statuses: Iterable[Status]) -> dict[str, int]:
    """How many documents of each status hold a lease, in all tenants."""
    from ragline.adapters.dynamodb.items import BY_STATUS, leased_pk

    found: dict[str, int] = {}
    for status in statuses:
        asked: dict[str, Any] = {}
        found[status.value] = 0
        while True:
            with translated(f"counting documents in table {table}"):
                page = dynamodb.query(
                    TableName=table,
                    IndexName=BY_STATUS,
                    KeyConditionExpression="GSI2PK = :status",
                    ExpressionAttributeValues={":status": {"S": leased_pk(status)}},
                    Select="COUNT",
                    **asked,
                )
            found[status.value] += page["Count"]
            if not page.get("LastEvaluatedKey"):
                break
            asked = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    return found
