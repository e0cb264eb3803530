"""What is written into the ledger and read from it, besides documents themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from ragline.domain.documents import Document, Metadata, Partition, Reason


class ChunkState(IntEnum):
    """How far one chunk is. States only advance, in this order; a chunk not recorded is pending."""

    EMBEDDED = 1
    FAILED = 2
    INDEXED = 3


@dataclass(frozen=True, slots=True)
class NewDocument:
    """What is known of a document before its bytes are read."""

    partition: Partition
    document_id: str
    filename: str
    upload_key: str
    content_type: str = ""
    size: int = 0
    metadata: Metadata = field(default_factory=dict)
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """One recorded failure: how often it was seen (``attempts``), ``first`` and ``last`` when."""

    generation: int
    reason: Reason
    attempts: int = 1
    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """A page of a listing; ``cursor`` is opaque, None on the last page."""

    documents: Sequence[Document]
    cursor: str | None = None
