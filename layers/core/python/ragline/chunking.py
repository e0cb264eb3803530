"""Extractions to chunks: passages of bounded length that can be cited.

A chunk never crosses a heading. Within a section it holds whole paragraphs while they fit; a
paragraph longer than a chunk is cut between sentences, a sentence between words, and a run without
spaces anywhere. Tables are cut between rows and every piece repeats the table's header.

Time is linear: text is tokenized in windows, once to measure and once to check each chunk. The
check is left out where the tokens of the parts are sure to add up: the tokenizer takes each word by
itself (``by_word``), and the chunk begins and ends between words.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ragline.domain.chunks import MAX_CONTEXT, Block, Chunk, Extraction
from ragline.ports import Tokenizer

CHUNKER_VERSION = "ragline-chunking-2"
"""Raised whenever the same extraction would be cut otherwise; stored on each generation."""

_BETWEEN_BLOCKS = "\n\n"
_WINDOW = 16_000
_CHARS_PER_TOKEN = 16
"""A chunk has at most this many characters per token: tokenizers read a long word as one token."""

_MAX_PATH_ENTRY = 200
_BOUNDARY = re.compile(
    r"\n+"
    r"|[.!?…][\"'”’)\]]*\s+(?=[^\sa-z])"
    r"|[。！？｡][\"'”’」』）]*"
)
_LINE = re.compile(r"\n+")
_APART = frozenset(" \n\t\r")
"""White space that every tokenizer takes for that; others see control characters in some of it."""


def extracted_text(extraction: Extraction) -> str:
    """The text that chunks' ``start`` and ``end`` refer to: the blocks, blank lines between."""
    return _BETWEEN_BLOCKS.join(block.text for block in extraction.blocks)


