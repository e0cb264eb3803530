"""What is written into the ledger and read from it, besides documents themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum

from ragline.domain.chunks import CHUNKS_PER_PART, ORDINALS_PER_RANGE, Part
from ragline.domain.documents import Document, Metadata, Origin, Partition, Reason
from ragline.domain.pages import PageCounts


class ChunkState(IntEnum):
    """How far one chunk is. States only advance, in this order; a chunk not recorded is pending."""

    EMBEDDED = 1
    FAILED = 2
    INDEXED = 3


@dataclass(frozen=True, slots=True)
class NewDocument:
    """What is known of a document before its bytes are read.

    ``upload_seconds`` is how long its bytes may take to arrive, ``trace_id`` that of who says so,
    ``webhook`` the id of one that is told of it in any case, '' for none, ``origin`` the document
    that it came in.
    """

    partition: Partition
    document_id: str
    filename: str
    upload_key: str
    content_type: str = ""
    size: int = 0
    metadata: Metadata = field(default_factory=dict)
    checksum: str = ""
    allow_duplicate: bool = False
    upload_seconds: int = 604_800
    trace_id: str = ""
    webhook: str = ""
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Multipart:
    """An upload in parts that is open: all parts but the last have ``part_size`` bytes.

    ``upload_id`` is the bucket's name for it; ``size`` (bytes) and ``checksum`` (SHA-256 in
    hexadecimal, or '') are those of the whole file.
    """

    upload_id: str
    size: int
    part_size: int
    checksum: str = ""

    @property
    def parts(self) -> int:
        return -(-self.size // self.part_size)

    def size_of(self, number: int) -> int:
        """The bytes of part ``number``, from 1; 0 if there is no such part."""
        if not 1 <= number <= self.parts:
            return 0
        return min(self.part_size, self.size - (number - 1) * self.part_size)


@dataclass(frozen=True, slots=True)
class Failure:
    """One recorded failure: how often it was seen (``attempts``), ``first`` and ``last`` when.

    ``letter`` names the dead letter that tells of it, so that one delivered twice counts once.
    """

    generation: int
    reason: Reason
    attempts: int = 1
    first: str = ""
    last: str = ""
    letter: str = ""


@dataclass(frozen=True, slots=True)
class RangeRecord:
    """What came of one range of a document: how many ``chunks`` it was cut into.

    ``pages``: what became of its pages; None where only their number was kept, as until version
    0.1. ``reason``: why the first that failed did. ``lost``: nothing of the range could be read, so
    all of its pages failed, and it may be tried again.
    """

    chunks: int = 0
    pages: PageCounts | None = field(default_factory=PageCounts)
    reason: Reason | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """How far one generation is, record by record.

    ``ranges``: range number → what came of it, of those that are done. ``chunks``: ordinal →
    state, of those that have one; the others are pending. ``reasons``: ordinal → why, of the failed
    ones.
    """

    ranges: Mapping[int, RangeRecord] = field(default_factory=dict)
    chunks: Mapping[int, ChunkState] = field(default_factory=dict)
    reasons: Mapping[int, Reason] = field(default_factory=dict)

    @property
    def ordinals(self) -> list[int]:
        """Of every chunk that its ranges were cut into, ascending."""
        return [
            number * ORDINALS_PER_RANGE + i
            for number in sorted(self.ranges)
            for i in range(self.ranges[number].chunks)
        ]

    @property
    def failed(self) -> list[int]:
        """The ordinals of failed chunks, ascending."""
        return sorted(n for n, state in self.chunks.items() if state is ChunkState.FAILED)

    @property
    def unfinished(self) -> list[int]:
        """The ordinals of chunks that are neither indexed nor failed, ascending."""
        done = {ChunkState.INDEXED, ChunkState.FAILED}
        return [n for n in self.ordinals if self.chunks.get(n) not in done]

    def counts(self) -> dict[str, int]:
        """What the document's progress must say, by its field names."""
        return counts_of(self.ranges.values(), Counter(self.chunks.values()))

    def parts(
        self, document: Document, ordinals: Sequence[int], generation: int | None = None
    ) -> list[Part]:
        """The parts that hold these chunks, each once, in order.

        Of the document's generation, unless the records are of another ``generation``.
        """
        firsts = {
            (n // ORDINALS_PER_RANGE, n % ORDINALS_PER_RANGE // CHUNKS_PER_PART) for n in ordinals
        }
        return [
            Part(
                document.partition,
                document.document_id,
                generation or document.generation,
                number * ORDINALS_PER_RANGE + at * CHUNKS_PER_PART,
                min(CHUNKS_PER_PART, self._cut_into(number) - at * CHUNKS_PER_PART),
            )
            for number, at in sorted(firsts)
            if self._cut_into(number) > at * CHUNKS_PER_PART
        ]

    def _cut_into(self, number: int) -> int:
        return self.ranges[number].chunks if number in self.ranges else 0


def first_trouble(ranges: Mapping[int, RangeRecord]) -> Reason | None:
    """Why the first page that could not be read was not."""
    return next((ranges[n].reason for n in sorted(ranges) if ranges[n].reason), None)


def counts_of(ranges: Collection[RangeRecord], states: Mapping[ChunkState, int]) -> dict[str, int]:
    """What a document's progress must say of these records, by its field names.

    Where the kinds of some range's pages were not kept, the number of pages done is left out.
    """
    pages = [one.pages for one in ranges if one.pages is not None]
    kinds = {f.name: sum(getattr(one, f.name) for one in pages) for f in fields(PageCounts)}
    return {
        "ranges_done": len(ranges),
        "ranges_failed": sum(one.lost for one in ranges),
        "chunks_total": sum(one.chunks for one in ranges),
        **({"pages_done": sum(kinds.values())} if len(pages) == len(ranges) else {}),
        **{f"pages_{kind}": count for kind, count in kinds.items()},
        **{state.name.lower(): states.get(state, 0) for state in ChunkState},
    }


@dataclass(frozen=True, slots=True)
class Audit:
    """All that the ledger knows of one document, for comparing with what else there is.

    ``work``: generation → its records. ``removal_pending``: it is deleted, and what it left in the
    index and the bucket may still be there.
    """

    document: Document
    work: Mapping[int, Work]
    removal_pending: bool = False


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """A page of a listing; ``cursor`` is opaque, None on the last page."""

    documents: Sequence[Document]
    cursor: str | None = None
