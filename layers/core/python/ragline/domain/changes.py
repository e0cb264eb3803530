"""What one write changed about a document, as far as others want to hear of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ragline.domain.documents import Document


@dataclass(frozen=True, slots=True)
class Change:
    """A document as one write left it; ``ended``: by this very write it came to its status, which
    is a terminal one.

    Changes are told at least once, and those of one document in their order.
    """

    document: Document
    ended: bool

    @property
    def event_id(self) -> str:
        """Names the ending for good: a change that is told twice has one id.

        A document that is tried again and ends as before has ended twice, so the time counts too.
        """
        document = self.document
        told = (
            str(document.partition),
            document.document_id,
            str(document.generation),
            document.status.value,
            document.updated_at,
        )
        return "evt_" + hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]

    @property
    def kind(self) -> str:
        """What happened, such as ``document.indexed``."""
        return f"document.{self.document.status.value}"


def newest(changes: Iterable[Change]) -> Sequence[Change]:
    """Of each document every ending, and of the rest the last change only; in their order."""
    found = list(changes)
    last = {
        (change.document.partition.tenant, change.document.document_id): place
        for place, change in enumerate(found)
    }
    return [
        change
        for place, change in enumerate(found)
        if change.ended
        or place == last[change.document.partition.tenant, change.document.document_id]
    ]
