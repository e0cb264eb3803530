"""Fixed: windows of so many tokens, whatever the structure; only words are kept whole.

The headings above a window are those where it begins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from ragline.chunking.filling import Filling, Open, Piece, placed
from ragline.domain.chunking import Chunking
from ragline.domain.chunks import Block
from ragline.ports import Tokenizer
from ragline.spans import SPACE, Unit


class Windows(Filling):
    """``_places``: where each heading begins, and what stands above from there on."""

    def __init__(self, text: str, tokenizer: Tokenizer, chunking: Chunking) -> None:
        super().__init__(text, tokenizer, chunking)
        self._places = [0]
        self._paths: list[tuple[tuple[str, ...], int]] = [((), self._limit)]

    def pieces(self, blocks: Sequence[Block]) -> Iterator[Piece]:
        for block, position in placed(blocks):
            start, end = self._spans.trimmed(position, position + len(block.text))
            if start < end and block.kind == "heading":
                self._note_heading(block, start)
            for unit in self._spans.units(start, end, SPACE, self._most // 2):
                if not self._fits(unit):
                    yield from self._cut_before(unit)
                    self._begin_before(unit)
                elif self._open.start < 0:
                    self._begin_before(unit)
                self._add_to_tail(unit)
        yield from self._close()

    def _note_heading(self, block: Block, start: int) -> None:
        limit = self._limit  # of the window that is open: it began above
        self._enter(block)
        self._places.append(start)
        self._paths.append((super()._above(start), self._limit))
        self._limit = limit

    def _begin_before(self, unit: Unit) -> None:
        """A window's room depends on the headings above it; one that has none begins anew."""
        start = self._open.start if self._open.start >= 0 else unit.start
        self._limit = self._at(start)[1]
        if not self._fits(unit):
            self._open = Open()
            self._limit = self._at(unit.start)[1]

    def _at(self, position: int) -> tuple[tuple[str, ...], int]:
        """The headings above, and what a window that begins here may hold."""
        return self._paths[bisect_right(self._places, position) - 1]

    def _above(self, start: int) -> tuple[str, ...]:
        return self._at(start)[0]
