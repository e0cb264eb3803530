"""Extractions to chunks: passages of bounded length that can be cited.

A chunk never crosses a heading. Within a section it holds whole paragraphs while they fit; a
paragraph longer than a chunk is cut between sentences, a sentence between words, and a run without
spaces anywhere. Tables are cut between rows and every piece repeats the table's header.

Time is linear: text is tokenized in windows, once to measure and once to check each chunk. The
check is left out where the tokens of the parts are sure to add up: the tokenizer takes each word by
itself (``by_word``), and the chunk begins and ends between words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ragline.domain.chunks import MAX_CONTEXT, Block, Chunk, Extraction
from ragline.ports import Tokenizer
from ragline.spans import CHARS_PER_TOKEN, LINE, SENTENCE, Spans, Unit, weight

CHUNKER_VERSION = "ragline-chunking-2"
"""Raised whenever the same extraction would be cut otherwise; stored on each generation."""

_BETWEEN_BLOCKS = "\n\n"
_MAX_PATH_ENTRY = 200


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
    tail: list[Unit] = field(default_factory=list)


class _Cutter:
    def __init__(self, text: str, tokenizer: Tokenizer, limit: int, overlap: int) -> None:
        self._spans = Spans(text, tokenizer)
        self._by_word: bool = getattr(tokenizer, "by_word", False)
        self._most = self._limit = limit
        self._overlap = overlap
        self._path: list[tuple[int, str]] = []
        self._open = _Open()
        self._last_start = -1

    def pieces(self, blocks: Sequence[Block]) -> Iterator[_Piece]:
        position = 0
        for block in blocks:
            start, end = self._spans.trimmed(position, position + len(block.text))
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
        return max(self._most // 2, self._most - self._spans.measured(context))

    def _prose(self, block: Block, start: int, end: int) -> Iterator[_Piece]:
        yield from self._flow(block, start, end)

    def _flow(
        self, block: Block, start: int, end: int, *, heading: bool = False
    ) -> Iterator[_Piece]:
        """Add a block: whole if it fits this chunk or a new one, else by its sentences."""
        whole = self._spans.whole(start, end, self._limit)
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
            for unit in self._spans.units(start, end, SENTENCE, self._limit - self._overlap):
                if not self._fits(unit):
                    yield from self._cut_before(unit)
                self._add(unit, block)
                self._open.tail.append(unit)
        self._open.tail.clear()

    def _cut_before(self, unit: Unit) -> Iterator[_Piece]:
        """Close the chunk within a block and begin the next with the end of this one."""
        tail, page = self._open.tail, self._open.page_end
        yield from self._close()
        room = min(self._overlap, self._limit - unit.weight)
        kept: list[Unit] = []
        while tail and tail[-1].weight <= room:
            room -= tail[-1].weight
            kept.insert(0, tail.pop())
        if not kept and tail and (end := self._spans.last_words(tail[-1], room)):
            kept.append(end)
        kept = [one for one in kept if one.start > self._last_start]
        if kept:
            held = weight(sum(len(one.starts) for one in kept), kept[-1].end - kept[0].start)
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

    def _table(self, block: Block, position: int, start: int, end: int) -> Iterator[_Piece]:
        """Whole if it fits, else rows; later pieces repeat the header if it leaves them room."""
        whole = self._spans.whole(start, end, self._limit)
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
        header = block.header if len(block.header) <= self._limit * CHARS_PER_TOKEN else ""
        cost = self._spans.measured(header)
        if cost > self._limit // 2:
            header, cost = "", 0
        first_row = position + len(header)
        if header:
            first_row = self._spans.trimmed(first_row, end)[0]
            heading = self._spans.whole(start, position + len(header.rstrip()), self._limit)
            if heading is not None:
                if not self._fits(heading):
                    yield from self._close()
                self._add(heading, block)
        repeated = ""
        for unit in self._spans.units(first_row, end, LINE, self._limit - cost):
            if not self._fits(unit):
                yield from self._close(repeated)
                repeated = header
                self._open.weight = cost
            self._add(unit, block)
        yield from self._close(repeated)

    def _fits(self, unit: Unit) -> bool:
        return self._open.weight + unit.weight <= self._limit

    def _add(self, unit: Unit, block: Block, *, heading: bool = False) -> None:
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
            yield self._piece(current, start, end, self._spans.text[start:end], current.tokens)
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
            yield self._piece(current, start, stop, text, len(starts))
            start = self._spans.trimmed(stop, end)[0]

    def _adds_up(self, current: _Open, start: int, end: int) -> bool:
        """Whether the span's tokens are those of its units: it has its words whole."""
        if not (self._by_word and current.sound and current.tokens <= self._limit):
            return False
        return self._spans.apart(start) and self._spans.apart(end)

    def _piece(self, current: _Open, start: int, end: int, text: str, tokens: int) -> _Piece:
        path = tuple(title for _, title in self._path)
        return _Piece(text, tokens, start, end, path, current.page, current.page_end)


def _path_entry(text: str) -> str:
    title = " ".join(text.split())
    return title if len(title) <= _MAX_PATH_ENTRY else title[: _MAX_PATH_ENTRY - 1] + "…"
