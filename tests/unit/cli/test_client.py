from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from ragline.cli.client import ATTEMPTS, Client
from ragline.cli.target import Address
from ragline.domain.errors import ServiceUnavailable, SetupError, Throttled
from tests.unit.cli.fakes import API_URL, KEY, Clock, FakeApi, outside, problem


def client(
    handler: Callable[[httpx.Request], httpx.Response], clock: Clock | None = None
) -> Client:
    return Client(Address(API_URL, "here", KEY), outside(handler, clock=clock))


def test_it_sends_the_key_and_says_who_it_is() -> None:
    api = FakeApi()
    with client(api) as it:
        it.info()
    assert api.requests[0].headers["x-api-key"] == KEY
    assert api.requests[0].headers["user-agent"].startswith("ragline/")


@pytest.mark.parametrize("status", [429, 503])
def test_asked_to_slow_down_it_waits_longer_and_longer_and_succeeds(status: int) -> None:
    answers = [problem(status, "throttled", "slow down.")] * (ATTEMPTS - 1)
    clock, api = Clock(), FakeApi()
    api.override = lambda request: answers.pop() if answers else None
    with client(api, clock) as it:
        assert it.info()["version"] == "0.1.0"
    assert len(clock.slept) == ATTEMPTS - 1
    assert all(pause <= 0.5 * 2**number for number, pause in enumerate(clock.slept))


def test_it_gives_up_at_last_with_the_api_s_own_words() -> None:
    calls = []

    def throttle(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return problem(429, "throttled", "slow down.")

    with client(throttle) as it, pytest.raises(Throttled, match="slow down"):
        it.info()
    assert len(calls) == ATTEMPTS


def test_it_waits_as_long_as_it_is_asked_to_within_reason() -> None:
    answers = [
        httpx.Response(503, headers={"retry-after": "7"}),
        httpx.Response(503, headers={"retry-after": "86400"}),
        httpx.Response(503, headers={"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}),
    ]
    clock, api = Clock(), FakeApi()
    api.override = lambda request: answers.pop(0) if answers else None
    with client(api, clock) as it:
        it.info()
    assert clock.slept[:2] == [7, 20]
    assert clock.slept[2] <= 2


def test_nobody_listening_is_found_out_quickly() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    clock = Clock()
    with client(refuse, clock) as it, pytest.raises(SetupError, match="cannot be reached"):
        it.info()
    assert clock.now < 1


FOREIGN = [httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError]


@pytest.mark.parametrize("error", FOREIGN)
def test_a_broken_connection_is_tried_again_and_then_ours(
    error: type[httpx.TransportError],
) -> None:
    calls = []

    def break_off(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        raise error("broken", request=request)

    with client(break_off) as it, pytest.raises(ServiceUnavailable, match=error.__name__):
        it.info()
    assert len(calls) == ATTEMPTS


def test_an_address_never_shows_its_key() -> None:
    assert KEY not in repr(Address(API_URL, "here", KEY))
