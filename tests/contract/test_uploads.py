"""What every documents bucket promises those who bring bytes themselves: on the fake, and on S3."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.stub import Stubber

from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.s3_objects import S3Objects
from ragline.domain.errors import SetupError, WriteConflict
from ragline.ports import Objects, StoredPart
from tests.contract import aws

pytestmark = pytest.mark.disable_socket

BUCKET = "documents"
KEY = "uploads/acme/papers/d1/ü b.bin"
FIVE = 5 * 1024 * 1024
"""S3 takes no smaller part but the last."""

Put = Callable[[str, dict[str, str], bytes], None]


@pytest.fixture
def s3() -> Iterator[Any]:
    with aws.in_process_aws():
        client = aws.client("s3")
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": aws.REGION}
        )
        yield client


@pytest.fixture(params=["memory", "s3"])
def objects(request: pytest.FixtureRequest) -> Objects:
    if request.param == "memory":
        return MemoryObjects()
    return S3Objects(BUCKET, client=request.getfixturevalue("s3"))


@pytest.fixture
def put(objects: Objects) -> Put:
    """A PUT as a caller does it, without rights of its own."""

    def to_memory(url: str, headers: dict[str, str], data: bytes) -> None:
        assert isinstance(objects, MemoryObjects)
        objects.receive(url, data)

    def to_s3(url: str, headers: dict[str, str], data: bytes) -> None:
        answer = requests.put(url, data=data, headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text

    return to_memory if isinstance(objects, MemoryObjects) else to_s3


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def send(objects: Objects, put: Put, upload_id: str, number: int, data: bytes) -> None:
    url, headers = objects.presign_part(
        KEY, upload_id, number, size=len(data), checksum=digest(data), expires=60
    )
    put(url, dict(headers), data)


def test_parts_that_arrived_are_told_in_their_order_and_joined_to_one_object(
    objects: Objects, put: Put
) -> None:
    upload_id = objects.start_parts(KEY, "application/pdf")
    assert objects.parts(KEY, upload_id) == []
    send(objects, put, upload_id, 2, b"the rest")
    send(objects, put, upload_id, 1, b"x" * FIVE)
    there = objects.parts(KEY, upload_id)
    assert there
    assert [(one.number, one.size) for one in there] == [(1, FIVE), (2, 8)]
    assert objects.get(KEY) is None
    assert objects.join_parts(KEY, upload_id, there)
    assert objects.get(KEY) == b"x" * FIVE + b"the rest"
    assert objects.parts(KEY, upload_id) is None


def test_a_part_that_is_sent_again_takes_the_place_of_the_first(objects: Objects, put: Put) -> None:
    upload_id = objects.start_parts(KEY, "application/pdf")
    for data in (b"one", b"two!"):
        send(objects, put, upload_id, 1, data)
    there = objects.parts(KEY, upload_id)
    assert there
    assert [one.size for one in there] == [4]
    objects.join_parts(KEY, upload_id, there)
    assert objects.get(KEY) == b"two!"


def test_an_upload_that_is_given_up_is_gone_with_its_parts(objects: Objects, put: Put) -> None:
    upload_id = objects.start_parts(KEY, "application/pdf")
    send(objects, put, upload_id, 1, b"one")
    for _ in range(2):
        objects.drop_parts(KEY, upload_id)
        assert objects.parts(KEY, upload_id) is None
    assert objects.get(KEY) is None


def test_an_upload_that_was_never_opened_is_none(objects: Objects) -> None:
    assert objects.parts(KEY, "never-heard-of") is None


def test_uploads_that_are_open_are_told_by_where_they_go(objects: Objects, put: Put) -> None:
    mine = objects.start_parts(KEY, "application/pdf")
    other = KEY.replace("acme", "acme-2")
    theirs = objects.start_parts(other, "application/pdf")
    assert list(objects.open_uploads("uploads/acme/")) == [(KEY, mine)]
    objects.drop_parts(KEY, mine)
    assert list(objects.open_uploads("uploads/acme/")) == []
    assert list(objects.open_uploads("uploads/")) == [(other, theirs)]


# On S3


def test_a_presigned_part_signs_its_length_and_its_checksum(s3: Any) -> None:
    objects = S3Objects(BUCKET, client=s3)
    upload_id = objects.start_parts(KEY, "application/pdf")
    url, headers = objects.presign_part(
        KEY, upload_id, 3, size=5, checksum=digest(b"hello"), expires=60
    )
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host;x-amz-checksum-sha256"]
    assert (query["partNumber"], query["uploadId"]) == (["3"], [upload_id])
    assert headers == {
        "Content-Length": "5",
        "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"hello").digest()).decode(),
    }


def test_signatures_of_parts_that_leave_headers_out_are_refused(s3: Any) -> None:
    upload_id = S3Objects(BUCKET, client=s3).start_parts(KEY, "application/pdf")
    old = boto3.client("s3", region_name=aws.REGION, config=Config(signature_version="s3"))
    with pytest.raises(SetupError, match="s3v4"):
        S3Objects(BUCKET, client=old).presign_part(
            KEY, upload_id, 1, size=5, checksum=digest(b"hello"), expires=60
        )


def test_a_presigned_form_has_a_condition_for_its_length_and_for_every_field(s3: Any) -> None:
    url, fields = S3Objects(BUCKET, client=s3).presign_post(
        KEY, content_type="application/pdf", size=5, checksum=digest(b"hello"), expires=60
    )
    conditions = json.loads(base64.b64decode(fields["policy"]))["conditions"]
    assert ["content-length-range", 5, 5] in conditions
    bound = {
        name: value for one in conditions if isinstance(one, dict) for name, value in one.items()
    }
    assert bound["key"] == fields["key"] == KEY
    assert bound["bucket"] == BUCKET
    free = {"policy", "x-amz-signature"}
    assert {name: fields[name] for name in fields.keys() - free} == {
        name: value for name, value in bound.items() if name != "bucket"
    }
    assert fields["Content-Type"] == "application/pdf"
    assert "X-Amz" not in url


def test_an_upload_that_ended_since_its_parts_were_listed_is_not_joined(s3: Any) -> None:
    objects, part = S3Objects(BUCKET, client=s3), StoredPart(1, 3, '"etag"')
    with Stubber(s3) as stubbed:  # moto answers neither this nor what follows
        stubbed.add_client_error("complete_multipart_upload", "NoSuchUpload", http_status_code=404)
        assert not objects.join_parts(KEY, "upload", [part])


def test_a_part_that_was_sent_again_since_they_were_listed_is_a_matter_of_trying_again(
    s3: Any,
) -> None:
    objects, part = S3Objects(BUCKET, client=s3), StoredPart(1, 3, '"etag"')
    with Stubber(s3) as stubbed:
        stubbed.add_client_error("complete_multipart_upload", "InvalidPart", http_status_code=400)
        with pytest.raises(WriteConflict):
            objects.join_parts(KEY, "upload", [part])


def test_a_form_without_a_checksum_asks_for_none(s3: Any) -> None:
    _, fields = S3Objects(BUCKET, client=s3).presign_post(
        KEY, content_type="application/pdf", size=5, checksum="", expires=60
    )
    assert not [name for name in fields if "checksum" in name]


def test_a_missing_bucket_is_an_error_of_setup(s3: Any) -> None:
    with pytest.raises(SetupError, match="nowhere"):
        S3Objects("nowhere", client=s3).start_parts(KEY, "application/pdf")
