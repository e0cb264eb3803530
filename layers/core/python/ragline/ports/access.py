"""Who calls, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ragline.domain.access import KeyRecord, Plan, Principal, Rates


class KnownKeys(Protocol):
    """What is asked of keys for every request."""

    def find(self, digest: str) -> KeyRecord | None:
        """The record of a key, revoked and expired ones too."""

    def plan(self, tenant: str) -> Plan | None:
        """The tenant's own usage plan."""


class Keys(KnownKeys, Protocol):
    """The records of API keys and of usage plans. No key is ever in them, only its SHA-256.

    ``find`` and ``plan`` are strongly consistent.
    """

    def add(self, record: KeyRecord) -> None:
        """Keep a new key's record.

        Raises:
            Conflict: there is one of the same digest.
        """

    def of(self, tenant: str) -> Sequence[KeyRecord]:
        """A tenant's, newest first; one made or changed a moment ago may be missing or old."""

    def revoke(self, digest: str, at: str) -> KeyRecord | None:
        """Close a key; the record as it is then. One that was revoked keeps its time."""

    def drop(self, digest: str) -> None:
        """Remove the record of one key; an absent one is no error."""

    def keep_plan(self, plan: Plan) -> None: ...

    def forget(self, tenant: str) -> None:
        """Remove every record of a tenant's keys, and its plan's; none is no error."""


class Tokens(Protocol):
    """Bearer tokens of an identity provider."""

    def principal(self, token: str) -> Principal:
        """Whose token it is.

        Raises:
            Unauthorised: it is not one of the issuer's for this API, or it is over.
            Forbidden: it is, and says no tenant or no role that we know.
        """


class UsagePlans(Protocol):
    """What the gateway lets a tenant's callers ask."""

    def set(self, tenant: str, rates: Rates, plan: Plan | None) -> Plan:
        """Make the tenant's plan, or give ``plan`` these rates; what is None in them stays."""

    def remove(self, plan: Plan) -> None:
        """An absent one is no error."""


class Tickets(Protocol):
    """What lets a caller connect by WebSocket once, within ``TICKET_SECONDS``."""

    def put(self, digest: str, caller: Principal) -> None: ...

    def take(self, digest: str) -> Principal | None:
        """Whose it is, the first time it is asked for; None afterwards, and when it is over."""


class TenantSecrets(Protocol):
    """The secrets that are kept for a tenant, by their names alone."""

    def of(self, tenant: str) -> Sequence[str]: ...

    def remove(self, names: Sequence[str]) -> None:
        """Absent ones are no error."""
