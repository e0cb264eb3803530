"""Sending a big file in parts: only those that are not there yet.

Nothing is kept here of an upload that broke off: the API gives the same one to whoever registers
the same bytes again, and tells what of it arrived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ragline.cli.answers import PartTarget, Upload
from ragline.cli.client import Client
from ragline.domain.errors import InvalidRequest

AT_ONCE = 3
PER_CALL = 15
"""Parts whose URLs are asked for together: few, so that a slow line sends them while they live."""


@dataclass(slots=True)
class PartsSent:
    """How far a file is. ``found``: the parts that an earlier attempt had brought."""

    total: int
    size: int
    done: int = 0
    found: int = 0
    bytes: int = 0

    def add(self, parts: int, upload: Upload) -> None:
        self.done += parts
        self.bytes = min(self.size, self.bytes + parts * upload.part_size)


def send_parts(
    client: Client,
    document_id: str,
    upload: Upload,
    path: Path,
    changed: Callable[[PartsSent], None],
) -> PartsSent:
    """Send what is missing and complete the upload.

    Raises:
        OSError: the file cannot be read.
        NotFound: the upload is over; whoever registers the file again gets another.
        InvalidRequest: the file changed meanwhile, or the bucket refused a part.
    """
    progress = PartsSent(upload.parts, path.stat().st_size)
    there = {one.number: one.checksum for one in client.parts(document_id, upload.upload_id)}
    numbers = iter(range(1, upload.parts + 1))
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="parts")
    try:
        while some := list(islice(numbers, PER_CALL)):
            checksums = {n: hashlib.sha256(_read(path, n, upload)).hexdigest() for n in some}
            missing = {n: sum_ for n, sum_ in checksums.items() if there.get(n) != sum_}
            progress.found += len(some) - len(missing)
            progress.add(len(some) - len(missing), upload)
            changed(progress)
            for each in _sending(client, pool, document_id, upload, missing, path):
                each.result()
                progress.add(1, upload)
                changed(progress)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    client.complete(document_id, upload.upload_id)
    return progress


def _sending(
    client: Client,
    pool: ThreadPoolExecutor,
    document_id: str,
    upload: Upload,
    missing: Mapping[int, str],
    path: Path,
) -> list[Future[None]]:
    if not missing:
        return []
    targets = client.sign_parts(document_id, upload.upload_id, missing)
    return [
        pool.submit(_send, client, document_id, upload, one, missing[one.number], path)
        for one in targets
    ]


def _send(
    client: Client, document_id: str, upload: Upload, one: PartTarget, checksum: str, path: Path
) -> None:
    data = _read(path, one.number, upload)
    if len(data) != one.size:
        raise InvalidRequest(f"{path.name} changed while it was sent; push it again.")
    try:
        client.put_part(one, data)
    except InvalidRequest:
        # The URL may have run out on a slow line; a part that is refused again is another matter.
        (fresh,) = client.sign_parts(document_id, upload.upload_id, {one.number: checksum})
        client.put_part(fresh, data)


def _read(path: Path, number: int, upload: Upload) -> bytes:
    with path.open("rb") as file:
        file.seek((number - 1) * upload.part_size)
        return file.read(upload.part_size)
