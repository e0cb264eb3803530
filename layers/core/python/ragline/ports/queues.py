"""The queues of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ragline.domain.chunks import Part
from ragline.domain.messages import IndexOp, PageWork


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages that wait, are held back or are in hand, by queue; the counts are approximate."""

    pages: int = 0
    chunks: int = 0
    index_ops: int = 0


class Queues(Protocol):
    """The queues that the pipeline writes to. A send that fails in part is retried, then raises."""

    def send_parts(self, parts: Sequence[Part], *, nonce: str = "", trace_id: str = "") -> None:
        """``nonce`` marks work that is asked for anew; see ``messages.Envelope``."""

    def send_pages(self, work: Sequence[PageWork], *, delay: int = 0) -> None:
        """``delay``: so many seconds, at most 900, before anyone is told."""

    def send_ops(self, ops: Sequence[IndexOp]) -> None:
        """In order within each partition."""

    def backlog(self) -> Backlog: ...
