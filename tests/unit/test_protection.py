"""What protects the stack, leaves included: TLS, keys, nothing public, no wildcard unexplained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ragline.local import nesting, template
from tests.service_check.grants import listed

ROOT = Path(__file__).parents[2]
TEMPLATES = [ROOT / "template.yaml", *sorted((ROOT / "infra").glob("*.yaml"))]
WHOLE: dict[str, Any] = nesting.flattened(template.load(ROOT / "template.yaml"), ROOT)
KEY = {"Ref": "KmsKeyArn"}
WITH_KEY = "OwnKey"


def of_type(kind: str) -> dict[str, Any]:
    return {
        name: one.get("Properties", {})
        for name, one in WHOLE["Resources"].items()
        if one["Type"] == kind
    }


def without_tls(document: dict[str, Any], actions: str) -> list[dict[str, Any]]:
    """The statements that deny all of a service to whoever comes without TLS."""
    return [
        one
        for one in document["Statement"]
        if (one["Effect"], one["Principal"], one["Action"]) == ("Deny", "*", actions)
        and one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]


def test_every_bucket_refuses_whoever_comes_without_tls() -> None:
    policies = of_type("AWS::S3::BucketPolicy").values()
    for bucket in of_type("AWS::S3::Bucket"):
        (policy,) = [one for one in policies if one["Bucket"] == {"Ref": bucket}]
        (statement,) = without_tls(policy["PolicyDocument"], "s3:*")
        itself, objects = statement["Resource"]
        assert str(objects).replace("/*", "") == str(itself)


def test_every_queue_refuses_whoever_comes_without_tls() -> None:
    refused = {
        queue["Ref"]
        for policy in of_type("AWS::SQS::QueuePolicy").values()
        for queue in policy["Queues"]
        if without_tls(policy["PolicyDocument"], "sqs:*")
    }
    assert refused == set(of_type("AWS::SQS::Queue"))


def test_no_bucket_can_be_made_public() -> None:
    for bucket in of_type("AWS::S3::Bucket").values():
        block = bucket["PublicAccessBlockConfiguration"]
        assert set(block.values()) == {True} and len(block) == 4


def chosen(value: Any, with_key: bool) -> Any:
    """What a value is with, or without, a key of one's own; ``None`` for no value."""
    if isinstance(value, dict):
        if list(value) == ["Fn::If"] and value["Fn::If"][0].endswith(WITH_KEY):
            value = value["Fn::If"][1 if with_key else 2]
            return None if value == {"Ref": "AWS::NoValue"} else value
        return {name: chosen(one, with_key) for name, one in value.items()}
    return [chosen(one, with_key) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("with_key", [True, False])
def test_all_that_is_kept_is_encrypted_by_ones_own_key_or_by_one_of_aws(with_key: bool) -> None:
    key = KEY if with_key else None
    for bucket in chosen(of_type("AWS::S3::Bucket"), with_key).values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        default = rule["ServerSideEncryptionByDefault"]
        assert default["SSEAlgorithm"] == ("aws:kms" if with_key else "AES256")
        assert default["KMSMasterKeyID"] == key
        assert rule["BucketKeyEnabled"] == with_key  # a request to KMS a bucket, not an object
    for table in chosen(of_type("AWS::DynamoDB::Table"), with_key).values():
        assert table["SSESpecification"]["SSEEnabled"] is True
        assert table["SSESpecification"]["KMSMasterKeyId"] == key
    for name, queue in chosen(of_type("AWS::SQS::Queue"), with_key).items():
        assert (queue["SqsManagedSseEnabled"], queue["KmsMasterKeyId"]) == (not with_key, key), name
    for name, group in chosen(of_type("AWS::Logs::LogGroup"), with_key).items():
        assert group["KmsKeyId"] == key, name


def test_whoever_touches_the_bucket_or_a_queue_may_use_the_key() -> None:
    """S3 and SQS ask KMS in the caller's name."""
    roles = {
        role["Ref"]
        for name, policy in of_type("AWS::IAM::Policy").items()
        if name.endswith("KeyPolicy")
        for role in policy["Roles"]
    }
    for name, function in of_type("AWS::Serverless::Function").items():
        touched = {
            action.split(":")[0]
            for policy in function.get("Policies", [])
            for statement in policy["Statement"]
            for action in listed(statement["Action"])
        }
        if touched & {"s3", "sqs"}:
            assert f"{name}Role" in roles, name


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.name))
def test_a_wildcard_resource_says_why(path: Path) -> None:
    lines = path.read_text().splitlines()
    wild = re.compile(r"""Resource: ?\[?["']\*["']""")
    for number, line in enumerate(lines):
        if wild.search(line):
            told = "#" in line or lines[number - 1].lstrip().startswith("#")
            assert told, f"{path.name}:{number + 1} allows any resource and does not say why"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.name))
def test_no_allowed_action_is_a_wildcard(path: Path) -> None:
    def statements(value: Any) -> list[Any]:
        if isinstance(value, dict):
            here = [value] if value.get("Effect") == "Allow" else []
            return here + [one for part in value.values() for one in statements(part)]
        return (
            [one for part in value for one in statements(part)] if isinstance(value, list) else []
        )

    for statement in statements(template.load(path)):
        for action in listed(statement["Action"]):
            assert "*" not in action, statement
