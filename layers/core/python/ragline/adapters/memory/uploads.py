"""Uploads to the bucket in memory: URLs lead nowhere, but ``receive`` does what S3 would."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from ragline.ports import StoredPart

_MEMORY = "memory://"


class MemoryUploads:
    """The half of ``MemoryObjects`` that lets others write."""

    _objects: dict[str, bytes]

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, dict[int, bytes]]] = {}
        self._opened = 0

    def presign_put(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        headers = {"Content-Type": content_type, "Content-Length": str(size) if size else ""}
        return f"{_MEMORY}{key}", {name: value for name, value in headers.items() if value}

    def presign_post(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        return _MEMORY, {"key": key, "Content-Type": content_type}

    def start_parts(self, key: str, content_type: str) -> str:
        self._opened += 1
        upload_id = f"upload-{self._opened}"
        self._open[upload_id] = (key, {})
        return upload_id

    def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        return f"{_MEMORY}{key}?{upload_id}&{number}", {"Content-Length": str(size)}

    def parts(self, key: str, upload_id: str) -> Sequence[StoredPart] | None:
        whose, there = self._open.get(upload_id, ("", {}))
        if whose != key:
            return None
        return [
            StoredPart(number, len(data), f'"{number}"', hashlib.sha256(data).hexdigest())
            for number, data in sorted(there.items())
        ]

    def join_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> bool:
        if upload_id not in self._open:
            return False
        _, there = self._open.pop(upload_id)
        self._objects[key] = b"".join(there[one.number] for one in parts)
        return True

    def drop_parts(self, key: str, upload_id: str) -> None:
        if self.parts(key, upload_id) is not None:
            del self._open[upload_id]

    def open_uploads(self, prefix: str) -> Iterator[tuple[str, str]]:
        opened = [(key, upload_id) for upload_id, (key, _) in self._open.items()]
        yield from (one for one in opened if one[0].startswith(prefix))

    def receive(self, url: str, data: bytes) -> None:
        """A PUT to one of the URLs above."""
        key, _, part = url.removeprefix(_MEMORY).partition("?")
        if not part:
            self._objects[key] = data
            return
        upload_id, _, number = part.partition("&")
        self._open[upload_id][1][int(number)] = data
