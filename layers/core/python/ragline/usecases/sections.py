"""Search small, return the section: the passages around a hit, read from where they are kept.

The index knows nothing of sections. Each stored chunk says which ordinals its section has; the part
that it is kept in follows from its ordinal, so no listing is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ragline.domain.chunking import returns_sections
from ragline.domain.chunks import CHUNKS_PER_PART, ORDINALS_PER_RANGE, Chunk, Part
from ragline.domain.documents import Document, Partition
from ragline.domain.errors import StoredDataLost
from ragline.ports import Objects
from ragline.usecases.fusion import Hit
from ragline.usecases.parts import read_part

MOST_HITS = 20
"""Of so many hits sections are returned: each takes one read of the bucket, five at most."""

_AT_ONCE = 8

_Kept = dict[tuple[str, int, int], Chunk]


@dataclass(frozen=True, slots=True)
class Returned:
    """The section of a hit: its chunks' ordinals, both included, and pages.

    ``carrier`` is the chunk_id of the best hit of the section, which alone has its ``text``.
    """

    text: str
    first: int
    last: int
    page: int | None
    page_end: int | None
    carrier: str


def read_sections(
    hits: Sequence[Hit],
    documents: Mapping[str, Document],
    partition: Partition,
    objects: Callable[[], Objects],
) -> dict[str, Returned]:
    """chunk_id → section, of the first hits of documents that were cut to have any.

    A document that is deleted or replaced just now may have lost its parts: its hits go without.
    """
    asked = [hit for hit in hits[:MOST_HITS] if _has_any(documents.get(hit.passage.document_id))]
    if not asked:
        return {}
    kept: _Kept = {}
    bucket = objects()
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        _read(((_place(hit), [_place(hit)[2]]) for hit in asked), kept, partition, bucket, pool)
        spans = [(_place(hit), _family(hit, kept)) for hit in asked]
        _read(spans, kept, partition, bucket, pool)
    found: dict[str, Returned] = {}
    carriers: dict[tuple[str, int, int], str] = {}
    for hit in asked:
        family = [kept.get((*_place(hit)[:2], ordinal)) for ordinal in _family(hit, kept)]
        chunks = [one for one in family if one is not None]
        if chunks and len(chunks) == len(family):
            name = hit.passage.chunk_id
            carrier = carriers.setdefault((*_place(hit)[:2], chunks[0].ordinal), name)
            found[name] = _returned(chunks, carrier, carries=carrier == name)
    return found


def _has_any(document: Document | None) -> bool:
    """What the live generation was cut by is known only while no other is worked on."""
    if document is None:
        return False
    return returns_sections(document.fingerprint) or document.live_generation != document.generation


def _place(hit: Hit) -> tuple[str, int, int]:
    passage = hit.passage
    return passage.document_id, passage.generation, passage.chunk.ordinal


def _family(hit: Hit, kept: _Kept) -> range:
    """The ordinals of the hit's section; none if it is not known."""
    chunk = kept.get(_place(hit))
    section = chunk.section if chunk else None
    return range(section.first, section.last + 1) if section else range(0)


def _read(
    wanted: Iterable[tuple[tuple[str, int, int], Collection[int]]],
    kept: _Kept,
    partition: Partition,
    objects: Objects,
    pool: ThreadPoolExecutor,
) -> None:
    """Read the parts that hold these ordinals of these documents, each once, side by side."""
    parts = {
        Part(partition, document_id, generation, _part_of(ordinal), CHUNKS_PER_PART)
        for (document_id, generation, _), ordinals in wanted
        for ordinal in ordinals
        if (document_id, generation, ordinal) not in kept
    }

    def read(part: Part) -> list[Chunk]:
        try:
            return read_part(objects, part)
        except StoredDataLost:
            return []

    ordered = sorted(parts, key=lambda part: (part.document_id, part.generation, part.first))
    for part, chunks in zip(ordered, pool.map(read, ordered), strict=True):
        kept.update(((part.document_id, part.generation, one.ordinal), one) for one in chunks)


def _part_of(ordinal: int) -> int:
    """The first ordinal of the part that holds this one."""
    return ordinal - ordinal % ORDINALS_PER_RANGE % CHUNKS_PER_PART


def _returned(chunks: Sequence[Chunk], carrier: str, *, carries: bool) -> Returned:
    pages = [page for one in chunks for page in (one.page, one.page_end) if page is not None]
    return Returned(
        joined(chunks) if carries else "",
        chunks[0].ordinal,
        chunks[-1].ordinal,
        min(pages, default=None),
        max(pages, default=None),
        carrier,
    )


def joined(chunks: Sequence[Chunk]) -> str:
    """The text of consecutive chunks of one section: overlaps and repeated headers left out."""
    text, end = chunks[0].text, chunks[0].end
    for chunk in chunks[1:]:
        span = chunk.text[len(chunk.text) - (chunk.end - chunk.start) :]
        gap = chunk.section.gap if chunk.section else ""
        text += gap + span[max(0, end - chunk.start) :]
        end = max(end, chunk.end)
    return text
