"""A bucket in memory: keys, bytes and types, and uploads in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from ragline.adapters.local_files import digest_into
from ragline.adapters.memory.uploads import MemoryUploads


class MemoryObjects(MemoryUploads):
    """``ports.Objects``; a presigned URL names the key and leads nowhere. ETags are MD5 sums."""

    def __init__(self) -> None:
        super().__init__()
        self._objects = {}

    def get(self, key: str, etag: str = "") -> bytes | None:
        found = self._objects.get(key)
        if found is None or (etag and etag.strip('"') != _etag(found)):
            return None
        return found

    def fetch(self, key: str, path: Path, etag: str = "") -> str | None:
        data = self.get(key, etag)
        return None if data is None else digest_into(path, iter([data]))

    def read(self, key: str, first: int, end: int, etag: str = "") -> bytes | None:
        data = self.get(key, etag)
        return None if data is None else data[first:end]

    def size(self, key: str) -> int | None:
        found = self._objects.get(key)
        return None if found is None else len(found)

    def etag(self, key: str) -> str | None:
        found = self._objects.get(key)
        return None if found is None else _etag(found)

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        self._objects[key] = data

    def delete(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self._objects.pop(key, None)

    def list(self, prefix: str, *, since: str = "") -> Iterator[str]:
        yield from sorted(key for key in self._objects if key.startswith(prefix) and key >= since)

    def folders(self, prefix: str) -> Iterator[str]:
        below = (key[len(prefix) :] for key in self.list(prefix))
        yield from dict.fromkeys(f"{prefix}{one.split('/')[0]}/" for one in below if "/" in one)


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
