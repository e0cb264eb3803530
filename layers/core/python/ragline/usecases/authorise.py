"""Who sends a request: by an API key, or by an identity provider's token."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime

from ragline.domain.access import Credentials, Principal, Role
from ragline.domain.errors import Unauthorised
from ragline.domain.times import iso
from ragline.ports import KnownKeys, Tokens
from ragline.usecases.keys import digest_of

OWNER_TENANT = "default"
"""Of what the stack's own key opens."""

MAX_KEY = 200


def authorise(
    credentials: Credentials,
    *,
    keys: KnownKeys,
    owner: Callable[[], str],
    tokens: Callable[[], Tokens | None],
    now: datetime,
) -> Principal:
    """The caller. A token counts before a key; a wrong one is not made good by a right key.

    ``owner`` gives the stack's own key, '' for none, and ``tokens`` who knows tokens, None where
    no issuer is set; each is only asked if it is needed.

    Raises:
        Unauthorised, Forbidden: the message is for our log, it holds no secret.
    """
    if credentials.token:
        known = tokens()
        if known is None:
            raise Unauthorised("a bearer token came, and no issuer is set (JWT_ISSUER)")
        return known.principal(credentials.token)
    if credentials.key:
        return _by_key(credentials.key, keys, owner, iso(now))
    raise Unauthorised("neither x-api-key nor a bearer token came")


def _by_key(key: str, keys: KnownKeys, owner: Callable[[], str], now: str) -> Principal:
    if len(key) > MAX_KEY:
        raise Unauthorised("the API key is too long to be one")
    digest = digest_of(key)
    record = keys.find(digest)
    if record is None:
        own = owner()
        # Digests, so that neither length nor content shows in how long comparing takes.
        if own and hmac.compare_digest(digest, digest_of(own)):
            return Principal(OWNER_TENANT, Role.ADMIN, "key:owner")
        raise Unauthorised("no such API key")
    if why := record.over(now):
        raise Unauthorised(f"API key {record.key_id} is {why}")
    return Principal(record.tenant, record.role, f"key:{record.key_id}")
