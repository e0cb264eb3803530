"""What tenants used, in memory; see ``adapters.memory``."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ragline.domain.usage import Usage


class MemoryUsageBook:
    """``ports.UsageBook``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)

    def add(self, tenant: str, month: str, function: str, counts: Mapping[str, float]) -> None:
        used = {name: round(amount, 3) for name, amount in counts.items() if amount}
        with self._lock:
            if used:
                book = self._used[tenant, month, function]
                for name, amount in used.items():
                    book[name] = book.get(name, 0.0) + amount

    def of(self, tenant: str, month: str) -> Sequence[Usage]:
        return [usage for whose, usage in self.everyone(month) if whose == tenant]

    def everyone(self, month: str) -> Iterator[tuple[str, Usage]]:
        with self._lock:
            found = sorted(self._used.items())
        for (tenant, when, function), counts in found:
            if when == month:
                yield tenant, Usage(function, dict(counts))
