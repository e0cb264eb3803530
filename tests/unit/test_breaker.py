"""A breaker is open for a jittered, growing while, and the first after it is the probe."""

from __future__ import annotations

import pytest

from ragline.breaker import Breaker


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(first=2, longest=60, clock=clock)


def test_a_breaker_is_closed_until_it_is_tripped(breaker: Breaker) -> None:
    assert breaker.seconds == 0


def test_a_tripped_breaker_is_open_for_a_while_and_then_closed(
    breaker: Breaker, clock: Clock
) -> None:
    breaker.trip()
    assert 1 <= breaker.seconds <= 2
    clock.now += 0.5
    assert 0.5 <= breaker.seconds <= 1.5
    clock.now += 2
    assert breaker.seconds == 0


def test_a_probe_that_fails_opens_it_for_longer_each_time_up_to_the_longest(
    breaker: Breaker, clock: Clock
) -> None:
    for most in (2, 4, 8, 16, 32, *[60] * 2_000):
        breaker.trip()
        assert most / 2 <= breaker.seconds <= most
        clock.now += most


def test_processes_that_trip_at_once_do_not_come_back_at_once(clock: Clock) -> None:
    breakers = [Breaker(first=2, clock=clock) for _ in range(50)]
    for breaker in breakers:
        breaker.trip()
    assert len({breaker.seconds for breaker in breakers}) > 40


def test_a_reset_closes_it_and_forgets_how_long_it_was_open(breaker: Breaker) -> None:
    for _ in range(5):
        breaker.trip()
    breaker.reset()
    assert breaker.seconds == 0
    breaker.trip()
    assert breaker.seconds <= 2
