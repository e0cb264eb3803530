"""What a tenant used in a month, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragline.domain.costs import Line, Prices, a_chunk, bill, spent
from ragline.domain.figures import Figures, Size, storage_lines
from ragline.domain.tenants import Tenant
from ragline.domain.usage import Usage
from ragline.ports import Ledger, UsageBook


@dataclass(frozen=True, slots=True)
class Account:
    """``used`` was measured, by function; ``lines`` are what it costs. ``storage`` is by the month,
    of what the tenant holds now: the ledger's counts times what a chunk was measured to take.
    """

    tenant: Tenant
    month: str
    used: Sequence[Usage]
    lines: Sequence[Line]
    storage: Sequence[Line]
    a_chunk: float | None

    @property
    def usd(self) -> float:
        """What was used; storage is beside it, since it depends on how long things stay."""
        return spent(self.lines)


def account(
    tenant: str,
    month: str,
    *,
    book: UsageBook,
    ledger: Ledger,
    prices: Prices,
    figures: Figures,
) -> Account:
    """One tenant's month."""
    return made_up(ledger.tenant(tenant), month, book.of(tenant, month), prices, figures)


def made_up(
    tenant: Tenant, month: str, used: Sequence[Usage], prices: Prices, figures: Figures
) -> Account:
    holds = Size(tenant.holds.documents, tenant.holds.chunks, tenant.holds.bytes)
    storage = storage_lines(holds, figures, prices)
    return Account(tenant, month, used, bill(used, prices), storage, a_chunk(used, prices))


def cost_so_far(tenant: str, month: str, *, book: UsageBook, prices: Prices) -> float:
    """What a tenant's use of a month costs, in dollars."""
    return spent(bill(book.of(tenant, month), prices))


def by_tenant(found: Mapping[str, Sequence[Usage]], prices: Prices) -> list[tuple[str, float]]:
    """Tenant and dollars, the dearest first."""
    costs = [(tenant, spent(bill(used, prices))) for tenant, used in found.items()]
    return sorted(costs, key=lambda one: (-one[1], one[0]))
