"""What tenants use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ragline.domain.usage import Usage


class UsageBook(Protocol):
    """What tenants used, by month and function; see ``domain.usage``."""

    def add(self, tenant: str, month: str, function: str, counts: Mapping[str, float]) -> None:
        """Add to what is there; ``STACK`` in a tenant's place for what is nobody's."""

    def of(self, tenant: str, month: str) -> Sequence[Usage]:
        """By function, in the order of their names."""

    def everyone(self, month: str) -> Iterator[tuple[str, Usage]]:
        """Tenant and usage, of all tenants and the stack, in no order; reads the whole ledger."""
