"""The parent: a ``ports.Reader`` whose parsers run in a child that may die."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ragline.domain.chunks import Extraction
from ragline.domain.errors import (
    CorruptDocument,
    FileTooLarge,
    ParsingTimeout,
    PermanentError,
    RaglineError,
)
from ragline.ports import Member, Ocr, Reading, Survey
from ragline.reading import claims, wire
from ragline.reading.around import Died, extract_around
from ragline.reading.pipe import Closed, Garbled, Pipe, TimeOver
from ragline.reading.process import CHILD, Death, Process

GRACE_SECONDS = 1.0
"""How long after its deadline a child may still say by itself that time is over, and where."""

_MIB = 1024 * 1024
_NEAR = 0.6
"""A child that was aborted with so much of its memory used is taken to have run out of it."""

_log = logging.getLogger(__name__)


class ChildReader:
    """``ports.Reader``. The child is started at once and kept for the next document.

    OCR is asked here, on behalf of the child: it may need the network, it keeps what it read, and
    what it is shown are pictures that we made. ``module`` is what the child runs. Not safe to share
    between threads.
    """

    def __init__(self, megabytes: int, *, module: str = CHILD) -> None:
        self._megabytes = megabytes
        self._ocr: Ocr | None = None
        self._arguments = [str(megabytes)]
        self.deaths: list[Death] = []
        """Of children that died while they read; for those who count them."""
        self._module = module
        self._process: Process | None = Process(self._arguments, module)

    def survey(self, wanted: Reading) -> Survey:
        head, _ = self._asked_twice("survey", wanted)
        try:
            told = _surveys().validate_python(head.get("survey"))
        except ValidationError as error:
            raise _nonsense() from error
        if not claims.is_survey(told):
            raise _nonsense()
        return told

    def extract(self, wanted: Reading, ocr: Ocr | None = None) -> Extraction:
        self._ocr = ocr
        try:
            return self._extract_whole(wanted)
        finally:
            self._ocr = None

    def _extract_whole(self, wanted: Reading) -> Extraction:
        try:
            return self._extract_twice(wanted)
        except Died as died:
            first, last = wanted.first, wanted.last
            if wanted.slices or not (pages := self.survey(wanted).pages):
                raise self._named(died) from died
            last = pages if last is None else min(last, pages)
            return extract_around(
                lambda start, end: self._extract(replace(wanted, first=start, last=end)),
                first,
                last,
                died,
            )

    def members(self, wanted: Reading) -> Iterator[Member]:
        """Nothing else may be asked of this reader before it is through, or closed."""
        try:
            yield from self._members(wanted)
        except Died as died:
            raise self._named(died) from died

    def _members(self, wanted: Reading) -> Iterator[Member]:
        head, _ = self._ask("members", wanted)
        while head.get("say") == "member":
            turn = _Turn()
            try:
                yield Member(*_described(head), partial(self._bytes, wanted, turn))
            except GeneratorExit:
                self.close()  # it waits to be told how to go on
                raise
            if not turn.over:
                turn.over = True
                self._tell({"ask": "next"}, wanted)
            head, _ = self._heard(wanted)

    def close(self) -> None:
        """End the child; the next question starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.bury()

    @property
    def pid(self) -> int:
        """The child's; one is started if there is none."""
        return self._running().pid

    def _asked_twice(self, what: str, wanted: Reading) -> tuple[dict[str, Any], bytes]:
        """A child may die of what the document before left behind, or of the machine."""
        try:
            return self._ask(what, wanted)
        except Died:
            pass
        try:
            return self._ask(what, wanted)
        except Died as died:
            raise self._named(died) from died

    def _extract_twice(self, wanted: Reading) -> Extraction:
        try:
            return self._extract(wanted)
        except Died:
            return self._extract(wanted)

    def _extract(self, wanted: Reading) -> Extraction:
        _, body = self._ask("extract", wanted)
        try:
            told = _extractions().validate_json(body)
        except ValidationError as error:
            raise _nonsense() from error
        if not claims.is_extraction(told, wanted):
            raise _nonsense()
        return told

    def _bytes(self, wanted: Reading, turn: _Turn) -> bytes:
        """Of the member whose turn it is. Raises ValueError if it was read before, or is past."""
        if turn.over:
            raise ValueError("a member is read once, and before the next one")
        turn.over = True
        try:
            self._tell({"ask": "bytes"}, wanted)
            head, body = self._heard(wanted)
        except Died as died:
            raise self._named(died) from died
        if head.get("say") == "unreadable":
            raise wire.error_in(head.get("error"))
        return body

    def _ask(self, what: str, wanted: Reading) -> tuple[dict[str, Any], bytes]:
        """Raises Died, or what the child says that it cannot read."""
        process = self._running()
        try:
            ocr = self._ocr.fingerprint if self._ocr else ""
            asked = {"ask": what, "wanted": wire.reading_out(wanted), "ocr": ocr}
            process.pipe.send(asked, deadline=_until(wanted))
        except (Closed, TimeOver) as error:
            raise self._died(error) from error
        return self._heard(wanted)

    def _heard(self, wanted: Reading) -> tuple[dict[str, Any], bytes]:
        """The child's answer; pictures that it asks about are read meanwhile."""
        while True:
            try:
                head, body = self._pipe().receive(_until(wanted))
            except TimeOver as error:
                self._died(error)
                raise _too_long() from error
            except (Closed, Garbled) as error:
                raise self._died(error) from error
            if head.get("say") == "picture":
                self._recognise(body, wanted)
                continue
            if head.get("again") is False:
                self.close()
            if head.get("say") == "error":
                raise wire.error_in(head.get("error"))
            return head, body

    def _recognise(self, picture: bytes, wanted: Reading) -> None:
        """Have the picture read; whatever goes wrong with the engine itself ends the reading."""
        if self._ocr is None or not claims.is_picture(picture):
            raise self._died(Garbled("a picture nobody asked for"))
        try:
            told: dict[str, Any] = {"say": "lines"}
            body = wire.lines_out(self._ocr.read(picture))
        except PermanentError as error:
            told, body = {"say": "error", "error": wire.error_out(error)}, b""
        except BaseException:
            self.close()
            raise
        self._tell(told, wanted, body)

    def _tell(self, head: Mapping[str, Any], wanted: Reading, body: bytes = b"") -> None:
        """Raises Died."""
        try:
            self._pipe().send(head, body, _until(wanted))
        except (Closed, TimeOver) as error:
            raise self._died(error) from error

    def _running(self) -> Process:
        if self._process is not None and not self._process.alive:
            self.close()  # it died while nobody asked it anything
        if self._process is None:
            self._process = Process(self._arguments, self._module)
        return self._process

    def _pipe(self) -> Pipe:
        if self._process is None:
            raise _nonsense()
        return self._process.pipe

    def _died(self, why: Exception) -> Died:
        process, self._process = self._process, None
        death = process.bury() if process else Death(0, 0, "")
        if not isinstance(why, Closed):  # the signal was ours
            death = replace(death, signal=0)
        self.deaths.append(death)
        _log.warning("a parser died: %s, %s", death.name, death.where or type(why).__name__)
        return Died(death, self._reason(death))

    def _reason(self, death: Death) -> tuple[str, str]:
        """A code and the beginning of a sentence. Libraries abort where they get no memory."""
        aborted = death.signal in (signal.SIGABRT, signal.SIGILL, signal.SIGTRAP)
        starved = death.signal == signal.SIGKILL  # not by us: by the kernel, for want of memory
        if starved or (aborted and death.peak > _NEAR * self._megabytes * _MIB):
            limit = f"The parser needed more memory than the limit of {self._megabytes:,} MB"
            return FileTooLarge.code, limit
        return CorruptDocument.code, "The parser crashed"

    def _named(self, died: Died) -> RaglineError:
        if died.code == FileTooLarge.code:
            return FileTooLarge(f"{died.what}.")
        return CorruptDocument(f"{died.what} on this file: it is damaged.")


def _until(wanted: Reading) -> float:
    return min(wanted.deadline, time.monotonic() + wire.LONGEST_SECONDS) + GRACE_SECONDS


def _too_long() -> ParsingTimeout:
    return ParsingTimeout("Reading this document took longer than the time limit for parsing.")


def _nonsense() -> CorruptDocument:
    return CorruptDocument("The file is damaged: the parser broke down on it.")


def _described(head: Mapping[str, Any]) -> tuple[str, int]:
    """A member's path and size."""
    path, size = head.get("path"), head.get("size")
    if not isinstance(path, str) or not isinstance(size, int) or size < 0:
        raise _nonsense()
    return wire.sound(path), size


@cache
def _surveys() -> TypeAdapter[Survey]:
    return TypeAdapter(Survey)


@cache
def _extractions() -> TypeAdapter[Extraction]:
    return TypeAdapter(Extraction)


@dataclass(slots=True)
class _Turn:
    """Whether a member's turn to be read is over."""

    over: bool = False
