"""Files within a document that are documents of their own: an archive's, a mail's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ragline.domain.documents import Document, Origin, Reason

MAX_CHILDREN = 1_000
"""Files that one document may have in it."""

MAX_DEPTH = 3
"""Documents that may lie around one: a zip in a zip in a mail has two around it."""

MAX_FILES = 10_000
MAX_BYTES = 4 * 1024 * 1024 * 1024
"""All that may be taken out of one upload, however deep it lies."""

_PLACE_CHARACTERS = 200


class ChildState(StrEnum):
    """What became of a file within a document."""

    PENDING = "pending"
    """It is being taken out."""
    STORED = "stored"
    """It is a document, and its bytes are in the bucket."""
    DUPLICATE = "duplicate"
    """Another document of the collection has its bytes, so it is none."""
    SKIPPED = "skipped"
    """It could not become a document; its reason says why."""


@dataclass(frozen=True, slots=True)
class Child:
    """A file within a document, as the ledger keeps it beside that one.

    ``document_id`` is the one that the file is, or would be; ``generation`` that of the document
    around it which it was seen in last. ``checksum``: the SHA-256 of its bytes in hexadecimal, ''
    until they are read. ``owner``: of a duplicate, the document that has them. ``at``: when this
    was recorded.
    """

    document_id: str
    path: str
    generation: int
    state: ChildState = ChildState.PENDING
    checksum: str = ""
    owner: str = ""
    reason: Reason | None = None
    at: str = ""

    @property
    def place(self) -> str:
        """Where it stands among its siblings: by path. It has at most 827 bytes."""
        return f"{self.path[:_PLACE_CHARACTERS]}#{self.document_id}"


def child_id(parent: str, path: str) -> str:
    """The id of what is at ``path`` in a document: taking it out again makes no second one."""
    digest = hashlib.sha256(f"{parent}\n{path}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"in-{digest[:24]}"


def room_in(document: Document) -> Origin:
    """How deep a document lies, and how much may be taken out of it."""
    return document.origin or Origin("", "", "", 0, MAX_FILES, MAX_BYTES)


def origin_in(document: Document, path: str, size: int, sizes: Sequence[int]) -> Origin:
    """Of a file of ``size`` bytes that is taken out of the document with others, all of ``sizes``.

    What is left of the room there goes to each by its size: what may come out of one upload is
    bounded, however it nests, and none has to know how many the others have in them.
    """
    room = room_in(document)
    together = max(1, sum(sizes))
    files = max(0, room.files - len(sizes)) * size // together
    rest = max(0, room.bytes - together) * size // together
    return Origin(
        document.document_id, document.filename, path, room.depth + 1, files=files, bytes=rest
    )
