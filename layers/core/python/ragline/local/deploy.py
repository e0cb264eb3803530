"""Deploying the template to an endpoint that speaks CloudFormation: MiniStack, LocalStack.

Zips go to a bucket of their own, then one change set creates or updates the stack.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ragline.domain.errors import SetupError
from ragline.local import aws, nesting, packaging, template

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_s3 import S3Client

Say = Callable[[str], None]

DEPLOY_SECONDS = 300
POLL_SECONDS = 0.1

_NEVER_LIVED = {
    "REVIEW_IN_PROGRESS",
    "CREATE_FAILED",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "DELETE_FAILED",
}
"""States of a stack that holds nothing worth keeping and can only be deleted."""


def deploy(
    endpoint_url: str, template_path: Path, *, stack: str, parameters: Mapping[str, str], say: Say
) -> dict[str, str]:
    """Create or update ``stack`` and return its outputs; deploying the same again changes nothing.

    Raises:
        SetupError: the template or a handler is missing, the endpoint does not answer, or a
            resource failed; the reasons are those of the resources.
    """
    folder = template_path.absolute().parent
    body = nesting.flattened(template.load(template_path), folder)
    zips = packaging.bundles(body, folder, packaging.site_packages())
    session, options = aws.session(), aws.config()
    with _translated(endpoint_url):
        s3 = session.client("s3", endpoint_url=endpoint_url, config=options)
        cloudformation = session.client("cloudformation", endpoint_url=endpoint_url, config=options)
        locations = _upload(s3, f"{stack}-artifacts", zips, say)
        local = packaging.localise(body, locations, parameters)
        address = _upload_template(s3, endpoint_url, f"{stack}-artifacts", local)
        _clear_the_way(cloudformation, stack, say)
        _apply(cloudformation, stack, address, parameters, say)
        return _outputs(_describe(cloudformation, stack))


def teardown(endpoint_url: str, *, stack: str, say: Say) -> None:
    """Delete the stack with all that it holds, its buckets' objects and its zips too."""
    session, options = aws.session(), aws.config()
    with _translated(endpoint_url):
        s3 = session.client("s3", endpoint_url=endpoint_url, config=options)
        cloudformation = session.client("cloudformation", endpoint_url=endpoint_url, config=options)
        if _describe(cloudformation, stack) is not None:
            for bucket in _buckets(cloudformation, stack):
                _empty(s3, bucket)
            say(f"Deleting the stack {stack}")
            _delete(cloudformation, stack)
        _empty(s3, f"{stack}-artifacts")
        with contextlib.suppress(s3.exceptions.NoSuchBucket):
            s3.delete_bucket(Bucket=f"{stack}-artifacts")


def _upload(
    s3: S3Client, bucket: str, zips: Mapping[str, packaging.Bundle], say: Say
) -> dict[str, str]:
    """Put the zips that are not there yet; the address of each by logical id."""
    with contextlib.suppress(
        s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists
    ):
        s3.create_bucket(Bucket=bucket)
    there = {item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
    new = {bundle.key: bundle for bundle in zips.values() if bundle.key not in there}
    for bundle in new.values():
        s3.put_object(Bucket=bucket, Key=bundle.key, Body=bundle.data)
    say(f"Packaged {len(zips)} functions and layers, {len(new)} of them new")
    return {name: f"s3://{bucket}/{bundle.key}" for name, bundle in zips.items()}


def _upload_template(s3: S3Client, endpoint_url: str, bucket: str, body: Mapping[str, Any]) -> str:
    """The address of the template in the bucket: a request holds no more than 51,200 bytes."""
    data = json.dumps(body, separators=(",", ":")).encode()
    key = f"template-{hashlib.sha256(data).hexdigest()[:16]}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=data)
    return f"{endpoint_url.rstrip('/')}/{bucket}/{key}"


def _clear_the_way(cloudformation: CloudFormationClient, stack: str, say: Say) -> None:
    """A stack that never came up can only be deleted before it is made again."""
    found = _describe(cloudformation, stack)
    if found is None:
        return
    status = found["StackStatus"]
    if status in _NEVER_LIVED:
        say(f"The stack {stack} is {status}: deleting it and starting anew")
        _delete(cloudformation, stack)
    elif status.endswith("_IN_PROGRESS"):
        say(f"The stack {stack} is {status}: waiting for it")
        _settled(cloudformation, stack, set())


def _apply(
    cloudformation: CloudFormationClient,
    stack: str,
    template_url: str,
    parameters: Mapping[str, str],
    say: Say,
) -> None:
    began = time.monotonic()
    exists = _describe(cloudformation, stack) is not None
    change_set = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=f"ragline-{time.time_ns()}",
        ChangeSetType="UPDATE" if exists else "CREATE",
        TemplateURL=template_url,
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )["Id"]
    if not _has_changes(cloudformation, stack, change_set):
        cloudformation.delete_change_set(ChangeSetName=change_set)
        say(f"The stack {stack} is up to date")
        return
    before = _event_ids(cloudformation, stack)
    say(f"{'Updating' if exists else 'Creating'} the stack {stack}")
    cloudformation.execute_change_set(ChangeSetName=change_set)
    found = _settled(cloudformation, stack, before)
    if found["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise SetupError(
            f"The stack {stack} could not be deployed ({found['StackStatus']}):\n"
            + _reasons(cloudformation, stack, before)
        )
    say(f"The stack {stack} is deployed ({time.monotonic() - began:.1f} s)")


