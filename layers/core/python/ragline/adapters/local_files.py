"""Uploads as files in the function's ephemeral storage, each version fetched once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ragline.adapters.scratch import Scratch, scratch, sweep
from ragline.ports import LocalFile, Objects

_PIECE = 32 * 1024 * 1024
"""Bytes of a window that are in memory at once."""


@dataclass(frozen=True, slots=True)
class _Kept:
    key: str
    file: LocalFile
    folder: Scratch


class LocalFiles:
    """``ports.Files``. The version that was opened last is kept: its next range is likely next.

    Where none is named it is the one that is there now. Not safe to share between threads.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._kept: _Kept | None = None
        self._swept = False

    @contextmanager
    def open(self, key: str, etag: str = "") -> Iterator[LocalFile | None]:
        version = etag.strip('"') or self._objects.etag(key)
        if version is None:
            yield None
            return
        kept = self._kept
        if kept is not None and (kept.key, kept.file.etag) == (key, version):
            there = not etag or self._objects.size(key) is not None
            yield kept.file if there else None
            return
        self._drop()
        folder = self._folder()
        path = folder.path / "upload"
        try:
            checksum = self._objects.fetch(key, path, version)
            if checksum is None:
                yield None
                return
            file = LocalFile(path, path.stat().st_size, checksum, version)
            yield file
            self._kept = _Kept(key, file, folder)
        finally:
            if self._kept is None:
                folder.remove()

    @contextmanager
    def window(
        self, key: str, spans: Sequence[tuple[int, int]], etag: str = ""
    ) -> Iterator[LocalFile | None]:
        size = self._objects.size(key)
        if size is None:
            yield None
            return
        with scratch() as folder:
            path = folder / "upload"
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

    def _folder(self) -> Scratch:
        """A new one; the first time, what a process that died has left behind makes room for it."""
        if not self._swept:
            self._swept = True
            sweep()
        return Scratch()

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.folder.remove()
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
