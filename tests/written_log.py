"""What functions log, in a test: the logger holds on to the stdout of when it was made."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from ragline.telemetry import logger


@contextmanager
def written_log() -> Iterator[io.StringIO]:
    stream, handler = io.StringIO(), logger.registered_handler
    before = handler.setStream(stream)  # type: ignore[attr-defined]
    try:
        yield stream
    finally:
        handler.setStream(before)  # type: ignore[attr-defined]
