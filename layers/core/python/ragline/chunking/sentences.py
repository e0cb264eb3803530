"""By sentence: a chunk is filled with whole sentences, whatever paragraphs they stand in.

It never crosses a heading. Each chunk begins with the last whole sentences of the one before it in
its section; a table is no sentence, and nothing of it is repeated but its header.
"""

from __future__ import annotations

from collections.abc import Iterator

from ragline.chunking.filling import Piece
from ragline.chunking.sections import Sections
from ragline.spans import Unit


class Sentences(Sections):
    def _prose(self, start: int, end: int) -> Iterator[Piece]:
        yield from self._sentences(start, end)

    def _part_of(self, last: Unit, room: int) -> Unit | None:
        return None
