"""Spans of a text: measured in a model's tokens, and cut where a reader would.

Time is linear: text is tokenized in windows.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ragline.ports import Tokenizer

CHARS_PER_TOKEN = 16
"""A chunk has at most this many characters per token: tokenizers read a long word as one token."""

SENTENCE = re.compile(
    r"\n+"
    r"|[.!?…][\"'”’)\]]*\s+(?=[^\sa-z])"
    r"|[。！？｡][\"'”’」』）]*"
)
"""What ends a sentence."""

LINE = re.compile(r"\n+")
"""What ends a line."""

SPACE = re.compile(r"\s+")
"""What ends a word."""

_WINDOW = 16_000
_APART = frozenset(" \n\t\r")
"""White space that every tokenizer takes for that; others see control characters in some of it."""


def weight(tokens: int, characters: int) -> int:
    """What a span takes of a chunk's room, in tokens."""
    return max(tokens, -(-characters // CHARS_PER_TOKEN))


@dataclass(frozen=True, slots=True)
class Unit:
    """A span that is kept whole if at all possible; ``starts`` are its tokens' positions.

    ``sound``: they are those that it has in the whole text, for what was tokenized with it was not
    cut within a word.
    """

    start: int
    end: int
    starts: Sequence[int]
    sound: bool = True

    @property
    def weight(self) -> int:
        return weight(len(self.starts), self.end - self.start)


class Spans:
    """The spans of one text. Positions are in characters from its beginning, limits in tokens."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self.text = text
        self._tokenizer = tokenizer
        self._measured_last: tuple[int, int, Sequence[int]] = (0, 0, ())

    def whole(self, start: int, end: int, limit: int) -> Unit | None:
        """The span as one unit; None if it is heavier than ``limit``."""
        if end - start > limit * CHARS_PER_TOKEN:
            return None
        starts = self._starts(start, end)
        return Unit(start, end, starts) if len(starts) <= limit else None

    def units(self, start: int, end: int, boundary: re.Pattern[str], limit: int) -> Iterator[Unit]:
        """Sentences (or lines) of a span, none heavier than ``limit``."""
        while start < end:
            stop = self._window_end(start, end)
            starts = self._starts(start, stop)
            sound = self.apart(start) and self.apart(stop)
            cuts = [found.end() for found in boundary.finditer(self.text, start, stop)]
            for cut in [*cuts, stop]:
                unit = self._unit(start, cut, starts, sound)
                if unit is not None:
                    yield from self._divided(unit, limit)
                start = cut
            start = stop

    def last_words(self, unit: Unit, room: int) -> Unit | None:
        """As many of its last words as have room; None if that is none or all of it."""
        first = len(unit.starts) - room
        if room < 1 or not 0 < first < len(unit.starts):
            return None
        start = max(unit.starts[first], unit.end - room * CHARS_PER_TOKEN)
        if not self.text[start - 1].isspace():
            space = re.compile(r"\s").search(self.text, start, unit.end)
            start = space.end() if space else _unmarked(self.text, start, unit.end)
        start, end = self.trimmed(start, unit.end)
        starts = unit.starts[bisect_left(unit.starts, start) :]
        return Unit(start, end, starts, unit.sound) if start < end else None

    def measured(self, text: str) -> int:
        """The weight of any text, such as a header that is repeated."""
        return weight(len(self.token_starts(text)), len(text)) if text else 0

    def token_starts(self, text: str) -> list[int]:
        """Where the tokens of any text start, in itself."""
        return [start for start, _ in self._tokenizer.offsets(text)]

    def trimmed(self, start: int, end: int) -> tuple[int, int]:
        """The span without white space at its ends."""
        while start < end and self.text[start].isspace():
            start += 1
        while end > start and self.text[end - 1].isspace():
            end -= 1
        return start, end

    def gap(self, start: int, stop: int) -> int:
        """The last white space in the second half before ``stop``, else ``stop`` itself."""
        for position in range(stop, (start + stop) // 2, -1):
            if self.text[position - 1].isspace() or self.text[position : position + 1].isspace():
                return position
        back = stop
        while back - 1 > (start + stop) // 2 and _is_mark(self.text[back]):
            back -= 1
        return back

    def apart(self, position: int) -> bool:
        """Whether no word goes on across this position, for sure."""
        around = self.text[max(position - 1, 0) : position + 1]
        return not 0 < position < len(self.text) or not _APART.isdisjoint(around)

    def _starts(self, start: int, end: int) -> Sequence[int]:
        """Where the span's tokens start. What no chunk can hold whole is asked for twice."""
        if self._measured_last[:2] != (start, end):
            starts = [start + one for one, _ in self._tokenizer.offsets(self.text[start:end])]
            self._measured_last = (start, end, starts)
        return self._measured_last[2]

    def _unit(self, start: int, end: int, starts: Sequence[int], sound: bool) -> Unit | None:
        start, end = self.trimmed(start, end)
        if start >= end:
            return None
        own = starts[bisect_left(starts, start) : bisect_left(starts, end)]
        return Unit(start, end, own, sound)

    def _window_end(self, start: int, end: int) -> int:
        """Where to stop tokenizing at once: after a line, a sentence, a word, or anywhere."""
        stop = start + _WINDOW
        if stop >= end:
            return end
        for mark in ("\n", ". ", "。", " "):
            if (found := self.text.rfind(mark, start + _WINDOW // 2, stop)) >= 0:
                return found + len(mark)
        return _unmarked(self.text, stop, end)

    def _divided(self, unit: Unit, limit: int) -> Iterator[Unit]:
        """A unit heavier than ``limit`` in pieces, cut between words where there are any."""
        starts, start = unit.starts, unit.start
        first = 0
        while start < unit.end:
            last = first + limit
            stop = min(start + limit * CHARS_PER_TOKEN, unit.end)
            if last < len(starts):
                stop = min(stop, starts[last])
            if stop < unit.end:
                stop = self.gap(start, max(stop, start + 1))
            following = bisect_left(starts, stop, first)
            piece_start, piece_end = self.trimmed(start, stop)
            if piece_start < piece_end:
                yield Unit(piece_start, piece_end, starts[first:following], unit.sound)
            start, first = stop, following


def _is_mark(character: str) -> bool:
    """Accents, vowel signs (Thai, Devanagari) and emoji joiners belong to what is before them."""
    return unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf")


def _unmarked(text: str, start: int, end: int) -> int:
    """Forward past marks."""
    while start < end and _is_mark(text[start]):
        start += 1
    return start
