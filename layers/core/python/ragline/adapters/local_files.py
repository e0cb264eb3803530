"""Uploads as files in the function's ephemeral storage, each version fetched once."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ragline.ports import LocalFile, Objects

_PIECE = 32 * 1024 * 1024
"""Bytes of a window that are in memory at once."""


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

    @contextmanager
    def window(
        self, key: str, spans: Sequence[tuple[int, int]], etag: str = ""
    ) -> Iterator[LocalFile | None]:
        size = self._objects.size(key)
        if size is None:
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="ragline-window-") as folder:
            path = Path(folder, "upload")
            there = self._copy(key, [(at, min(end, size)) for at, end in spans], etag, path, size)
            yield LocalFile(path, size, checksum="") if there else None

    def _copy(
        self, key: str, spans: Iterable[tuple[int, int]], etag: str, path: Path, size: int
    ) -> bool:
        """Write these bytes to their places in a file; False if the version is gone."""
        with path.open("wb") as file:
            file.truncate(size)
            for first, end in merged(spans):
                for at in range(first, end, _PIECE):
                    data = self._objects.read(key, at, min(at + _PIECE, end), etag)
                    if data is None:
                        return False
                    file.seek(at)
                    file.write(data)
        return True

    def _drop(self) -> None:
        if self._kept is not None:
            shutil.rmtree(self._kept.file.path.parent, ignore_errors=True)
            self._kept = None


def merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same bytes in order, each once."""
    done = 0
    for first, end in sorted(spans):
        if end > max(first, done):
            yield max(first, done), end
            done = end


def digest_into(path: Path, pieces: Iterator[bytes]) -> str:
    """Write the pieces to a file; their SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()
