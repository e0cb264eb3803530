"""What parent and child say to each other, as JSON and back, checked on the way in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import CorruptDocument, PermanentError, RaglineError, SetupError
from ragline.ports import LocalFile, OcrLine, Reading

_BLOCK = tuple(field.name for field in fields_of(Block))
_READING = tuple(field.name for field in fields_of(Reading))
LONGEST_SECONDS = 3_600.0
_MESSAGE = 2_000
"""Characters of an error's message: it goes into the ledger and before people."""


def reading_out(wanted: Reading) -> dict[str, Any]:
    """The deadline becomes the seconds that are left: two processes need not share a clock."""
    fields = {name: getattr(wanted, name) for name in _READING}
    file = wanted.file
    fields["file"] = {"path": str(file.path), "size": file.size, "checksum": file.checksum}
    fields["deadline"] = max(0.0, min(wanted.deadline - time.monotonic(), LONGEST_SECONDS))
    return fields


def reading_in(fields: Mapping[str, Any]) -> Reading:
    file = LocalFile(**{**fields["file"], "path": Path(fields["file"]["path"])})
    deadline = time.monotonic() + fields["deadline"]
    return Reading(**{**fields, "file": file, "deadline": deadline})


def extraction_out(extraction: Extraction) -> bytes:
    """Fields that have their default are left out: most blocks are paragraphs of a page."""
    fields: dict[str, Any] = {
        "blocks": [
            {name: value for name in _BLOCK if (value := getattr(block, name))}
            for block in extraction.blocks
        ],
        "kinds": extraction.kinds,
        "title": extraction.title,
    }
    if extraction.trouble:
        fields["trouble"] = [asdict(trouble) for trouble in extraction.trouble]
    return json.dumps(fields).encode()


def lines_out(lines: Sequence[OcrLine]) -> bytes:
    return json.dumps([asdict(line) for line in lines]).encode()


def lines_in(body: bytes) -> list[OcrLine]:
    return [OcrLine(**fields) for fields in json.loads(body)]


def error_out(error: RaglineError) -> dict[str, Any]:
    page, chunk = getattr(error, "page", None), getattr(error, "chunk", None)
    return {"code": error.code, "message": str(error)[:_MESSAGE], "page": page, "chunk": chunk}


def error_in(fields: Any) -> RaglineError:
    """The error of that code. One that no parser raises is not taken from a child's word."""
    if not isinstance(fields, dict):
        return CorruptDocument("The file is damaged and cannot be read.")
    code, page = str(fields.get("code")), fields.get("page")
    message = sound(str(fields.get("message", "")))[:_MESSAGE]
    if code == SetupError.code:
        return SetupError(message)
    kind = _BY_CODE.get(code, CorruptDocument)
    return kind(message, page=page if isinstance(page, int) else None)


def sound(text: str) -> str:
    """Without halves of characters, which JSON can carry and UTF-8 cannot."""
    return text.encode(errors="replace").decode()


def _kinds(of: type[PermanentError]) -> Iterator[type[PermanentError]]:
    yield of
    for kind in of.__subclasses__():
        yield from _kinds(kind)


_BY_CODE = {kind.code: kind for kind in _kinds(PermanentError)}