def _has_changes(cloudformation: CloudFormationClient, stack: str, change_set: str) -> bool:
    for _ in _patience(f"the change set of {stack}"):
        found = cloudformation.describe_change_set(ChangeSetName=change_set)
        if found["Status"] == "CREATE_COMPLETE":
            return True
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "no reason was given")
            # The two texts of AWS: without a transform, and with one.
            if "didn't contain changes" in reason or "No updates are to be performed" in reason:
                return False
            raise SetupError(f"The template was not accepted: {reason}")
    raise AssertionError("patience ends by raising")


def _settled(cloudformation: CloudFormationClient, stack: str, before: set[str]) -> StackTypeDef:
    """The stack when it has come to rest, and something happened since those events."""
    for _ in _patience(f"the stack {stack}"):
        found = _describe(cloudformation, stack)
        if found is None:
            raise SetupError(f"The stack {stack} was deleted meanwhile: deploy again.")
        # REVIEW_IN_PROGRESS too: the change set was executed, but has not begun
        resting = not found["StackStatus"].endswith("_IN_PROGRESS")
        if resting and _event_ids(cloudformation, stack) - before:
            return found
    raise AssertionError("patience ends by raising")


def _delete(cloudformation: CloudFormationClient, stack: str) -> None:
    before = _event_ids(cloudformation, stack)
    cloudformation.delete_stack(StackName=stack)
    for _ in _patience(f"the deletion of {stack}"):
        found = _describe(cloudformation, stack)
        if found is None or found["StackStatus"] == "DELETE_COMPLETE":
            return
        if found["StackStatus"] == "DELETE_FAILED":
            raise SetupError(
                f"The stack {stack} could not be deleted:\n"
                + _reasons(cloudformation, stack, before)
            )


def _patience(what: str) -> Iterator[None]:
    """Poll until the caller has seen enough; SetupError when the time is over."""
    deadline = time.monotonic() + DEPLOY_SECONDS
    while time.monotonic() < deadline:
        yield
        time.sleep(POLL_SECONDS)
    raise SetupError(f"Waited {DEPLOY_SECONDS} s for {what}, in vain: see the log, then try again.")


def _describe(cloudformation: CloudFormationClient, stack: str) -> StackTypeDef | None:
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return None
        raise


def _outputs(found: StackTypeDef | None) -> dict[str, str]:
    outputs = found.get("Outputs", []) if found else []
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def _event_ids(cloudformation: CloudFormationClient, stack: str) -> set[str]:
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    return {event["EventId"] for page in pages for event in page["StackEvents"]}


def _reasons(cloudformation: CloudFormationClient, stack: str, before: set[str]) -> str:
    """The resources that failed since then, oldest first: the first is the cause."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    failed = [
        f"  {event.get('LogicalResourceId')} ({event.get('ResourceType')}): "
        f"{event['ResourceStatusReason']}"
        for page in pages
        for event in page["StackEvents"]
        if event["EventId"] not in before
        and event.get("ResourceStatus", "").endswith("_FAILED")
        and event.get("ResourceStatusReason")
        and "cancelled" not in event["ResourceStatusReason"]
    ]
    if any("DescribeEvents" in reason for reason in failed):
        failed = _validation_reasons(cloudformation, stack)
    return "\n".join(failed[::-1][:8]) or "  no reason was given; see the log of the local cloud"


def _validation_reasons(cloudformation: CloudFormationClient, stack: str) -> list[str]:
    """What was found wrong before any resource was touched; newest first."""
    events = cloudformation.describe_events(StackName=stack)["OperationEvents"]
    return [
        f"  {event.get('ValidationPath')}: {event['ValidationStatusReason']}"
        for event in events
        if event.get("ValidationStatusReason")
    ]


def _buckets(cloudformation: CloudFormationClient, stack: str) -> list[str]:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return [
        resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::S3::Bucket" and resource.get("PhysicalResourceId")
    ]


def _empty(s3: S3Client, bucket: str) -> None:
    with contextlib.suppress(s3.exceptions.NoSuchBucket):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
            if keys:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})  # type: ignore[typeddict-item]


@contextlib.contextmanager
def _translated(endpoint_url: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise SetupError(f"{endpoint_url} refused: {error}") from error
    except BotoCoreError as error:
        raise SetupError(
            f"{endpoint_url} does not answer as AWS would ({error}): is the local cloud up? "
            "`ragline up` starts it."
        ) from error
