"""Trying again, politely."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Bounded tries with exponential pauses and full jitter; times in seconds.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    tries: int = 14
    first: float = 0.02
    longest: float = 1.0
    sleep: Callable[[float], None] = time.sleep

    def attempts(self) -> Iterator[int]:
        """Yields 0, 1, … at most ``tries`` times, pausing before every one but the first."""
        for attempt in range(self.tries):
            if attempt:
                longest = min(self.longest, self.first * 2**attempt)
                self.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, not a secret
            yield attempt
