"""Documents' passwords in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ragline.domain.times import utc_now
from ragline.ports import KeptPassword


class MemoryPasswords:
    """``ports.Passwords``. ``asked`` counts how often one was looked for."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[str, datetime]] = {}
        self.asked = 0

    def put(self, tenant: str, document_id: str, password: str) -> None:
        self._kept[tenant, document_id] = password, self._clock()

    def get(self, tenant: str, document_id: str) -> str:
        self.asked += 1
        return self._kept.get((tenant, document_id), ("", None))[0]

    def remove(self, tenant: str, document_id: str) -> None:
        self._kept.pop((tenant, document_id), None)

    def kept(self) -> Sequence[KeptPassword]:
        return [KeptPassword(*owner, since) for owner, (_, since) in self._kept.items()]
