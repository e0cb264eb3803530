"""With policies enforced as on AWS: a sample of what `make service-check` proves of every grant."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

from ragline.local import aws
from tests.service_check import scenarios
from tests.service_check.grants import Grant
from tests.service_check.removals import Proofs, proofs

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def enforced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proofs]:
    with proofs(tmp_path_factory.mktemp("policies")) as found:
        yield found


def test_the_way_of_a_document_is_allowed_and_each_step_of_it_is_needed(enforced: Proofs) -> None:
    scenario = scenarios.a_document_is_found_listed_and_shown
    error, decisions = enforced.tried(scenario)
    assert error is None and all(one.allowed for one in decisions)
    for grant in (
        Grant("ApiFunction", "s3:PutObject", "bucket/uploads/*"),
        Grant("Splitter", "sqs:SendMessage", "ChunksQueue"),
        Grant("Indexer", "dynamodb:BatchGetItem", "LedgerTable"),
        Grant("ApiFunction", "dynamodb:Query", "LedgerTable/index/ByCollection"),
    ):
        assert enforced.missed(grant, scenario), grant
    assert enforced.tried(scenario)[0] is None  # all is as it was


def test_an_absent_object_is_a_404_only_for_who_may_list(enforced: Proofs) -> None:
    grant = Grant("Splitter", "s3:ListBucket", "bucket")
    scenario = scenarios.an_event_about_an_object_that_is_gone_is_no_error
    assert enforced.tried(scenario)[0] is None
    assert enforced.missed(grant, scenario)


@pytest.fixture
def caller(enforced: Proofs) -> Iterator[boto3.Session]:
    """Somebody whose own policy allows everything."""
    iam = enforced.policies.iam
    iam.create_user(UserName="somebody")
    document = (
        '{"Version": "2012-10-17", "Statement":'
        ' [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    )
    iam.put_user_policy(UserName="somebody", PolicyName="all", PolicyDocument=document)
    key = iam.create_access_key(UserName="somebody")["AccessKey"]
    yield boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=aws.REGION)
    iam.delete_access_key(UserName="somebody", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="somebody", PolicyName="all")
    iam.delete_user(UserName="somebody")


def test_documents_and_queues_are_closed_to_whoever_comes_without_tls(
    enforced: Proofs, caller: boto3.Session
) -> None:
    stack = enforced.hand.stack
    s3 = caller.client("s3", endpoint_url=stack.endpoint_url, config=aws.config())
    sqs = caller.client("sqs", endpoint_url=stack.endpoint_url, config=aws.config())

    def listed() -> None:
        s3.list_objects_v2(Bucket=stack.bucket)

    def written() -> None:
        s3.put_object(Bucket=stack.bucket, Key="uploads/default/tls/a.txt", Body=b"a")

    def sent() -> None:
        sqs.send_message(QueueUrl=stack.outputs["ChunksQueueUrl"], MessageBody="a")

    for call in (listed, written, sent):
        call()
    for client in (s3, sqs):
        client.meta.events.register("before-sign.*.*", _say_plain_http)
    for call in (listed, written, sent):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
    enforced.hand.purge()


def _say_plain_http(request: object, **_: object) -> None:
    request.headers["X-Forwarded-Proto"] = "http"  # type: ignore[attr-defined]
