"""The child: ``python -m ragline.reading.child MEGABYTES``. It reads what its parent asks for.

The parent is asked in its turn, through the pipe, what can be read in pictures. The child ends when
its stdin does, and after a document that left much memory behind.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from typing import Any

from ragline.domain.errors import CorruptDocument, FileTooLarge, PermanentError, RaglineError
from ragline.parsing.here import ReaderHere
from ragline.ports import Member, OcrLine, Reader, Reading
from ragline.reading import wire
from ragline.reading.confinement import MIB, bound_cpu, confine, memory_in_use
from ragline.reading.pipe import Closed, Pipe

_KEPT_SHARE = 3
"""A process that holds more than a third of what it may is not kept for the next document."""

_PRELOADED = ("ragline.parsing.pdf", "ragline.parsing.web", "zipfile", "charset_normalizer")
"""What most documents need, imported while the parent still fetches the first one."""


class AskParent:
    """``ports.Ocr``: whoever the parent has for it."""

    def __init__(self, pipe: Pipe, fingerprint: str) -> None:
        self._pipe = pipe
        self.fingerprint = fingerprint

    def read(self, image: bytes) -> Sequence[OcrLine]:
        self._pipe.send({"say": "picture"}, image)
        head, body = self._pipe.receive()
        if head.get("say") == "error":
            raise wire.error_in(head.get("error"))
        return wire.lines_in(body)


def serve(pipe: Pipe, reader: Reader, megabytes: int) -> None:
    """Answer until the parent is gone, or this process has grown too large to be kept."""
    while True:
        head, _ = pipe.receive()
        again = True
        try:
            answer, body = _answer(head, reader, pipe)
        except RaglineError as error:
            answer, body = _failed(error)
        except MemoryError:
            again = False
            answer, body = _failed(_too_much(megabytes))
        except Closed:
            raise
        except Exception as error:  # ``parsing`` names all that it knows of: this is a bug in it
            damaged = f"The file is damaged and cannot be read ({type(error).__name__})."
            answer, body = _failed(CorruptDocument(damaged))
        again = again and memory_in_use() * _KEPT_SHARE < megabytes * MIB
        pipe.send({**answer, "again": again}, body)
        if not again:
            return


def _answer(head: Mapping[str, Any], reader: Reader, pipe: Pipe) -> tuple[dict[str, Any], bytes]:
    wanted = wire.reading_in(head["wanted"])
    bound_cpu(head["wanted"]["deadline"])
    match head["ask"]:
        case "survey":
            return {"say": "survey", "survey": asdict(reader.survey(wanted))}, b""
        case "extract":
            ocr = AskParent(pipe, head["ocr"]) if head["ocr"] else None
            return {"say": "extraction"}, wire.extraction_out(reader.extract(wanted, ocr))
        case "members":
            _members(wanted, reader, pipe)
            return {"say": "end"}, b""
    raise ValueError(f"the parent asks for {head['ask']!r}")


def _members(wanted: Reading, reader: Reader, pipe: Pipe) -> None:
    """Each member is announced, and its bytes are sent if the parent then wants them."""
    for member in _until_end(reader.members(wanted), pipe):
        try:
            data = member.read()
        except PermanentError as error:
            pipe.send({"say": "unreadable", "error": wire.error_out(error)})
        else:
            pipe.send({"say": "bytes"}, data)


def _until_end(members: Iterator[Member], pipe: Pipe) -> Iterator[Member]:
    """Those whose bytes are wanted."""
    for member in members:
        pipe.send({"say": "member", "path": member.path, "size": member.size})
        match pipe.receive()[0].get("ask"):
            case "bytes":
                yield member
            case "stop":
                return


def _failed(error: RaglineError) -> tuple[dict[str, Any], bytes]:
    return {"say": "error", "error": wire.error_out(error)}, b""


def _too_much(megabytes: int) -> FileTooLarge:
    return FileTooLarge(
        f"Reading this document needs more memory than the limit of {megabytes:,} MB."
    )


def _own_pipe() -> Pipe:
    """stdin and stdout, taken away from whatever a parser prints or reads."""
    pipe = Pipe(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return pipe


def main(
    megabytes: int, reader: Reader | None = None, preloaded: Sequence[str] = _PRELOADED
) -> None:
    """``reader``: the parsers, if not those of this process."""
    pipe = _own_pipe()
    confine(megabytes)
    for module in preloaded:
        import_module(module)
    with suppress(Closed):
        serve(pipe, reader or ReaderHere(), megabytes)


if __name__ == "__main__":
    main(int(sys.argv[1]))
