"""Where the measured index lives: a folder, which a slow S3 can serve as its bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ragline.adapters.lance.index import LanceIndexes, storage_options
from ragline.ports import Indexes, VectorIndex
from tests.slow_s3 import BUCKET, CREDENTIALS, Meter, slow_s3

DELAY_MS = 20
REGION = "us-east-1"
CACHE_BYTES = 700 * 1024 * 1024
"""As the api has it (INDEX_CACHE_MEGABYTES in template.yaml)."""


@dataclass(frozen=True, slots=True)
class Place:
    """An index's URI, and the endpoint that serves it; '' for a folder."""

    uri: str
    endpoint: str = ""

    def index(self, fingerprint: str) -> VectorIndex:
        """Opened anew: nothing is kept from earlier."""
        return self.indexes().of(fingerprint)

    def indexes(self) -> Indexes:
        options = None
        if self.endpoint:
            options = storage_options(self.endpoint, REGION) | CREDENTIALS
        return LanceIndexes(self.uri, storage_options=options, cache_bytes=CACHE_BYTES)


def folder(root: Path) -> Place:
    path = root / BUCKET / "index"
    path.mkdir(parents=True, exist_ok=True)
    return Place(str(path))


@contextmanager
def far(root: Path) -> Iterator[tuple[Place, Meter]]:
    """The index of ``folder(root)`` behind S3 requests that take ``DELAY_MS`` each."""
    with slow_s3(DELAY_MS, root) as (endpoint, meter):
        yield Place(f"s3://{BUCKET}/index", endpoint), meter
