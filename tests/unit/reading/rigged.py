"""A child whose parsers misbehave on cue: a page or file that says ``RIG: word`` has it done.

Real parsers crash on files that nobody has found yet; how they go is always one of these.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator

from ragline.domain.chunks import Block, Extraction
from ragline.domain.pages import PageKind
from ragline.parsing.here import ReaderHere
from ragline.ports import Member, Ocr, Reading, Survey
from ragline.reading import child

_RIG = re.compile(r"RIG: (\w+)")
PAGE_END = "\f"
PICTURE = b"\x89PNG\r\n\x1a\n" + struct.pack("!I4sII", 13, b"IHDR", 1_000, 2_000)
BOMB = b"\x89PNG\r\n\x1a\n" + struct.pack("!I4sII", 13, b"IHDR", 60_000, 60_000)
PIPE_END = 4
"""The descriptor that the parent reads: the second of the two that the child duplicates first."""


class RiggedReader(ReaderHere):
    """Pages are what lies between form feeds; a file that starts with ``FLAT`` has none."""

    def survey(self, wanted: Reading) -> Survey:
        text = wanted.file.path.read_text()
        flat = text.startswith("FLAT")
        if "RIG: boast" in text:
            return Survey("text", pages=10**30)
        return Survey("text", pages=0 if flat else text.count(PAGE_END) + 1)

    def extract(self, wanted: Reading, ocr: Ocr | None = None) -> Extraction:
        text = wanted.file.path.read_text()
        if text.startswith("FLAT"):
            if "RIG: look" in text:
                text = _looked_at(ocr)
            if "RIG: show" in text:
                text = _looked_at(ocr, BOMB)
            _act(text)
            if "RIG: lie" in text:
                return Extraction([Block("paragraph", text)], {-7: PageKind.TEXT})
            return Extraction([Block("paragraph", text)])
        pages = text.split(PAGE_END)
        numbers = range(wanted.first, (wanted.last or len(pages)) + 1)
        for number in numbers:
            _act(pages[number - 1])
        blocks = [Block("paragraph", pages[number - 1], page=number) for number in numbers]
        return Extraction(blocks, dict.fromkeys(numbers, PageKind.TEXT), title="rigged")

    def members(self, wanted: Reading) -> Iterator[Member]:
        for number, text in enumerate(wanted.file.path.read_text().split(PAGE_END)):
            yield Member(f"{number}.txt", len(text), _content(text))


def _looked_at(ocr: Ocr | None, shown: bytes = PICTURE) -> str:
    assert ocr is not None
    lines = [line.text for picture in (shown, shown) for line in ocr.read(picture)]
    return f"{ocr.fingerprint}: {' / '.join(lines)}"


def _content(text: str) -> Callable[[], bytes]:
    def read() -> bytes:
        _act(text)
        return text.encode()

    return read


def _act(text: str) -> None:
    found = _RIG.search(text)
    match found and found.group(1):
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "starved":  # as the kernel does it when the machine is out of memory
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(3_600)
        case "spin":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            while True:
                pass
        case "swallow":
            kept = []
            while True:
                kept.append(bytearray(16 * 1024 * 1024))
        case "print":
            sys.stdout.write("a parser prints")
            os.write(1, b"\0\0\0\5 and so does its library")
        case "leave":
            os._exit(0)
        case "babble":
            os.write(PIPE_END, b"\xff" * 64)
        case "call":
            import socket

            socket.create_connection(("127.0.0.1", 9))
        case "bug":
            raise KeyError("nobody thought of this")
        case "environment":
            raise ValueError(repr(dict(os.environ)))


if __name__ == "__main__":
    child.main(int(sys.argv[1]), RiggedReader(), preloaded=())  # each death costs a start
