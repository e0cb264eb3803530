"""What a parser yields (blocks), what is cut from it (chunks), and what the index holds (rows)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from ragline.domain.documents import Metadata, Partition
from ragline.domain.pages import PageCounts, PageKind, PageTrouble

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BlockKind = Literal["heading", "paragraph", "list", "table", "code"]

ORDINALS_PER_RANGE = 100_000
"""Each page range owns this many ordinals, so ranges can be split by many workers at once."""

MAX_CONTEXT = 120
"""Characters of headings that are searched with a passage; a deep path must not outweigh it."""

CHUNKS_PER_PART = 16
"""A part is the unit of work on the Chunks queue: at most this many consecutive chunks."""

MAX_SECTION_CHUNKS = 64
"""A section that is returned for a hit lies in five parts at most."""


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a document in reading order.

    ``level`` is 1-6 for headings, else 0. ``page`` counts from 1; None where the format has no
    pages. ``header`` is, for tables, the leading part of ``text`` (header row and rule, with its
    final newline) that every piece of the table must repeat; empty otherwise. ``turn``: from this
    character of ``text`` on, a paragraph stands on the following page; 0 if it stands on one.
    """

    kind: BlockKind
    text: str
    level: int = 0
    page: int | None = None
    header: str = ""
    turn: int = 0

    def page_at(self, offset: int) -> int | None:
        """The page on which a character of ``text`` stands."""
        if self.page is None or not self.turn or offset < self.turn:
            return self.page
        return self.page + 1


@dataclass(frozen=True, slots=True)
class Extraction:
    """The text of a document (or of one page range of it).

    ``kinds``: page (from 1) → what became of it, of the pages read; empty where the format has
    none. ``trouble`` says more of those that could not be read.
    """

    blocks: Sequence[Block]
    kinds: Mapping[int, PageKind] = field(default_factory=dict)
    title: str = ""
    trouble: Sequence[PageTrouble] = ()

    @property
    def pages(self) -> int:
        """How many pages were read; 0 where the format has none."""
        return len(self.kinds)

    @property
    def counts(self) -> PageCounts:
        return PageCounts.of(self.kinds.values())

    @property
    def bare_pages(self) -> list[int]:
        """The pages without text in which there is a picture that may hold some."""
        return [page for page, kind in self.kinds.items() if kind is PageKind.IMAGE]


@dataclass(frozen=True, slots=True)
class Section:
    """Chunks ``first``..``last`` (ordinals) that are returned together for a hit among them.

    ``gap`` is the white space between this chunk and the ones of the section before it.
    """

    first: int
    last: int
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: what is embedded, indexed and cited.

    ``start`` and ``end`` are character offsets into the extracted text of the page range that the
    chunk was cut from (the whole document unless it is very long), so ``extracted[start:end]`` is
    the passage; a piece of a table repeats the table's header in ``text`` before that span.
    ``tokens`` counts the embedding model's tokens, special tokens left out. ``section`` is known
    of chunks as they are stored, not of those that an index returns, and only where the collection
    has hits return sections.
    """

    ordinal: int
    text: str
    tokens: int
    start: int
    end: int
    headings: tuple[str, ...] = ()
    page: int | None = None
    page_end: int | None = None
    section: Section | None = None

    def moved(self, by: int) -> Chunk:
        """The same with ordinals ``by`` higher: ranges of a document are cut each by itself."""
        section = self.section
        if section:
            section = replace(section, first=section.first + by, last=section.last + by)
        return replace(self, ordinal=self.ordinal + by, section=section)

    @property
    def context(self) -> str:
        """The headings above the passage that it does not hold itself, one a line; '' if none.

        A passage is often about what only its heading names.
        """
        return "\n".join(one for one in self.headings if one not in self.text)[:MAX_CONTEXT]

    @property
    def searched(self) -> str:
        """What is embedded, matched by keyword and read by a reranker: the context and the text."""
        return f"{self.context}\n\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True)
class Part:
    """Where a run of at most ``CHUNKS_PER_PART`` consecutive chunks is kept."""

    partition: Partition
    document_id: str
    generation: int
    first: int
    count: int

    @property
    def ordinals(self) -> range:
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a vector index: a chunk with its embedding and what it can be filtered by."""

    document_id: str
    generation: int
    chunk: Chunk
    filename: str
    vector: NDArray[np.float32]
    metadata: Metadata = field(default_factory=dict)

    @property
    def chunk_id(self) -> str:
        return chunk_id(self.document_id, self.generation, self.chunk.ordinal)


def chunk_id(document_id: str, generation: int, ordinal: int) -> str:
    return f"{document_id}:{generation}:{ordinal}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Which row a search leg found, without what it holds. ``score``: cosine or BM25, higher is
    better.

    ``hint`` is the index's own, for when it is asked for the passage: where that lies, or the
    passage itself; None if it needs none.
    """

    document_id: str
    generation: int
    ordinal: int
    score: float
    hint: object = field(default=None, compare=False, repr=False)

    @property
    def chunk_id(self) -> str:
        return chunk_id(self.document_id, self.generation, self.ordinal)


@dataclass(frozen=True, slots=True)
class Passage:
    """What of a row is read and shown."""

    document_id: str
    generation: int
    chunk: Chunk
    filename: str
    metadata: Metadata = field(default_factory=dict)

    @property
    def chunk_id(self) -> str:
        return chunk_id(self.document_id, self.generation, self.chunk.ordinal)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows a query may see; every condition given must hold.

    ``document_ids``: None is any document; an empty list lets nothing through, as a list of those
    that someone may read must. ``metadata`` is matched by equality of value and type; pages are
    inclusive, from 1.
    """

    document_ids: Sequence[str] | None = None
    metadata: Metadata = field(default_factory=dict)
    page_from: int | None = None
    page_to: int | None = None

    @property
    def lets_nothing_through(self) -> bool:
        return self.document_ids is not None and not self.document_ids
