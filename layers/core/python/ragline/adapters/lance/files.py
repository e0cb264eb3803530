"""The files that Lance tables are made of, where they are stored, and which a version needs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

MANIFEST = re.compile(r"_versions/\d{20}\.manifest")
"""One a version; the numbers count down, so the latest version comes first."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """``name`` is relative to the table's folder; ``tag`` tells two contents of it apart."""

    name: str
    size: int
    tag: str


class Files(Protocol):
    """Where the tables are."""

    def list(self, table: str, below: str = "", limit: int = 0) -> Sequence[RemoteFile]:
        """The first ``limit`` files (0: all) of a table's folder by name, ``below`` a prefix."""

    def read(self, table: str, name: str, start: int, end: int) -> bytes:
        """The bytes ``start`` to ``end`` (not included) of a file."""


class S3Files:
    """Tables below ``prefix`` in a bucket, read by a boto3 client."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def list(self, table: str, below: str = "", limit: int = 0) -> Sequence[RemoteFile]:
        start = f"{self._prefix}/{table}.lance/"
        asked = {"Bucket": self._bucket, "Prefix": start + below}
        if limit:
            pages = iter([self._client.list_objects_v2(**asked, MaxKeys=limit)])
        else:
            pages = iter(self._client.get_paginator("list_objects_v2").paginate(**asked))
        return [
            RemoteFile(item["Key"].removeprefix(start), item["Size"], item["ETag"] + item["Key"])
            for page in pages
            for item in page.get("Contents", ())
        ]

    def read(self, table: str, name: str, start: int, end: int) -> bytes:
        key = f"{self._prefix}/{table}.lance/{name}"
        span = f"bytes={start}-{end - 1}"
        answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=span)
        found: bytes = answer["Body"].read()
        return found


def is_needed(name: str, manifest: bytes) -> bool:
    """Whether a version's manifest names the file; if in doubt, yes.

    Data files are named in full, indexes by the 16 bytes of their UUID.
    https://lance.org/format/table/
    """
    folder, _, rest = name.partition("/")
    if folder == "data":
        return rest.encode() in manifest
    if folder == "_indices":
        try:
            return uuid.UUID(rest.partition("/")[0]).bytes in manifest
        except ValueError:
            return True
    return folder == "_deletions"
