"""Queues in memory: what was sent, in order."""

from __future__ import annotations

from collections.abc import Sequence

from ragline.domain.chunks import Part
from ragline.domain.messages import IndexOp, PageWork, PartReady
from ragline.ports import Backlog


class MemoryQueues:
    """``ports.Queues``; ``parts``, ``pages`` and ``ops`` hold what was sent, in order."""

    def __init__(self) -> None:
        self.parts: list[PartReady] = []
        self.pages: list[PageWork] = []
        self.ops: list[IndexOp] = []

    def send_parts(self, parts: Sequence[Part], *, nonce: str = "", trace_id: str = "") -> None:
        self.parts.extend(PartReady.of(part, nonce, trace_id) for part in parts)

    def send_pages(self, work: Sequence[PageWork], *, delay: int = 0) -> None:
        self.pages.extend(work)

    def send_ops(self, ops: Sequence[IndexOp]) -> None:
        self.ops.extend(ops)

    def backlog(self) -> Backlog:
        return Backlog(len(self.pages), len(self.parts), len(self.ops))
