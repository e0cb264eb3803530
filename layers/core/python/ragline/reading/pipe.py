"""Frames between parent and child: a head (JSON) and a body (bytes), their lengths before them.

Both ends are plain pipes without a thread: there is no /dev/shm on AWS Lambda, so nothing of
``multiprocessing`` works there (https://docs.aws.amazon.com/lambda/latest/dg/configuration-
ephemeral-storage.html names /tmp as the only place to write).
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from collections.abc import Mapping
from typing import Any

_LENGTHS = struct.Struct("!II")
_PIECE = 1024 * 1024
_SMALL = 64 * 1024
"""What a pipe takes at once."""

MAX_HEAD = 1024 * 1024
MAX_BODY = 512 * 1024 * 1024
"""Bytes that one side takes from the other in a frame. A member of an archive is the longest."""


class Closed(Exception):
    """The other side is gone."""


class TimeOver(Exception):
    """The other side has said nothing, or taken nothing, until the deadline."""


class Garbled(Exception):
    """What came is no frame, or too long a one."""


class Pipe:
    """Two file descriptors, read and written in frames; deadlines are of ``time.monotonic``."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._ahead = bytearray()
        for descriptor in (incoming, outgoing):
            os.set_blocking(descriptor, False)

    def send(
        self, head: Mapping[str, Any], body: bytes = b"", deadline: float | None = None
    ) -> None:
        """Raises Closed or TimeOver."""
        text = json.dumps(head).encode()
        frame = _LENGTHS.pack(len(text), len(body)) + text
        if len(body) < _SMALL:
            self._write(frame + body, deadline)
        else:
            self._write(frame, deadline)
            self._write(body, deadline)

    def receive(self, deadline: float | None = None) -> tuple[dict[str, Any], bytes]:
        """The next frame. Raises Closed, TimeOver or Garbled."""
        head_length, body_length = _LENGTHS.unpack(self._read(_LENGTHS.size, deadline))
        if head_length > MAX_HEAD or body_length > MAX_BODY:
            raise Garbled(f"a frame of {head_length:,} and {body_length:,} bytes")
        text = self._read(head_length, deadline)
        try:
            head = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Garbled("a frame's head is no JSON") from error
        if not isinstance(head, dict):
            raise Garbled("a frame's head is no JSON object")
        return head, self._read(body_length, deadline)

    def close(self) -> None:
        for descriptor in (self._incoming, self._outgoing):
            os.close(descriptor)

    def _read(self, size: int, deadline: float | None) -> bytes:
        """The next bytes; a frame that is small comes in one go, so it is asked for first."""
        found = self._ahead
        while len(found) < size:
            try:
                piece = os.read(self._incoming, max(_SMALL, min(size - len(found), _PIECE)))
            except BlockingIOError:
                _wait(self._incoming, select.POLLIN, deadline)
                continue
            if not piece:
                raise Closed
            found += piece
        self._ahead = found[size:]
        return bytes(found[:size])

    def _write(self, data: bytes, deadline: float | None) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._outgoing, left[:_PIECE]) :]
            except BlockingIOError:
                _wait(self._outgoing, select.POLLOUT, deadline)
            except BrokenPipeError as error:
                raise Closed from error


def _wait(descriptor: int, what: int, deadline: float | None) -> None:
    poll = select.poll()
    poll.register(descriptor, what)
    if deadline is None:
        poll.poll()
    elif not poll.poll(max(0.0, deadline - time.monotonic()) * 1_000):
        raise TimeOver
