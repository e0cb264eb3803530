"""An issuer's public keys: fetched when first needed, kept, and fetched again when they change.

A key id that is not known causes one fetch (keys were rotated), but not more often than every
``PACE_SECONDS``, or anyone could make us ask by inventing ids. Where the issuer does not answer,
the keys that were fetched go on for ``STALE_SECONDS``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ragline.domain.errors import ServiceUnavailable, SetupError

FRESH_SECONDS = 3_600
STALE_SECONDS = 86_400
PACE_SECONDS = 30
FETCH_SECONDS = 3
MAX_BYTES = 256 * 1024

_HERE = frozenset({"127.0.0.1", "::1", "localhost"})

Fetch = Callable[[str], bytes]


class KeySet:
    """The keys at one place. ``jwks_url`` '' means: where the issuer's own description says.

    ``fetch`` gives the bytes at an address, or raises OSError or ValueError.
    """

    def __init__(
        self,
        issuer: str,
        jwks_url: str = "",
        *,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._url = check_url(jwks_url, "JWT_JWKS_URL") if jwks_url else ""
        if not jwks_url:
            check_url(issuer, "JWT_ISSUER")
        self._fetch = fetch or _fetched
        self._clock = clock
        self._keys: Mapping[str, Mapping[str, Any]] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def get(self, kid: str) -> Mapping[str, Any] | None:
        """The JSON Web Key of this id; None if the issuer has none.

        Raises:
            ServiceUnavailable: no keys could be fetched, or they are too old by now.
        """
        if self._age() > FRESH_SECONDS or kid not in self._keys:
            self._refresh()
        if self._age() > STALE_SECONDS:
            raise ServiceUnavailable(f"the keys of {self._issuer} cannot be fetched.")
        return self._keys.get(kid)

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _refresh(self) -> None:
        """Fetch if it is not too soon; what cannot be fetched leaves the keys as they are."""
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < PACE_SECONDS:
            return
        self._tried_at = now
        try:
            self._keys = _by_id(self._json(self._url or self._described()))
        except (OSError, ValueError):
            return
        self._fetched_at = now

    def _described(self) -> str:
        """https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig"""
        told = self._json(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if told.get("issuer") != self._issuer:
            raise ValueError("it describes another issuer")
        self._url = _allowed(str(told.get("jwks_uri", "")))
        return self._url

    def _json(self, url: str) -> dict[str, Any]:
        found = json.loads(self._fetch(url))
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
        return found


def check_url(url: str, name: str) -> str:
    """``url``, if keys may be fetched from there: by TLS, or from this machine.

    Raises:
        SetupError: they may not; says which setting is wrong.
    """
    try:
        return _allowed(url)
    except ValueError as error:
        raise SetupError(
            f"{name}={url!r} is not a place to fetch keys from: give an https:// address."
        ) from error


def _allowed(url: str) -> str:
    place = urlsplit(url)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in _HERE):
        raise ValueError("not https")
    if not place.hostname or place.username is not None:
        raise ValueError("no host, or one with a user")
    return url


def _by_id(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Those that sign; a set without any is taken for none, and the keys we have stay."""
    listed = found.get("keys")
    keys: dict[str, Mapping[str, Any]] = {
        key["kid"]: key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict) and isinstance(key.get("kid"), str)
        if key.get("use", "sig") == "sig"
    }
    if not keys:
        raise ValueError("no keys")
    return keys


class _NoRedirects(HTTPRedirectHandler):
    """A redirect may leave TLS; it is an error here."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _fetched(url: str) -> bytes:
    request = Request(url, headers={"accept": "application/json"})  # noqa: S310 - see ``_allowed``
    try:
        with build_opener(_NoRedirects).open(request, timeout=FETCH_SECONDS) as answer:
            data: bytes = answer.read(MAX_BYTES + 1)
    except HTTPException as error:
        raise OSError(str(error)) from error
    if len(data) > MAX_BYTES:
        raise ValueError("too long")
    return data
