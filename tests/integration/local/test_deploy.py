"""The small stack in ``tiny``, deployed as the pipeline is: no Docker, no ``sam build``."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore
import pydantic
import pytest
from botocore.exceptions import ClientError

from ragline.domain.errors import SetupError
from ragline.local import aws, deploy, packaging
from ragline.local.cloud import Cloud
from tests.deployed import api_address

TINY = Path(__file__).with_name("tiny")
PARAMETERS = {"ModelDir": "/somewhere/model"}


@pytest.fixture(scope="module")
def outputs(local: Cloud) -> Iterator[dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        # What a user's shell may hold; none of it may reach the stack or its functions.
        patch.setenv("AWS_PROFILE", "no-such-profile")
        patch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        yield deploy.deploy(
            local.endpoint_url, TINY / "template.yaml", stack="tiny",
            parameters=PARAMETERS, say=print,
        )  # fmt: skip
        deploy.teardown(local.endpoint_url, stack="tiny", say=print)


def test_the_stack_says_what_the_template_promises(outputs: dict[str, str]) -> None:
    assert outputs["DroppedName"] == "tiny-dropped"
    assert outputs["QueueUrl"].startswith("http://127.0.0.1:")
    assert outputs["WriterName"] == "tiny-writer"  # it stands in a leaf
    assert "ModelLayerArn" not in outputs  # the model is not deployed as a layer


def test_a_dropped_file_passes_through_both_functions(
    local: Cloud, outputs: dict[str, str]
) -> None:
    s3 = aws.session().client("s3", endpoint_url=local.endpoint_url, config=aws.config())
    s3.put_object(Bucket=outputs["DroppedName"], Key="report.txt", Body=b"x")
    written = eventually(lambda: s3.list_objects_v2(Bucket=outputs["ResultsName"]).get("Contents"))
    assert [item["Key"] for item in written] == ["report.txt"]

    logs = aws.session().client("logs", endpoint_url=local.endpoint_url, config=aws.config())
    group = "/aws/lambda/tiny-writer"
    assert eventually(
        lambda: [
            event
            for event in logs.filter_log_events(logGroupName=group)["events"]
            if "writing report.txt" in event["message"]
        ]
    )


def test_the_api_wants_its_key_except_where_the_template_says_so(
    local: Cloud, outputs: dict[str, str]
) -> None:
    assert get(local, outputs, "/health")[0] == 200
    assert get(local, outputs, "/where/json")[0] == 403
    assert get(local, outputs, "/where/json", "wrong")[0] == 403
    _, key = api_address(local.endpoint_url, outputs)
    assert get(local, outputs, "/where/json", key)[0] == 200


@pytest.mark.parametrize("module", [boto3, botocore, pydantic], ids=lambda m: m.__name__)
def test_functions_import_our_dependencies_and_not_ministacks(
    local: Cloud, outputs: dict[str, str], module: Any
) -> None:
    found = where(local, outputs, module.__name__)
    assert found["file"] == module.__file__
    assert found["version"] == module.__version__
    assert found["python"] == list(sys.version_info[:2])


def test_functions_import_the_layer(local: Cloud, outputs: dict[str, str]) -> None:
    assert where(local, outputs, "tiny")["greeting"] == "hello from the layer"


def test_functions_see_the_templates_environment_and_nothing_of_the_users(
    local: Cloud, outputs: dict[str, str]
) -> None:
    environment = where(local, outputs, "json")["environment"]
    assert environment["MODEL_DIR"] == "/somewhere/model"
    assert environment["AWS_ENDPOINT_URL"] == local.endpoint_url
    foreign = {"PYTHONPATH", "VIRTUAL_ENV", "HOME", "AWS_PROFILE", "HTTP_PROXY"}
    assert not foreign & set(environment)
    assert not [name for name in environment if name.startswith("RAGLINE")]


def test_deploying_the_same_again_changes_nothing(local: Cloud, outputs: dict[str, str]) -> None:
    said: list[str] = []
    again = deploy.deploy(
        local.endpoint_url, TINY / "template.yaml", stack="tiny",
        parameters=PARAMETERS, say=said.append,
    )  # fmt: skip
    assert again == outputs
    assert said[-1] == "The stack tiny is up to date"


def test_changed_code_replaces_what_runs(local: Cloud, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "app")
    template = tmp_path / "app" / "template.yaml"
    layer = tmp_path / "app" / "layer" / "tiny" / "__init__.py"
    say, url = print, local.endpoint_url
    try:
        first = deploy.deploy(url, template, stack="changing", parameters={}, say=say)
        assert where(local, first, "tiny")["greeting"] == "hello from the layer"
        layer.write_text('GREETING = "changed"\n')
        second = deploy.deploy(url, template, stack="changing", parameters={}, say=say)
        assert second == first
        assert where(local, second, "tiny")["greeting"] == "changed"
    finally:
        deploy.teardown(url, stack="changing", say=say)


def test_a_template_that_is_not_accepted_says_why(local: Cloud, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("Resources: {Bad: {Type: AWS::Nowhere::Thing}}")
    with pytest.raises(SetupError, match="AWS::Nowhere::Thing"):
        deploy.deploy(local.endpoint_url, template, stack="refused", parameters={}, say=print)


def test_a_failed_resource_is_named_with_its_reason_and_the_next_deploy_starts_anew(
    local: Cloud, tmp_path: Path
) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("Resources: {Silent: {Type: AWS::CloudWatch::Alarm, Properties: {}}}")
    with pytest.raises(SetupError, match=r"Silent \(AWS::CloudWatch::Alarm\): .*required"):
        deploy.deploy(local.endpoint_url, template, stack="bad", parameters={}, say=print)

    template.write_text("Resources: {Queue: {Type: AWS::SQS::Queue}}")
    said: list[str] = []
    deploy.deploy(local.endpoint_url, template, stack="bad", parameters={}, say=said.append)
    assert any("starting anew" in line for line in said)

    template.write_text("Resources: {Silent: {Type: AWS::CloudWatch::Alarm, Properties: {}}}")
    with pytest.raises(SetupError, match=r"UPDATE_ROLLBACK_COMPLETE"):
        deploy.deploy(local.endpoint_url, template, stack="bad", parameters={}, say=print)
    deploy.teardown(local.endpoint_url, stack="bad", say=print)


def test_types_that_are_left_out_are_refused_by_the_stand_in(local: Cloud) -> None:
    """Else they need not be left out."""
    client = aws.session().client(
        "cloudformation", endpoint_url=local.endpoint_url, config=aws.config()
    )
    for kind in packaging.LEFT_OUT_TYPES:
        body = json.dumps({"Resources": {"Thing": {"Type": kind, "Properties": {}}}})
        with pytest.raises(ClientError, match=re.escape(kind)):
            client.create_stack(StackName="left-out", TemplateBody=body)


def test_a_name_that_is_taken_is_named(local: Cloud, tmp_path: Path) -> None:
    s3 = aws.session().client("s3", endpoint_url=local.endpoint_url, config=aws.config())
    s3.create_bucket(Bucket="taken-name")
    template = tmp_path / "template.yaml"
    template.write_text(
        "Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: taken-name}}}"
    )
    with pytest.raises(SetupError, match=r"taken-name.*already exists"):
        deploy.deploy(local.endpoint_url, template, stack="taken", parameters={}, say=print)
    deploy.teardown(local.endpoint_url, stack="taken", say=print)


def test_teardown_leaves_nothing(local: Cloud, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(
        "Resources: {B: {Type: AWS::S3::Bucket, DeletionPolicy: Retain, "
        "Properties: {BucketName: torn-down}}}"
    )
    deploy.deploy(local.endpoint_url, template, stack="torn", parameters={}, say=print)
    s3 = aws.session().client("s3", endpoint_url=local.endpoint_url, config=aws.config())
    s3.put_object(Bucket="torn-down", Key="x", Body=b"x")
    for _ in range(2):  # the second finds nothing, which is no error
        deploy.teardown(local.endpoint_url, stack="torn", say=print)
    names = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert not names & {"torn-down", "torn-artifacts"}


def test_an_endpoint_where_nothing_answers_says_how_to_start_it(port: int) -> None:
    with pytest.raises(SetupError, match="ragline up"):
        deploy.deploy(
            f"http://127.0.0.1:{port}", TINY / "template.yaml", stack="tiny",
            parameters={}, say=print,
        )  # fmt: skip


def eventually(look: Callable[[], Any], seconds: float = 30) -> Any:
    """What ``look`` finds as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def where(local: Cloud, outputs: dict[str, str], module: str) -> dict[str, Any]:
    _, key = api_address(local.endpoint_url, outputs)
    status, body = get(local, outputs, f"/where/{module}", key)
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


def get(local: Cloud, outputs: dict[str, str], path: str, key: str = "") -> tuple[int, str]:
    url = urlsplit(api_address(local.endpoint_url, outputs)[0] + path)
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    connection.request("GET", url.path, headers={"x-api-key": key} if key else {})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found
