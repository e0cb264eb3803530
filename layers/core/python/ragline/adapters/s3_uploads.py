"""Bytes that callers bring to the bucket themselves: presigned, in one piece or in parts."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from botocore.exceptions import ClientError

from ragline.adapters.aws_errors import error_code, translated
from ragline.domain.errors import SetupError
from ragline.ports import StoredPart

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef, CompletedPartTypeDef

_NO_UPLOAD = frozenset({"NoSuchUpload", "404", "NotFound"})
_CHECKSUM = "x-amz-checksum-sha256"


class S3Uploads:
    """The half of ``S3Objects`` that lets others write."""

    _bucket: str
    _client: S3Client
    _what: str

    def presign_put(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        """As the port says; an empty type, checksum or a size of 0 is left open.

        Raises:
            SetupError: the client's signatures do not cover the headers.
        """
        params: dict[str, Any] = {"Key": key}
        headers: dict[str, str] = {}
        if content_type:
            params["ContentType"] = headers["Content-Type"] = content_type
        return self._presigned("put_object", params, headers, size, checksum, expires)

    def presign_post(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        """As the port says. The policy has a condition for every field, and for the length.

        https://docs.aws.amazon.com/AmazonS3/latest/developerguide/sigv4-HTTPPOSTConstructPolicy.html
        """
        fields = {"Content-Type": content_type}
        if checksum:
            fields[_CHECKSUM] = _base64(checksum)
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", size, size])
        with translated(self._what):
            form = self._client.generate_presigned_post(
                self._bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=expires
            )
        return form["url"], form["fields"]

    def start_parts(self, key: str, content_type: str) -> str:
        """As the port says; S3 takes no part then without its own SHA-256."""
        with translated(self._what):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=content_type, ChecksumAlgorithm="SHA256"
            )
        return answer["UploadId"]

    def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        params = {"Key": key, "UploadId": upload_id, "PartNumber": number}
        return self._presigned("upload_part", params, {}, size, checksum, expires)

    def parts(self, key: str, upload_id: str) -> Sequence[StoredPart] | None:
        pages = self._client.get_paginator("list_parts")
        with translated(self._what):
            try:
                return [
                    StoredPart(
                        one["PartNumber"],
                        one["Size"],
                        one["ETag"],
                        _hexadecimal(one.get("ChecksumSHA256", "")),
                    )
                    for page in pages.paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
                    for one in page.get("Parts", [])
                ]
            except ClientError as error:
                if error_code(error) in _NO_UPLOAD:
                    return None
                raise

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> bool:
        joined: CompletedMultipartUploadTypeDef = {"Parts": [_completed(one) for one in parts]}
        with translated(self._what):
            try:
                self._client.complete_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload=joined
                )
            except ClientError as error:
                if error_code(error) in _NO_UPLOAD:
                    return False
                raise
        return True

    def drop_parts(self, key: str, upload_id: str) -> None:
        with translated(self._what):
            try:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id
                )
            except ClientError as error:
                if error_code(error) not in _NO_UPLOAD:
                    raise

    def open_uploads(self, prefix: str) -> Iterator[tuple[str, str]]:
        pages = self._client.get_paginator("list_multipart_uploads")
        with translated(self._what):
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for found in page.get("Uploads", []):
                    if found["Key"].startswith(prefix):  # stand-ins for S3 may list all
                        yield found["Key"], found["UploadId"]

    def _presigned(
        self,
        operation: str,
        params: dict[str, Any],
        headers: dict[str, str],
        size: int,
        checksum: str,
        expires: int,
    ) -> tuple[str, Mapping[str, str]]:
        if size:
            params["ContentLength"], headers["Content-Length"] = size, str(size)
        if checksum:
            params["ChecksumSHA256"] = headers[_CHECKSUM] = _base64(checksum)
        with translated(self._what):
            url = self._client.generate_presigned_url(
                operation, Params={"Bucket": self._bucket, **params}, ExpiresIn=expires
            )
        signed = parse_qs(urlsplit(url).query).get("X-Amz-SignedHeaders", [""])[0].split(";")
        if loose := sorted(name for name in headers if name.lower() not in signed):
            raise SetupError(
                f"{self._what}: the upload's signature leaves out {', '.join(loose)}; "
                "make the S3 client with signature_version='s3v4'."
            )
        return url, headers


def _completed(part: StoredPart) -> CompletedPartTypeDef:
    known: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": part.etag}
    if part.checksum:
        known["ChecksumSHA256"] = _base64(part.checksum)
    return known


def _base64(checksum: str) -> str:
    return base64.b64encode(bytes.fromhex(checksum)).decode()


def _hexadecimal(checksum: str) -> str:
    return base64.b64decode(checksum).hex()
