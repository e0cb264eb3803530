"""The documents bucket on S3, and whatever speaks its language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ragline.adapters.aws_errors import error_code, of_code, translated
from ragline.adapters.backoff import Backoff
from ragline.adapters.local_files import digest_into
from ragline.adapters.s3_uploads import S3Uploads
from ragline.domain.errors import TransientError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

_KEYS_PER_DELETE = 1_000
_PIECE = 16 * 1024 * 1024
"""Bytes that are asked for at once, and in memory, of an object that goes to a file."""
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_OTHER_VERSION = frozenset({"PreconditionFailed", "412", "InvalidRange", "416"})


class _Gone(Exception):
    """The object, or the version that was asked for, is not there (any more)."""


class S3Objects(S3Uploads):
    """``ports.Objects``. The client signs with ``s3v4``, or ``presign_put`` refuses."""

    def __init__(self, bucket: str, *, client: S3Client, backoff: Backoff | None = None) -> None:
        self._bucket = bucket
        self._client = client
        self._backoff = backoff or Backoff(tries=6)
        self._what = f"bucket {bucket}"

    def get(self, key: str, etag: str = "") -> bytes | None:
        """As the port says; the bucket's events give an ETag bare, its answers in quotes."""
        with translated(self._what):
            body = self._body(key, etag)
            return None if body is None else body.read()

    def fetch(self, key: str, path: Path, etag: str = "") -> str | None:
        """As the port says, by requests of some megabytes: one that fails is made again, alone."""
        with translated(self._what), suppress(_Gone):
            return digest_into(path, self._pieces(key, etag))
        return None

    def _pieces(self, key: str, etag: str) -> Iterator[bytes]:
        """Of one version, which the first answer names. Raises _Gone."""
        at, total = 0, 1
        while at < total:
            answer = self._answer(key, etag, Range=f"bytes={at}-{at + _PIECE - 1}")
            if answer is None and not at and self.get(key, etag) == b"":
                return  # of no bytes there is no range
            if answer is None:
                raise _Gone
            data = answer["Body"].read()
            etag = answer["ETag"]
            total = int(answer["ContentRange"].rpartition("/")[2])
            yield data
            at += len(data)

    def read(self, key: str, first: int, end: int, etag: str = "") -> bytes | None:
        with translated(self._what):
            body = self._body(key, etag, Range=f"bytes={first}-{end - 1}")
            return None if body is None else body.read()

    def _body(self, key: str, etag: str, **condition: Any) -> StreamingBody | None:
        answer = self._answer(key, etag, **condition)
        return answer["Body"] if answer else None

    def _answer(self, key: str, etag: str, **condition: Any) -> GetObjectOutputTypeDef | None:
        bare = etag.strip('"')
        if etag:
            condition["IfMatch"] = f'"{bare}"'
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key, **condition)
        except ClientError as error:
            if error_code(error) in _ABSENT | _OTHER_VERSION:
                return None
            raise

    def size(self, key: str) -> int | None:
        head = self._head(key)
        return head["ContentLength"] if head else None

    def etag(self, key: str) -> str | None:
        head = self._head(key)
        return head["ETag"].strip('"') if head else None

    def _head(self, key: str) -> HeadObjectOutputTypeDef | None:
        with translated(self._what):
            try:
                return self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    return None
                raise

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        with translated(self._what):
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=data, ContentType=content_type
            )

    def delete(self, keys: Iterable[str]) -> None:
        left = iter(keys)
        while some := list(islice(left, _KEYS_PER_DELETE)):
            self._delete(some)

    def list(self, prefix: str, *, since: str = "") -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        # The place itself is wanted too: S3 leaves out what it starts after.
        before: dict[str, Any] = {"StartAfter": since[:-1]} if since[:-1] else {}
        with translated(self._what):
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, **before):
                for found in page.get("Contents", []):
                    if found["Key"] >= since:
                        yield found["Key"]

    def folders(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        with translated(self._what):
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
                for found in page.get("CommonPrefixes", []):
                    yield found["Prefix"]

    def _delete(self, keys: Sequence[str]) -> None:
        """Delete at most 1,000 keys; S3 answers 200 even where it deleted nothing."""
        for attempt in self._backoff.attempts():
            with translated(self._what):
                answer = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
                )
            refused = [one for one in answer.get("Errors", []) if one.get("Code") not in _ABSENT]
            if not refused:
                return
            for one in refused:
                error = of_code(one.get("Code", "unknown"), self._what, "DeleteObjects")
                if not isinstance(error, TransientError) or attempt + 1 == self._backoff.tries:
                    raise error
            keys = [one["Key"] for one in refused]
