"""Uploads as files in the function's ephemeral storage, each version fetched once."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ragline.ports import LocalFile, Objects


@dataclass(frozen=True, slots=True)
class _Kept:
    key: str
    etag: str
    file: LocalFile


class LocalFiles:
    """``ports.Files``. The version that was opened last is kept: its next range is likely next.

    Only one that is named by an ETag can be known again. Not safe to share between threads.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._kept: _Kept | None = None

    @contextmanager
    def open(self, key: str, etag: str = "") -> Iterator[LocalFile | None]:
        kept = self._kept
        if kept is not None and etag and (kept.key, kept.etag) == (key, etag):
            yield kept.file if self._objects.size(key) is not None else None
            return
        self._drop()
        folder = Path(tempfile.mkdtemp(prefix="ragline-upload-"))
        path = folder / "upload"
        try:
            checksum = self._objects.fetch(key, path, etag)
            if checksum is None:
                yield None
                return
            file = LocalFile(path, path.stat().st_size, checksum)
            yield file
            if etag:
                self._kept = _Kept(key, etag, file)
        finally:
            if self._kept is None:
                shutil.rmtree(folder, ignore_errors=True)

    def _drop(self) -> None:
        if self._kept is not None:
            shutil.rmtree(self._kept.file.path.parent, ignore_errors=True)
            self._kept = None


def digest_into(path: Path, pieces: Iterator[bytes]) -> str:
    """Write the pieces to a file; their SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()
