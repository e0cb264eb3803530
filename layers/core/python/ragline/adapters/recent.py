"""Records of keys, plans and secrets that were read a moment ago, for a function that lives on.

Every request asks for them. So a revoked key goes on for as long as it is kept here, and no longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ragline.adapters.aws_errors import translated
from ragline.domain.access import KeyRecord, Plan
from ragline.domain.errors import SetupError
from ragline.ports import Keys

K = TypeVar("K")
V = TypeVar("V")

SECONDS = 15.0
"""How long a revoked key may go on."""

MOST = 1_000


class Recent(Generic[K, V]):
    """What ``read`` gave for each of the last ``MOST`` keys, for ``seconds``; None is not kept."""

    def __init__(
        self,
        read: Callable[[K], V | None],
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._seconds, self._clock = read, seconds, clock
        self._kept: dict[K, tuple[float, V]] = {}

    def __call__(self, key: K) -> V | None:
        now = self._clock()
        kept = self._kept.pop(key, None)
        if kept and now < kept[0]:
            self._kept[key] = kept
            return kept[1]
        value = self._read(key)
        if value is not None:
            while len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = now + self._seconds, value
        return value


class RecentKeys:
    """The two questions of ``ports.Keys`` that the authoriser asks."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = time.monotonic) -> None:
        self._find: Recent[str, KeyRecord] = Recent(keys.find, clock=clock)
        # A plan that is new, or gone, is only noticed so late; whether there is one is kept too.
        self._plan: Recent[str, tuple[Plan | None]] = Recent(
            lambda tenant: (keys.plan(tenant),), clock=clock
        )

    def find(self, digest: str) -> KeyRecord | None:
        return self._find(digest)

    def plan(self, tenant: str) -> Plan | None:
        found = self._plan(tenant)
        return found[0] if found else None


def secret_text(arn: str, *, client: object) -> str:
    """The text of a secret of Secrets Manager, without the spaces around it.

    Raises:
        SetupError: there is no such secret, it may not be read, or it holds no text.
    """
    with translated(f"secret {arn}"):
        found = client.get_secret_value(SecretId=arn)  # type: ignore[attr-defined]
    text = str(found.get("SecretString", "")).strip()
    if not text:
        raise SetupError(f"secret {arn} holds no text.")
    return text
