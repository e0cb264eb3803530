"""Bytes as the splitter has them: a file, and what is to be read of it."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ragline.domain.chunks import Chunk
from ragline.parsing.here import ReaderHere
from ragline.ports import LocalFile, Reader, Reading, Tokenizer
from ragline.usecases.cut import Limits, cut, plan


@contextmanager
def reading(data: bytes, filename: str, seconds: float = 60.0) -> Iterator[Reading]:
    """All of a file, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "upload")
        path.write_bytes(data)
        file = LocalFile(path, len(data), hashlib.sha256(data).hexdigest())
        yield Reading(file, filename, time.monotonic() + seconds)


def chunks_of(
    data: bytes,
    filename: str,
    *,
    tokenizer: Tokenizer,
    limits: Limits,
    reader: Reader | None = None,
) -> list[Chunk]:
    """What the splitter must cut these bytes into, range by range."""
    reader = reader or ReaderHere()
    with reading(data, filename, limits.seconds) as whole:
        survey = reader.survey(whole)
        ranges = plan(survey, len(data), filename, limits)
        found: list[Chunk] = []
        wanted = [
            replace(whole, first=first, last=last, slices=survey.sliced) for first, last in ranges
        ] or [whole]
        for number, one in enumerate(wanted):
            piece = cut(one, reader=reader, tokenizer=tokenizer, limits=limits, number=number)
            found += piece.chunks
    return found
