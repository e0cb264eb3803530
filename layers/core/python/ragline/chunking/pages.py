"""On which pages a span of the text stands."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from ragline.chunking.filling import placed
from ragline.domain.chunks import Block


class Pages:
    """Where in the text the pages begin; footnotes of one may follow text of the next."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._starts: list[int] = []
        self._pages: list[int | None] = []
        for block, position in placed(blocks):
            self._begin(position, block.page)
            if block.turn:
                self._begin(position + block.turn, block.page_at(block.turn))

    def _begin(self, position: int, page: int | None) -> None:
        if not self._pages or self._pages[-1] != page:
            self._starts.append(position)
            self._pages.append(page)

    def of(self, start: int, end: int) -> tuple[int | None, int | None]:
        """The first and the last page of the characters ``start`` to ``end``; None if unknown."""
        first = max(0, bisect_right(self._starts, start) - 1)
        known = [
            page for page in self._pages[first : bisect_left(self._starts, end)] if page is not None
        ]
        return (min(known), max(known)) if known else (None, None)
