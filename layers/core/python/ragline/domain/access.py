"""Who calls, and what a caller of each role may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Each may do what those before it may."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"

    def allows(self, needed: Role) -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose word about itself was checked. ``name`` is for logs: no secret is in it."""

    tenant: str
    role: Role
    name: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brought to say who sends it; '' where it brought none. Both are secrets."""

    key: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"Credentials(key={bool(self.key)}, token={bool(self.token)})"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of an API key: never the key, only its SHA-256 (``digest``, hexadecimal).

    ``hint`` is the key's last four characters, by which people tell keys apart. Times are
    ISO 8601, UTC; ``expires_at`` and ``revoked_at`` are '' for never.
    """

    digest: str
    tenant: str
    role: Role
    name: str
    hint: str
    created_at: str
    expires_at: str = ""
    revoked_at: str = ""

    @property
    def key_id(self) -> str:
        """Names the key to people. The key is too random to be guessed from it."""
        return self.digest[:16]

    def over(self, now: str) -> str:
        """Why the key opens nothing any more; '' if it does."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now else ""


@dataclass(frozen=True, slots=True)
class Rates:
    """What a tenant's callers may ask together; None is no limit of its own.

    ``rate`` is in requests a second, ``burst`` how many may come at once, the quota is by day.
    """

    rate: float | None = None
    burst: int | None = None
    quota_per_day: int | None = None

    @property
    def anything(self) -> bool:
        return (self.rate, self.burst, self.quota_per_day) != (None, None, None)

    def over(self, other: Rates) -> Rates:
        """These, and of ``other`` what these leave open."""
        return Rates(
            other.rate if self.rate is None else self.rate,
            other.burst if self.burst is None else self.burst,
            other.quota_per_day if self.quota_per_day is None else self.quota_per_day,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A tenant's usage plan at the gateway.

    ``meter`` is what the gateway counts a tenant's requests by. It is shaped like an API key of the
    gateway's and opens nothing.
    """

    tenant: str
    plan_id: str
    meter: str
    rates: Rates = Rates()
