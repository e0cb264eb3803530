"""How a webhook's body is signed, and how its receiver knows that it is ours and new.

``Ragline-Signature: t=1794000000,v1=5257a8…,v1=9f86d0…``: ``t`` is when it was sent, in seconds
since 1970, each ``v1`` the HMAC-SHA256 (RFC 2104) of ``{t}.{body}`` in hexadecimal, one for each
secret that is good at the time. It is the scheme of https://docs.stripe.com/webhooks/signatures.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "Ragline-Signature"
EVENT_HEADER = "Ragline-Event-Id"
ATTEMPT_HEADER = "Ragline-Attempt"

REPLAY_SECONDS = 300
"""A receiver refuses what is older: whoever overheard it cannot send it again later."""


def sign(body: str, secrets: Sequence[str], at: int) -> str:
    """The header's value; ``at`` is in seconds since 1970."""
    return ",".join([f"t={at}", *(f"v1={_digest(body, secret, at)}" for secret in secrets)])


def verify(header: str, body: str, secret: str, now: int) -> bool:
    """Whether the body was signed with this secret, at most ``REPLAY_SECONDS`` from ``now``."""
    fields = [field.strip().partition("=") for field in header.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdigit():
        return False
    at = int(times[0])
    if abs(now - at) > REPLAY_SECONDS:
        return False
    expected = _digest(body, secret, at).encode()
    # Every one is compared, and bytes are: text beyond ASCII would raise.
    found = [hmac.compare_digest(value.encode(), expected) for name, _, value in fields
             if name == "v1"]  # fmt: skip
    return any(found)


def _digest(body: str, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
