"""Filling chunks with units of a text, as every strategy does: in order, while they fit.

Time is linear: text is tokenized in windows, once to measure and once to check each chunk. The
check is left out where the tokens of the parts are sure to add up: the tokenizer takes each word by
itself (``by_word``), and the chunk begins and ends between words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ragline.domain.chunking import Chunking
from ragline.domain.chunks import MAX_CONTEXT, Block
from ragline.ports import Tokenizer
from ragline.spans import Spans, Unit, weight

BETWEEN_BLOCKS = "\n\n"
_MAX_PATH_ENTRY = 200


@dataclass(frozen=True, slots=True)
class Piece:
    """What becomes a chunk. ``section`` differs between pieces of different headings."""

    text: str
    tokens: int
    start: int
    end: int
    headings: tuple[str, ...]
    section: int


@dataclass(slots=True)
class Open:
    """The chunk being filled. ``tail`` are the units at its end that the next one may begin with.

    ``tokens`` and ``sound`` as its units have them, all together.
    """

    start: int = -1
    end: int = -1
    weight: int = 0
    tokens: int = 0
    sound: bool = True
    only_headings: bool = True
    tail: list[Unit] = field(default_factory=list)


class Filling:
    """What strategies share. ``_path``: the headings above, with their levels."""

    def __init__(self, text: str, tokenizer: Tokenizer, chunking: Chunking) -> None:
        self._spans = Spans(text, tokenizer)
        self._by_word: bool = getattr(tokenizer, "by_word", False)
        self._most = self._limit = chunking.max_tokens
        self._overlap = min(chunking.overlap_tokens, chunking.max_tokens // 2)
        self._path: list[tuple[int, str]] = []
        self._section = 0
        self._open = Open()
        self._last_start = -1

    def _enter(self, heading: Block) -> None:
        """From here on this heading is the last of those above."""
        while self._path and self._path[-1][0] >= heading.level:
            self._path.pop()
        self._path.append((heading.level, _path_entry(heading.text)))
        self._section += 1
        self._limit = self._below_the_path()

    def _below_the_path(self) -> int:
        """What a chunk may hold here: the headings above it are read with it, in one window."""
        context = "\n".join(title for _, title in self._path)[:MAX_CONTEXT]
        return max(self._most // 2, self._most - self._spans.measured(context))

    def _fits(self, unit: Unit) -> bool:
        return self._open.weight + unit.weight <= self._limit

    def _add(self, unit: Unit, *, heading: bool = False) -> None:
        current = self._open
        if current.start < 0:
            current.start = unit.start
        current.end = unit.end
        current.weight += unit.weight
        current.tokens += len(unit.starts)
        current.sound = current.sound and unit.sound
        current.only_headings = current.only_headings and heading

    def _add_to_tail(self, unit: Unit) -> None:
        self._add(unit)
        self._open.tail.append(unit)

    def _cut_before(self, unit: Unit) -> Iterator[Piece]:
        """Close the chunk and begin the next with the end of this one, whole units if possible."""
        tail = self._open.tail
        yield from self._close()
        room = min(self._overlap, self._limit - unit.weight)
        kept: list[Unit] = []
        while tail and tail[-1].weight <= room:
            room -= tail[-1].weight
            kept.append(tail.pop())
        if not kept and tail and (end := self._part_of(tail[-1], room)):
            kept.append(end)
        kept = [one for one in reversed(kept) if one.start > self._last_start]
        if kept:
            self._open = _opened_with(kept)

    def _part_of(self, last: Unit, room: int) -> Unit | None:
        """What to repeat of a unit that is too long to be repeated whole."""
        return self._spans.last_words(last, room)

    def _close(self, header: str = "") -> Iterator[Piece]:
        current, self._open = self._open, Open()
        if current.start >= 0:
            yield from self._checked(current, current.start, current.end, header)

    def _checked(self, current: Open, start: int, end: int, header: str) -> Iterator[Piece]:
        """The span as one chunk, or as several if the parts' tokens do not add up to the whole's.

        Most tokenizers never need that; some count a word otherwise next to another.
        """
        if not header and self._adds_up(current, start, end):
            self._last_start = start
            yield self._piece(start, end, self._spans.text[start:end], current.tokens)
            return
        while start < end:
            stop, limit = end, self._limit
            text = header + self._spans.text[start:stop]
            starts = self._spans.token_starts(text)
            while len(starts) > self._limit and stop - start > 1:
                cut = starts[limit] - len(header) + start if limit < len(starts) else stop - 1
                gap = self._spans.gap(start, min(max(cut, start + 1), stop - 1))
                stop = self._spans.trimmed(start, gap)[1]
                text = header + self._spans.text[start:stop]
                starts = self._spans.token_starts(text)
                limit = max(1, limit * 3 // 4)
            self._last_start = start
            yield self._piece(start, stop, text, len(starts))
            start = self._spans.trimmed(stop, end)[0]

    def _adds_up(self, current: Open, start: int, end: int) -> bool:
        """Whether the span's tokens are those of its units: it has its words whole."""
        if not (self._by_word and current.sound and current.tokens <= self._limit):
            return False
        return self._spans.apart(start) and self._spans.apart(end)

    def _piece(self, start: int, end: int, text: str, tokens: int) -> Piece:
        return Piece(text, tokens, start, end, self._above(start), self._section)

    def _above(self, start: int) -> tuple[str, ...]:
        """The headings above what begins here."""
        return tuple(title for _, title in self._path)


def placed(blocks: Sequence[Block]) -> Iterator[tuple[Block, int]]:
    """Each block, and where its text starts in the whole."""
    position = 0
    for block in blocks:
        yield block, position
        position += len(block.text) + len(BETWEEN_BLOCKS)


def _opened_with(units: Sequence[Unit]) -> Open:
    """A chunk that begins with these units, which lie side by side."""
    start, end = units[0].start, units[-1].end
    tokens = sum(len(one.starts) for one in units)
    sound = all(one.sound for one in units)
    held = weight(tokens, end - start)
    return Open(start, end, held, tokens, sound, False, list(units))


def _path_entry(text: str) -> str:
    title = " ".join(text.split())
    return title if len(title) <= _MAX_PATH_ENTRY else title[: _MAX_PATH_ENTRY - 1] + "…"
