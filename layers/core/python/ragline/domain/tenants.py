"""What a tenant holds, and the caps on that. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

from ragline.domain.documents import Document, Status
from ragline.domain.errors import QuotaExceeded


@dataclass(frozen=True, slots=True)
class Holdings:
    """How much of everything; or, where two are compared, how much more (negative: less)."""

    documents: int = 0
    bytes: int = 0
    chunks: int = 0

    def __add__(self, other: Holdings) -> Holdings:
        return Holdings(
            self.documents + other.documents, self.bytes + other.bytes, self.chunks + other.chunks
        )

    def __sub__(self, other: Holdings) -> Holdings:
        return self + Holdings(-other.documents, -other.bytes, -other.chunks)

    def __bool__(self) -> bool:
        return self != Holdings()


HELD = tuple(each.name for each in fields(Holdings))


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that a tenant may hold, and use in a month in dollars (``cost``); None is no cap."""

    documents: int | None = None
    bytes: int | None = None
    chunks: int | None = None
    cost: float | None = None


NO_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant's caps, and what it holds. ``moves`` counts how often that changed: it tells
    whether anything did between two looks.
    """

    name: str
    caps: Caps = NO_CAPS
    holds: Holdings = field(default_factory=Holdings)
    moves: int = 0

    @property
    def capped(self) -> bool:
        return self.caps != NO_CAPS

    def without(self, less: Holdings) -> Tenant:
        return replace(self, holds=self.holds - less)

    def check_room(self, more: Holdings, what: str) -> None:
        """Raises QuotaExceeded if ``what`` needs more than its caps leave."""
        for name in HELD:
            cap, needed = getattr(self.caps, name), getattr(more, name)
            held = getattr(self.holds, name)
            if cap is not None and needed > 0 and held + needed > cap:
                things = name.removesuffix("s") if needed == 1 else name
                raise QuotaExceeded(
                    f"{what} needs {needed:,} more {things}, and tenant {self.name!r} holds "
                    f"{held:,} of its cap max_{name}, {cap:,}. Delete documents, or have the "
                    f"cap raised (`ragline tenants set {self.name} --max-{name} …`)."
                )

    def check_cost(self, spent: Callable[[str], float]) -> None:
        """Raises QuotaExceeded if ``spent(name)``, in dollars, has reached its cap.

        Asked only if there is one.
        """
        cap = self.caps.cost
        if cap is None or (used := spent(self.name)) < cap:
            return
        raise QuotaExceeded(
            f"tenant {self.name!r} has used ${used:,.2f} this month, of its cap max_cost, "
            f"${cap:,.2f}. Wait for the next month, or have the cap raised "
            f"(`ragline tenants set {self.name} --max-cost …`)."
        )


def held_by(document: Document | None) -> Holdings:
    """What one document adds to its tenant's holdings; nothing, once it is deleted.

    From its registration on, so that what was promised room has it; whether it failed or not, for
    its bytes and chunks are there until it is deleted. Chunks are those of the newest generation
    and, until that takes its place, of the live one.
    """
    if document is None or document.status is Status.DELETED:
        return Holdings()
    replacing = 0 < document.live_generation != document.generation
    older = document.live_chunks if replacing else 0
    return Holdings(1, document.size, document.progress.chunks_total + older)
