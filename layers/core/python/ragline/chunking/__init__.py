"""Extractions to chunks: passages of bounded length that can be cited.

Where a text may be cut is a collection's choice (``domain.chunking``). In each strategy all text
but white space is in some chunk, none is longer than ``max_tokens``, and time is linear.
"""

from __future__ import annotations

from collections.abc import Iterator

from ragline.chunking.families import in_sections
from ragline.chunking.filling import BETWEEN_BLOCKS, Piece
from ragline.chunking.pages import Pages
from ragline.chunking.sections import Sections
from ragline.chunking.sentences import Sentences
from ragline.chunking.windows import Windows
from ragline.domain.chunking import Chunking, Strategy
from ragline.domain.chunks import Chunk, Extraction
from ragline.ports import Tokenizer

CHUNKER_VERSION = "ragline-chunking-2"
"""Raised whenever the same extraction would be cut otherwise; stored on each generation."""

_CUTTERS: dict[Strategy, type[Sections | Windows]] = {
    Strategy.SECTION: Sections,
    Strategy.SENTENCE: Sentences,
    Strategy.FIXED: Windows,
    Strategy.PARENT_CHILD: Sections,
}


def extracted_text(extraction: Extraction) -> str:
    """The text that chunks' ``start`` and ``end`` refer to: the blocks, blank lines between."""
    return BETWEEN_BLOCKS.join(block.text for block in extraction.blocks)


def chunk(
    extraction: Extraction,
    *,
    tokenizer: Tokenizer,
    chunking: Chunking = Chunking(),  # noqa: B008 - frozen
) -> Iterator[Chunk]:
    """Cut into chunks of at most ``max_tokens``, table headers included; ordinals from 0.

    The headings above a chunk count too, since they are embedded with it, up to half of that.
    """
    text = extracted_text(extraction)
    pieces = _CUTTERS[chunking.strategy](text, tokenizer, chunking).pieces(extraction.blocks)
    pages = Pages(extraction.blocks)
    chunks = ((piece, _chunk(ordinal, piece, pages)) for ordinal, piece in enumerate(pieces))
    if chunking.strategy is Strategy.PARENT_CHILD:
        yield from in_sections(chunks, text, chunking.section_tokens)
    else:
        yield from (chunk for _, chunk in chunks)


def _chunk(ordinal: int, piece: Piece, pages: Pages) -> Chunk:
    page, page_end = pages.of(piece.start, piece.end)
    return Chunk(
        ordinal=ordinal,
        text=piece.text,
        tokens=piece.tokens,
        start=piece.start,
        end=piece.end,
        headings=piece.headings,
        page=page,
        page_end=page_end,
    )
