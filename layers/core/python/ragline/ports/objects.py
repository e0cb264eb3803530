"""The documents bucket, and uploads in parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of an upload that has arrived. ``checksum``: its SHA-256 in hexadecimal, or ''."""

    number: int
    size: int
    etag: str
    checksum: str = ""


class Uploads(Protocol):
    """Where callers bring bytes themselves. URLs and form fields are secrets while they live.

    Of what they sign: ``size`` in bytes, ``checksum`` a SHA-256 in hexadecimal, ``expires`` in
    seconds.
    """

    def presign_put(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        """A URL that takes one PUT of exactly these bytes, and the headers that it must carry.

        ``checksum`` may be ''.
        """

    def presign_post(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        """A URL that takes exactly these bytes as the last field, ``file``, of a form, and the
        fields before it. ``checksum`` may be ''."""

    def start_parts(self, key: str, content_type: str) -> str:
        """Open an upload in parts; its name."""

    def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        """As ``presign_put``, of one part, numbered from 1. It may be sent again."""

    def parts(self, key: str, upload_id: str) -> Sequence[StoredPart] | None:
        """Those that arrived, by number; None if there is no such upload (any more)."""

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> bool:
        """Make them the object, and end the upload; False if there is none (any more)."""

    def drop_parts(self, key: str, upload_id: str) -> None:
        """End the upload and delete its parts; an absent one is no error."""

    def open_uploads(self, prefix: str) -> Iterable[tuple[str, str]]:
        """Key and name of each upload in parts that was not ended, of keys that begin so."""


class Objects(Uploads, Protocol):
    """The documents bucket."""

    def get(self, key: str, etag: str = "") -> bytes | None:
        """The object's bytes; None if there is none, or it is not of the version ``etag``."""

    def fetch(self, key: str, path: Path, etag: str = "") -> str | None:
        """Write the object to a file, piece by piece; its SHA-256 in hexadecimal, None as
        ``get``."""

    def read(self, key: str, first: int, end: int, etag: str = "") -> bytes | None:
        """Bytes ``first`` to ``end`` (exclusive, at most the object's size); None as ``get``."""

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None if there is none."""

    def etag(self, key: str) -> str | None:
        """Names the version that is there, bare of quotes; None if there is none."""

    def put(
        self, key: str, data: bytes, content_type: str = "application/octet-stream"
    ) -> None: ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete these keys; absent ones are no error."""

    def list(self, prefix: str, *, since: str = "") -> Iterable[str]:
        """The keys that start with ``prefix``, in order; those before ``since`` left out."""

    def folders(self, prefix: str) -> Iterable[str]:
        """What of keys goes from ``prefix`` to the next slash, with it; each once, in order."""
