"""Passages to search, and the sections that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ragline.chunking.filling import Piece
from ragline.domain.chunks import MAX_SECTION_CHUNKS, Chunk, Section


def in_sections(pieces: Iterable[tuple[Piece, Chunk]], text: str, most: int) -> Iterator[Chunk]:
    """The chunks, each knowing the run of its heading that it is of: at most ``most`` tokens.

    What stands below one heading is one section while it fits, else several, one after another.
    """
    family: list[Chunk] = []
    tokens, place = 0, -1
    for piece, chunk in pieces:
        full = tokens + chunk.tokens > most or len(family) == MAX_SECTION_CHUNKS
        if family and (full or piece.section != place):
            yield from _related(family, text)
            family, tokens = [], 0
        family.append(chunk)
        tokens, place = tokens + chunk.tokens, piece.section
    yield from _related(family, text)


def _related(family: list[Chunk], text: str) -> Iterator[Chunk]:
    end = family[0].start if family else 0
    for chunk in family:
        gap = text[end : chunk.start]
        end = max(end, chunk.end)
        yield replace(chunk, section=Section(family[0].ordinal, family[-1].ordinal, gap))
