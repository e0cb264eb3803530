"""What every documents bucket promises: on the fake, and on S3."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config

from ragline.adapters import s3_objects
from ragline.adapters.backoff import Backoff
from ragline.adapters.local_files import LocalFiles
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.s3_objects import S3Objects
from ragline.domain.errors import ServiceUnavailable, SetupError
from ragline.ports import Objects
from tests.contract import aws

pytestmark = pytest.mark.disable_socket

BUCKET = "documents"
QUICK = Backoff(tries=3, sleep=lambda _: None)


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
    return S3Objects(BUCKET, client=request.getfixturevalue("s3"), backoff=QUICK)


def test_what_was_put_is_got(objects: Objects) -> None:
    objects.put("a/ü b+c.txt", b"one")
    objects.put("a/ü b+c.txt", b"two!", "text/plain")
    assert objects.get("a/ü b+c.txt") == b"two!"
    assert objects.size("a/ü b+c.txt") == 4


def test_an_object_of_no_bytes_is_there(objects: Objects) -> None:
    objects.put("empty", b"")
    assert (objects.get("empty"), objects.size("empty")) == (b"", 0)


def test_an_absent_object_is_none(objects: Objects) -> None:
    assert objects.get("nothing") is None
    assert objects.size("nothing") is None


def test_an_object_is_got_only_if_it_is_of_the_version_asked_for(objects: Objects) -> None:
    objects.put("a", b"one")
    one, two = (hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (b"one", b"two"))
    for etag in (one, f'"{one}"', ""):
        assert objects.get("a", etag) == b"one", etag
    objects.put("a", b"two")
    assert objects.get("a", one) is None
    assert objects.get("a", f'"{two}"') == b"two"
    objects.delete(["a"])
    assert objects.get("a", two) is None


def test_some_bytes_of_an_object_are_read(objects: Objects) -> None:
    objects.put("a", b"0123456789")
    etag = hashlib.md5(b"0123456789", usedforsecurity=False).hexdigest()
    assert objects.read("a", 0, 3) == b"012"
    assert objects.read("a", 8, 10, etag) == b"89"
    assert objects.read("a", 3, 4, "0" * 32) is None
    assert objects.read("nothing", 0, 1) is None


@pytest.mark.parametrize("size", [0, 1, 999, 1_000, 1_001, 2_500])
def test_an_object_is_fetched_whole_whatever_its_size(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(s3_objects, "_PIECE", 1_000)
    data = bytes(n % 251 for n in range(size))
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    objects.put("a", data)
    for version in ("", etag):
        path = tmp_path / "a"
        assert objects.fetch("a", path, version) == hashlib.sha256(data).hexdigest()
        assert path.read_bytes() == data
    assert objects.fetch("a", tmp_path / "b", "0" * 32) is None
    assert objects.fetch("nothing", tmp_path / "b") is None


def test_an_object_that_is_replaced_while_it_is_fetched_is_not_made_of_two(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_objects, "_PIECE", 10)
    objects = S3Objects(BUCKET, client=s3, backoff=QUICK)
    objects.put("a", b"x" * 25)
    get, asked = s3.get_object, []

    def replaced(**request: Any) -> Any:
        asked.append(request["Range"])
        if len(asked) == 2:
            objects.put("a", b"y" * 25)
        return get(**request)

    monkeypatch.setattr(s3, "get_object", replaced)
    assert objects.fetch("a", tmp_path / "a") is None
    assert asked == ["bytes=0-9", "bytes=10-19"]


def test_a_version_that_was_not_named_is_known_again_by_its_name(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, fetched = objects.fetch, []

    def watched(key: str, path: Path, etag: str = "") -> str | None:
        fetched.append((key, etag))
        return fetch(key, path, etag)

    monkeypatch.setattr(objects, "fetch", watched)
    objects.put("a", b"one")
    files = LocalFiles(objects)
    with files.open("a") as first:
        assert first is not None and first.etag == objects.etag("a")
    for version in (first.etag, f'"{first.etag}"', ""):
        with files.open("a", version) as again:
            assert again == first
    objects.put("a", b"another")
    with files.open("a") as second:
        assert second is not None and second.path.read_bytes() == b"another"
    assert fetched == [("a", first.etag), ("a", second.etag)]
    with files.open("nothing") as gone:
        assert gone is None
    assert objects.etag("nothing") is None


def test_a_window_holds_what_was_asked_for_in_its_place(objects: Objects) -> None:
    data = bytes(range(1, 256)) * 400
    objects.put("a", data)
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    files = LocalFiles(objects)
    with files.window("a", [(50_000, 60_000), (0, 100), (59_000, 60_500)], etag) as file:
        assert file is not None
        assert file.size == len(data)
        there = file.path.read_bytes()
    assert len(there) == len(data)
    assert (there[:100], there[50_000:60_500]) == (data[:100], data[50_000:60_500])
    assert not any(there[100:50_000]) and not any(there[60_500:])
    assert not file.path.exists()
    with files.window("a", [(len(data) - 1, len(data) + 9)]) as end:
        assert end is not None and end.path.read_bytes()[-1:] == data[-1:]
    for key, version in (("a", "0" * 32), ("nothing", "")):
        with files.window(key, [(0, 1)], version) as gone:
            assert gone is None


def test_deleting_takes_what_is_there_and_leaves_the_rest(objects: Objects) -> None:
    for key in ("a", "b", "c"):
        objects.put(key, b"x")
    objects.delete(key for key in ("a", "nothing", "c"))
    objects.delete([])
    assert list(objects.list("")) == ["b"]


def test_more_keys_than_a_request_takes_are_listed_and_deleted(objects: Objects) -> None:
    keys = [f"many/{n:04d}" for n in range(1_001)]
    for key in keys:
        objects.put(key, b"")
    objects.put("man", b"")
    assert list(objects.list("many/")) == keys
    objects.delete(objects.list("many/"))
    assert list(objects.list("")) == ["man"]


def test_a_listing_begins_where_it_is_told_to_and_folders_are_told_once(objects: Objects) -> None:
    for key in ("a/x/1", "a/x/2", "a/y/1", "a/y.z/1", "a/top", "b/x/1"):
        objects.put(key, b"")
    assert list(objects.list("a/", since="a/x/2")) == ["a/x/2", "a/y.z/1", "a/y/1"]
    assert list(objects.list("a/", since="a/y/")) == ["a/y/1"]
    assert list(objects.list("a/", since="b")) == []
    assert list(objects.list("b/", since="a")) == ["b/x/1"]
    assert list(objects.folders("a/")) == ["a/x/", "a/y.z/", "a/y/"]
    assert list(objects.folders("c/")) == []


def presigned(client: Any) -> tuple[str, dict[str, str], str]:
    data = b"exactly these"
    url, headers = S3Objects(BUCKET, client=client).presign_put(
        "uploads/acme/papers/d1/a b.txt",
        content_type="text/plain",
        size=len(data),
        checksum=hashlib.sha256(data).hexdigest(),
        expires=60,
    )
    return url, dict(headers), base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_a_presigned_upload_signs_every_header_that_it_must_carry(s3: Any) -> None:
    url, headers, digest = presigned(s3)
    assert headers == {
        "Content-Type": "text/plain",
        "Content-Length": "13",
        "x-amz-checksum-sha256": digest,
    }
    query = parse_qs(urlsplit(url).query)
    signed = set(query["X-Amz-SignedHeaders"][0].split(";"))
    assert signed == {"host"} | {name.lower() for name in headers}
    assert query["X-Amz-Expires"] == ["60"]
    assert urlsplit(url).path.endswith("/uploads/acme/papers/d1/a%20b.txt")


def test_a_presigned_upload_asks_for_no_header_that_the_caller_was_not_told_of(s3: Any) -> None:
    url, headers = S3Objects(BUCKET, client=s3).presign_put(
        "uploads/x", content_type="", size=0, checksum="", expires=60
    )
    query = parse_qs(urlsplit(url).query)
    assert (headers, query["X-Amz-SignedHeaders"]) == ({}, ["host"])
    assert not [name for name in query if "checksum" in name.lower()]


def test_signatures_that_leave_headers_out_are_refused() -> None:
    with aws.in_process_aws():
        old = boto3.client("s3", region_name="us-east-1", config=Config(signature_version="s3"))
        with pytest.raises(SetupError, match="s3v4"):
            presigned(old)


class Refusing:
    """A client whose ``delete_objects`` answers 200 and deletes nothing, ``times`` times."""

    def __init__(self, client: Any, times: int, code: str) -> None:
        self._client, self.left, self._code = client, times, code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def delete_objects(self, **request: Any) -> Any:
        if not self.left:
            return self._client.delete_objects(**request)
        self.left -= 1
        keys = request["Delete"]["Objects"]
        return {"Errors": [{"Key": one["Key"], "Code": self._code} for one in keys]}


def test_keys_that_were_not_deleted_are_tried_again_and_then_reported(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"")
    twice: Any = Refusing(s3, 2, "InternalError")
    S3Objects(BUCKET, client=twice, backoff=QUICK).delete(["a"])
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
    always: Any = Refusing(s3, 99, "InternalError")
    with pytest.raises(ServiceUnavailable, match=BUCKET):
        S3Objects(BUCKET, client=always, backoff=QUICK).delete(["a"])
    denied: Any = Refusing(s3, 99, "AccessDenied")
    with pytest.raises(SetupError, match="DeleteObjects"):
        S3Objects(BUCKET, client=denied, backoff=QUICK).delete(["a"])
    assert denied.left == 98


def test_a_missing_bucket_is_an_error_of_setup_that_names_it(s3: Any) -> None:
    nowhere = S3Objects("nowhere", client=s3)
    with pytest.raises(SetupError, match="nowhere"):
        nowhere.get("a")
    with pytest.raises(SetupError, match="nowhere"):
        list(nowhere.list("a"))
