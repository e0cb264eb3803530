"""What splitting needs, and what can come of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ragline.domain.documents import Partition
from ragline.ports import Files, Ledger, Objects, Ocr, Passwords, Queues, Reader, Tokenizer
from ragline.usecases.cut import Limits

STAGE = "split"


class Outcome(StrEnum):
    """What came of an event or message."""

    SPLIT = "split"
    RANGES_SENT = "ranges_sent"
    FAILED = "failed"
    LOST = "lost"
    STALE = "stale"
    GONE = "gone"
    DONE_BEFORE = "done_before"
    RESTARTED = "restarted"
    PUT_BACK = "put_back"
    WALKING = "walking"
    WALKED = "walked"


@dataclass(frozen=True, slots=True)
class Splitting:
    """The world as the splitter sees it."""

    ledger: Ledger
    objects: Objects
    files: Files
    queues: Queues
    reader: Reader
    tokenizer: Tokenizer
    limits: Limits
    passwords: Passwords
    ocr: Ocr | None = None
    """None: pages that are pictures stay without text."""

    def as_chosen(self, partition: Partition) -> Splitting:
        """For documents of this collection: cut as it asks for now.

        Read right before a generation begins: what began under older settings is found by the walk
        that a change of them starts.
        """
        chosen = self.ledger.collection(partition).chunking
        return replace(self, limits=replace(self.limits, chosen=chosen)) if chosen else self
