"""What documents have in them, kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragline.domain.children import Child


class KeptChildren:
    """The records of files within documents; whoever shares it between threads has a lock."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], dict[str, Child]] = {}

    def put(self, tenant: str, parent: str, child: Child, at: str) -> bool:
        kept = self._of.setdefault((tenant, parent), {})
        before = kept.get(child.place)
        if before and before.generation > child.generation:
            return False
        kept[child.place] = replace(child, at=at)
        return True

    def of(
        self, tenant: str, parent: str, *, after: str = "", limit: int | None = None
    ) -> Sequence[Child]:
        kept = self._of.get((tenant, parent), {})
        return [kept[place] for place in sorted(kept) if place > after][:limit]

    def drop(self, tenant: str, parent: str, below: int, keep: int) -> None:
        kept = self._of.get((tenant, parent), {})
        for place, child in list(kept.items()):
            if child.generation < below and child.generation != keep:
                del kept[place]
