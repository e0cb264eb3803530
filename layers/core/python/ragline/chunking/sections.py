"""By section: a chunk never crosses a heading, and holds whole paragraphs while they fit.

A paragraph longer than a chunk is cut between sentences, a sentence between words, and a run
without spaces anywhere; the next chunk then begins with the end of the one before. Tables are cut
between rows and every piece repeats the table's header, or as any other text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragline.chunking.filling import Filling, Piece, placed
from ragline.domain.chunking import Chunking, Tables
from ragline.domain.chunks import Block
from ragline.ports import Tokenizer
from ragline.spans import CHARS_PER_TOKEN, LINE, SENTENCE


class Sections(Filling):
    def __init__(self, text: str, tokenizer: Tokenizer, chunking: Chunking) -> None:
        super().__init__(text, tokenizer, chunking)
        self._by_row = chunking.tables is Tables.ROWS

    def pieces(self, blocks: Sequence[Block]) -> Iterator[Piece]:
        for block, position in placed(blocks):
            start, end = self._spans.trimmed(position, position + len(block.text))
            if start < end:
                if block.kind == "heading":
                    yield from self._heading(block, start, end)
                elif block.kind == "table" and self._by_row:
                    yield from self._table(block, position, start, end)
                else:
                    yield from self._prose(start, end)
        yield from self._close()

    def _heading(self, block: Block, start: int, end: int) -> Iterator[Piece]:
        """Begin a section; a heading right below its parent shares the parent's first chunk."""
        deeper = not self._path or block.level > self._path[-1][0]
        if not (deeper and self._open.only_headings):
            yield from self._close()
        self._enter(block)
        yield from self._flow(start, end, heading=True)

    def _prose(self, start: int, end: int) -> Iterator[Piece]:
        yield from self._flow(start, end)

    def _flow(self, start: int, end: int, *, heading: bool = False) -> Iterator[Piece]:
        """Add a block: whole if it fits this chunk or a new one, else by its sentences."""
        whole = self._spans.whole(start, end, self._limit)
        if whole is not None and not self._fits(whole):
            if not self._open.only_headings:
                yield from self._close()
            if not self._fits(whole):
                whole = None  # it fits a chunk, but not below its own heading
        if whole is not None:
            self._add(whole, heading=heading)
        else:
            if not self._open.only_headings:
                yield from self._close()
            yield from self._sentences(start, end)
        self._open.tail.clear()

    def _sentences(self, start: int, end: int) -> Iterator[Piece]:
        for unit in self._spans.units(start, end, SENTENCE, self._limit - self._overlap):
            if not self._fits(unit):
                yield from self._cut_before(unit)
            self._add_to_tail(unit)

    def _table(self, block: Block, position: int, start: int, end: int) -> Iterator[Piece]:
        """Whole if it fits, else rows; later pieces repeat the header if it leaves them room."""
        self._open.tail.clear()
        whole = self._spans.whole(start, end, self._limit)
        if whole is not None and not self._fits(whole):
            if not self._open.only_headings:
                yield from self._close()
            if not self._fits(whole):
                whole = None
        if whole is not None:
            self._add(whole)
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
                self._add(heading)
        yield from self._rows(first_row, end, header, cost)

    def _rows(self, start: int, end: int, header: str, cost: int) -> Iterator[Piece]:
        """``cost``: what the header weighs."""
        repeated = ""
        for unit in self._spans.units(start, end, LINE, self._limit - cost):
            if not self._fits(unit):
                yield from self._close(repeated)
                repeated = header
                self._open.weight = cost
            self._add(unit)
        yield from self._close(repeated)
