"""API keys: made, listed, revoked. A key is seen once, by who made it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ragline.domain.access import KeyRecord, Rates, Role
from ragline.domain.documents import check_name
from ragline.domain.errors import InvalidRequest, NotFound
from ragline.domain.times import iso
from ragline.ports import Keys, UsagePlans

PREFIX = "rag_"
"""Begins every key, so that scanners for secrets can know one."""

KEY_BYTES = 32
MAX_NAME = 80
MAX_DAYS = 3_650
MAX_KEYS = 100
"""Of one tenant, revoked and expired ones left out."""

MAX_ENDED = 100
"""Of one tenant, that are revoked or expired and still listed. What is forgotten opens nothing."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key, and its record. ``key`` is a secret: shown once, kept nowhere."""

    key: str = field(repr=False)
    record: KeyRecord


def digest_of(key: str) -> str:
    """SHA-256 in hexadecimal. Keys are random, so a slow hash would protect nothing more."""
    return hashlib.sha256(key.encode()).hexdigest()


def create(
    tenant: str, role: Role, name: str, *, keys: Keys, now: datetime, days: int | None = None
) -> NewKey:
    """Make a key of a tenant; with ``days``, it is over after so many.

    Raises:
        InvalidRequest: a name is not allowed, or the tenant has too many keys.
    """
    check_name(tenant, "tenant")
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidRequest(f"name: give 1 to {MAX_NAME} printable characters.")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise InvalidRequest(f"expires_in_days: from 1 to {MAX_DAYS:,}.")
    time, known = iso(now), keys.of(tenant)
    ended = [one for one in known if one.over(time)]
    if len(known) - len(ended) >= MAX_KEYS:
        raise InvalidRequest(
            f"tenant {tenant} has {MAX_KEYS} keys, and may have no more: revoke one first."
        )
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    expires = iso(now + timedelta(days=days)) if days is not None else ""
    record = KeyRecord(digest_of(key), tenant, role, name.strip(), key[-4:], time, expires)
    keys.add(record)
    for one in ended[MAX_ENDED:]:
        keys.drop(one.digest)
    return NewKey(key, record)


def listed(tenant: str, *, keys: Keys) -> Sequence[KeyRecord]:
    """A tenant's keys, newest first; of those that are over, the newest."""
    return keys.of(check_name(tenant, "tenant"))


def revoke(tenant: str, key_id: str, *, keys: Keys, now: datetime) -> KeyRecord:
    """Close a key by the id that ``listed`` gives; again is no error.

    Raises:
        NotFound: the tenant has no such key.
    """
    found = [one for one in listed(tenant, keys=keys) if one.key_id == key_id]
    revoked = keys.revoke(found[0].digest, iso(now)) if found else None
    if revoked is None:
        raise NotFound(f"tenant {tenant} has no key {key_id[:64]!r}.")
    return revoked


def limit(tenant: str, rates: Rates, *, keys: Keys, plans: UsagePlans) -> None:
    """Give a tenant's callers, together, these limits at the gateway; what is None stays.

    Raises:
        InvalidRequest: one of them is out of bounds.
    """
    check_name(tenant, "tenant")
    _check(rates)
    keys.keep_plan(plans.set(tenant, rates, keys.plan(tenant)))


def _check(rates: Rates) -> None:
    if (rates.rate is None) != (rates.burst is None):
        raise InvalidRequest("rate and burst: give both, or neither.")
    if rates.rate is not None and not 0 < rates.rate <= 10_000:
        raise InvalidRequest("rate: more than 0, and at most 10,000 requests a second.")
    if rates.burst is not None and not 1 <= rates.burst <= 5_000:
        raise InvalidRequest("burst: from 1 to 5,000 requests.")
    if rates.quota_per_day is not None and rates.quota_per_day < 1:
        raise InvalidRequest("quota_per_day: at least 1 request.")