def chunk(
    extraction: Extraction,
    *,
    tokenizer: Tokenizer,
    max_tokens: int = 256,
    overlap_tokens: int = 32,
) -> Iterator[Chunk]:
    """Cut into chunks of at most ``max_tokens``, table headers included; ordinals from 0.

    The headings above a chunk count too, since they are embedded with it, up to half of that.

    Where a paragraph had to be cut, the next chunk begins with up to ``overlap_tokens`` of the
    end of the one before. All text but white space is in some chunk.
    """
    overlap = min(overlap_tokens, max_tokens // 2)
    cutter = _Cutter(extracted_text(extraction), tokenizer, max_tokens, overlap)
    for ordinal, piece in enumerate(cutter.pieces(extraction.blocks)):
        yield Chunk(
            ordinal=ordinal,
            text=piece.text,
            tokens=piece.tokens,
            start=piece.start,
            end=piece.end,
            headings=piece.headings,
            page=piece.page,
            page_end=piece.page_end,
        )


@dataclass(frozen=True, slots=True)
class _Unit:
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
        return _weight(len(self.starts), self.end - self.start)


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    tokens: int
    start: int
    end: int
    headings: tuple[str, ...]
    page: int | None
    page_end: int | None


@dataclass(slots=True)
class _Open:
    """The chunk being filled. ``tail`` are its units from the block that is being cut.

    ``tokens`` and ``sound`` as its units have them, all together.
    """

    start: int = -1
    end: int = -1
    weight: int = 0
    tokens: int = 0
    sound: bool = True
    page: int | None = None
    page_end: int | None = None
    only_headings: bool = True
    tail: list[_Unit] = field(default_factory=list)


def _weight(tokens: int, characters: int) -> int:
    return max(tokens, -(-characters // _CHARS_PER_TOKEN))


class _Cutter:
    def __init__(self, text: str, tokenizer: Tokenizer, limit: int, overlap: int) -> None:
        self._text = text
        self._tokenizer = tokenizer
        self._by_word: bool = getattr(tokenizer, "by_word", False)
        self._measured_last: tuple[int, int, Sequence[int]] = (0, 0, ())
        self._most = self._limit = limit
        self._overlap = overlap
        self._path: list[tuple[int, str]] = []
        self._open = _Open()
        self._last_start = -1

    def pieces(self, blocks: Sequence[Block]) -> Iterator[_Piece]:
        position = 0
        for block in blocks:
            start, end = self._trimmed(position, position + len(block.text))
            if start < end:
                if block.kind == "heading":
                    yield from self._heading(block, start, end)
                elif block.kind == "table":
                    yield from self._table(block, position, start, end)
                else:
                    yield from self._prose(block, start, end)
            position += len(block.text) + len(_BETWEEN_BLOCKS)
        yield from self._close()

    def _heading(self, block: Block, start: int, end: int) -> Iterator[_Piece]:
        """Begin a section; a heading right below its parent shares the parent's first chunk."""
        deeper = not self._path or block.level > self._path[-1][0]
        if not (deeper and self._open.only_headings):
            yield from self._close()
        while self._path and self._path[-1][0] >= block.level:
            self._path.pop()
        self._path.append((block.level, _path_entry(block.text)))
        self._limit = self._below_the_path()
        yield from self._flow(block, start, end, heading=True)

    def _below_the_path(self) -> int:
        """What a chunk may hold here: the headings above it are read with it, in one window."""
        context = "\n".join(title for _, title in self._path)[:MAX_CONTEXT]
        return max(self._most // 2, self._most - self._measured(context))

    def _prose(self, block: Block, start: int, end: int) -> Iterator[_Piece]:
        yield from self._flow(block, start, end)

    def _flow(
        self, block: Block, start: int, end: int, *, heading: bool = False
    ) -> Iterator[_Piece]:
        """Add a block: whole if it fits this chunk or a new one, else by its sentences."""
        whole = self._whole(start, end)
        if whole is not None and not self._fits(whole):
            if not self._open.only_headings:
                yield from self._close()
            if not self._fits(whole):
                whole = None  # it fits a chunk, but not below its own heading
        if whole is not None:
            self._add(whole, block, heading=heading)
        else:
            if not self._open.only_headings:
                yield from self._close()
            for unit in self._units(start, end, _BOUNDARY, self._limit - self._overlap):
                if not self._fits(unit):
                    yield from self._cut_before(unit)
                self._add(unit, block)
                self._open.tail.append(unit)
        self._open.tail.clear()

    def _cut_before(self, unit: _Unit) -> Iterator[_Piece]:
        """Close the chunk within a block and begin the next with the end of this one."""
        tail, page = self._open.tail, self._open.page_end
        yield from self._close()
        room = min(self._overlap, self._limit - unit.weight)
        kept: list[_Unit] = []
        while tail and tail[-1].weight <= room:
            room -= tail[-1].weight
            kept.insert(0, tail.pop())
        if not kept and tail and (end := self._last_words(tail[-1], room)):
            kept.append(end)
        kept = [one for one in kept if one.start > self._last_start]
        if kept:
            held = _weight(sum(len(one.starts) for one in kept), kept[-1].end - kept[0].start)
            self._open = _Open(
                kept[0].start,
                kept[-1].end,
                held,
                sum(len(one.starts) for one in kept),
                all(one.sound for one in kept),
                page,
                page,
                False,
                kept,
            )

    def _last_words(self, unit: _Unit, room: int) -> _Unit | None:
        first = len(unit.starts) - room
        if room < 1 or not 0 < first < len(unit.starts):
            return None
        start = max(unit.starts[first], unit.end - room * _CHARS_PER_TOKEN)
        if not self._text[start - 1].isspace():
            space = re.compile(r"\s").search(self._text, start, unit.end)
            start = space.end() if space else _unmarked(self._text, start, unit.end)
        start, end = self._trimmed(start, unit.end)
        starts = unit.starts[bisect_left(unit.starts, start) :]
        return _Unit(start, end, starts, unit.sound) if start < end else None

    def _table(self, block: Block, position: int, start: int, end: int) -> Iterator[_Piece]:
        """Whole if it fits, else rows; later pieces repeat the header if it leaves them room."""
        whole = self._whole(start, end)
        if whole is not None and not self._fits(whole):
            if not self._open.only_headings:
                yield from self._close()
            if not self._fits(whole):
                whole = None
        if whole is not None:
            self._add(whole, block)
            return
        if not self._open.only_headings:
            yield from self._close()
        header = block.header if len(block.header) <= self._limit * _CHARS_PER_TOKEN else ""
        cost = self._measured(header)
        if cost > self._limit // 2:
            header, cost = "", 0
        first_row = position + len(header)
        if header:
            first_row = self._trimmed(first_row, end)[0]
            heading = self._whole(start, position + len(header.rstrip()))
            if heading is not None:
                if not self._fits(heading):
                    yield from self._close()
                self._add(heading, block)
        repeated = ""
        for unit in self._units(first_row, end, _LINE, self._limit - cost):
            if not self._fits(unit):
                yield from self._close(repeated)
                repeated = header
                self._open.weight = cost
            self._add(unit, block)
        yield from self._close(repeated)

    def _fits(self, unit: _Unit) -> bool:
        return self._open.weight + unit.weight <= self._limit

    def _add(self, unit: _Unit, block: Block, *, heading: bool = False) -> None:
        current = self._open
        if current.start < 0:
            current.start = unit.start
        current.end = unit.end
        current.weight += unit.weight
        current.tokens += len(unit.starts)
        current.sound = current.sound and unit.sound
        current.page = current.page or block.page
        current.page_end = block.page or current.page_end
        current.only_headings = current.only_headings and heading

    def _close(self, header: str = "") -> Iterator[_Piece]:
        current, self._open = self._open, _Open()
        if current.start >= 0:
            yield from self._checked(current, current.start, current.end, header)

    def _checked(self, current: _Open, start: int, end: int, header: str) -> Iterator[_Piece]:
        """The span as one chunk, or as several if the parts' tokens do not add up to the whole's.

        Most tokenizers never need that; some count a word otherwise next to another.
        """
        if not header and self._adds_up(current, start, end):
            self._last_start = start
            yield self._piece(current, start, end, self._text[start:end], current.tokens)
            return
        while start < end:
            stop, limit = end, self._limit
            text = header + self._text[start:stop]
            starts = self._token_starts(text)
            while len(starts) > self._limit and stop - start > 1:
                cut = starts[limit] - len(header) + start if limit < len(starts) else stop - 1
                stop = self._trimmed(start, self._gap(start, min(max(cut, start + 1), stop - 1)))[1]
                text = header + self._text[start:stop]
                starts = self._token_starts(text)
                limit = max(1, limit * 3 // 4)
            self._last_start = start
            yield self._piece(current, start, stop, text, len(starts))
            start = self._trimmed(stop, end)[0]

    def _adds_up(self, current: _Open, start: int, end: int) -> bool:
        """Whether the span's tokens are those of its units: it has its words whole."""
        if not (self._by_word and current.sound and current.tokens <= self._limit):
            return False
        return self._apart(start) and self._apart(end)

    def _apart(self, position: int) -> bool:
        """Whether no word goes on across this position, for sure."""
        around = self._text[max(position - 1, 0) : position + 1]
        return not 0 < position < len(self._text) or not _APART.isdisjoint(around)

    def _piece(self, current: _Open, start: int, end: int, text: str, tokens: int) -> _Piece:
        path = tuple(title for _, title in self._path)
        return _Piece(text, tokens, start, end, path, current.page, current.page_end)

    def _whole(self, start: int, end: int) -> _Unit | None:
        """The span as one unit; None if no chunk can hold it."""
        if end - start > self._limit * _CHARS_PER_TOKEN:
            return None
        starts = self._starts(start, end)
        return _Unit(start, end, starts) if len(starts) <= self._limit else None

    def _measured(self, text: str) -> int:
        return _weight(len(self._token_starts(text)), len(text)) if text else 0

    def _starts(self, start: int, end: int) -> Sequence[int]:
        """Where the span's tokens start. What no chunk can hold whole is asked for twice."""
        if self._measured_last[:2] != (start, end):
            starts = [start + one for one, _ in self._tokenizer.offsets(self._text[start:end])]
            self._measured_last = (start, end, starts)
        return self._measured_last[2]

    def _token_starts(self, text: str) -> list[int]:
        return [start for start, _ in self._tokenizer.offsets(text)]

    def _units(
        self, start: int, end: int, boundary: re.Pattern[str], limit: int
    ) -> Iterator[_Unit]:
        """Sentences (or lines) of a span, none heavier than ``limit``."""
        while start < end:
            stop = self._window_end(start, end)
            starts = self._starts(start, stop)
            sound = self._apart(start) and self._apart(stop)
            cuts = [found.end() for found in boundary.finditer(self._text, start, stop)]
            for cut in [*cuts, stop]:
                unit = self._unit(start, cut, starts, sound)
                if unit is not None:
                    yield from self._divided(unit, limit)
                start = cut
            start = stop

    def _unit(self, start: int, end: int, starts: Sequence[int], sound: bool) -> _Unit | None:
        start, end = self._trimmed(start, end)
        if start >= end:
            return None
        own = starts[bisect_left(starts, start) : bisect_left(starts, end)]
        return _Unit(start, end, own, sound)

    def _window_end(self, start: int, end: int) -> int:
        """Where to stop tokenizing at once: after a line, a sentence, a word, or anywhere."""
        stop = start + _WINDOW
        if stop >= end:
            return end
        for mark in ("\n", ". ", "。", " "):
            if (found := self._text.rfind(mark, start + _WINDOW // 2, stop)) >= 0:
                return found + len(mark)
        return _unmarked(self._text, stop, end)

    def _divided(self, unit: _Unit, limit: int) -> Iterator[_Unit]:
        """A unit heavier than ``limit`` in pieces, cut between words where there are any."""
        starts, start = unit.starts, unit.start
        first = 0
        while start < unit.end:
            last = first + limit
            stop = min(start + limit * _CHARS_PER_TOKEN, unit.end)
            if last < len(starts):
                stop = min(stop, starts[last])
            if stop < unit.end:
                stop = self._gap(start, max(stop, start + 1))
            following = bisect_left(starts, stop, first)
            piece_start, piece_end = self._trimmed(start, stop)
            if piece_start < piece_end:
                yield _Unit(piece_start, piece_end, starts[first:following], unit.sound)
            start, first = stop, following

    def _gap(self, start: int, stop: int) -> int:
        """The last white space in the second half before ``stop``, else ``stop`` itself."""
        for position in range(stop, (start + stop) // 2, -1):
            if self._text[position - 1].isspace() or self._text[position : position + 1].isspace():
                return position
        back = stop
        while back - 1 > (start + stop) // 2 and _is_mark(self._text[back]):
            back -= 1
        return back

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        """The span without white space at its ends."""
        while start < end and self._text[start].isspace():
            start += 1
        while end > start and self._text[end - 1].isspace():
            end -= 1
        return start, end


def _is_mark(character: str) -> bool:
    """Accents, vowel signs (Thai, Devanagari) and emoji joiners belong to what is before them."""
    return unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf")


def _unmarked(text: str, start: int, end: int) -> int:
    """Forward past marks."""
    while start < end and _is_mark(text[start]):
        start += 1
    return start


def _path_entry(text: str) -> str:
    title = " ".join(text.split())
    return title if len(title) <= _MAX_PATH_ENTRY else title[: _MAX_PATH_ENTRY - 1] + "…"
