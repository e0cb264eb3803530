"""A circuit breaker for a process that serves one invocation at a time.

https://martinfowler.com/bliki/CircuitBreaker.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable


class Breaker:
    """Open for a while after an overloaded service was met, longer each time in a row; in seconds.

    Whoever comes first when it is no longer open is the probe: ``trip`` opens it for twice as long
    as before (equal jitter, at most ``longest``), ``reset`` forgets all.
    """

    def __init__(
        self,
        *,
        first: float = 2.0,
        longest: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first, self._longest, self._clock = first, longest, clock
        self._period, self._until = 0.0, clock()

    @property
    def seconds(self) -> float:
        """For how long it stays open; 0 if it is closed."""
        return max(0.0, self._until - self._clock())

    def trip(self) -> None:
        self._period = min(self._longest, 2 * self._period or self._first)
        jitter = random.uniform(0.5, 1)  # noqa: S311 - not a secret
        self._until = self._clock() + jitter * self._period

    def reset(self) -> None:
        self._period, self._until = 0.0, self._clock()
