"""A collection's settings, and the walks over all its documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ragline.domain.chunking import Chunking
from ragline.domain.documents import Partition, Status


class WalkKind(StrEnum):
    """What is done to each document."""

    RECUT = "recut"
    """Cut anew, as the next generation, if it was cut otherwise than now."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Walk:
    """A pass over a collection's documents, newest first, and a second one that checks.

    ``cursor`` is where the pass is, '' at its start. Of the documents of the first pass ``seen``
    counts all, ``changed`` those that were set going or deleted, ``left`` those that have to stay
    as they are. ``ended_at`` is '' while it goes on.
    """

    walk_id: str
    kind: WalkKind
    started_at: str
    cursor: str = ""
    checking: bool = False
    seen: int = 0
    changed: int = 0
    left: int = 0
    ended_at: str = ""


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """``chunking`` None is the deployment's own. ``walk`` is the last one.

    ``stamp`` is another after each write, and '' of what the ledger never heard of.
    """

    partition: Partition
    chunking: Chunking | None = None
    walk: Walk | None = None
    updated_at: str = ""
    stamp: str = ""

    @property
    def blank(self) -> bool:
        """Whether there is nothing to keep of it."""
        return self.chunking is None and self.walk is None

    @property
    def under_way(self) -> WalkKind | None:
        """What is being done to its documents."""
        return self.walk.kind if self.walk and not self.walk.ended_at else None


@dataclass(frozen=True, slots=True)
class Census:
    """What a collection holds: by status, and how many chunks.

    ``behind``: documents that were not, or are not yet, cut as the collection now asks for.
    ``complete`` is False where there are more documents than were counted.
    """

    documents: int = 0
    by_status: Mapping[Status, int] = field(default_factory=dict)
    chunks: int = 0
    behind: int = 0
    complete: bool = True
