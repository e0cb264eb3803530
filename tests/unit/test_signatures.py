"""What a webhook's signature proves, and where webhooks may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.domain.addresses import check_address, parse_networks, parse_url
from ragline.domain.errors import InvalidRequest, SetupError
from ragline.domain.signatures import REPLAY_SECONDS, sign, verify

NOW = 1_794_000_000


@given(st.text(), st.text(min_size=1))
def test_what_is_signed_is_verified_by_the_same_secret_and_by_no_other(
    body: str, secret: str
) -> None:
    header = sign(body, [secret], NOW)
    assert verify(header, body, secret, NOW)
    assert not verify(header, body + " ", secret, NOW)
    assert not verify(header, body, secret + "x", NOW)


def test_both_secrets_verify_while_one_replaces_the_other() -> None:
    header = sign("{}", ["new", "old"], NOW)
    assert verify(header, "{}", "new", NOW)
    assert verify(header, "{}", "old", NOW)


@pytest.mark.parametrize("late", [REPLAY_SECONDS + 1, -REPLAY_SECONDS - 1])
def test_what_was_signed_at_another_time_is_refused(late: int) -> None:
    header = sign("{}", ["s"], NOW)
    assert verify(header, "{}", "s", NOW + (REPLAY_SECONDS if late > 0 else -REPLAY_SECONDS))
    assert not verify(header, "{}", "s", NOW + late)


def test_the_time_is_part_of_what_is_signed() -> None:
    header = sign("{}", ["s"], NOW).replace(f"t={NOW}", f"t={NOW + 1}")
    assert not verify(header, "{}", "s", NOW)


@pytest.mark.parametrize(
    "header",
    ["", "t=", "v1=abc", f"t={NOW}", f"t={NOW},v1=", f"t={NOW},t={NOW},v1=x", "t=٣,v1=x",
     f"t={NOW},v1=é", "t=1e9,v1=x", ",,,="],
)  # fmt: skip
def test_a_header_that_is_none_is_refused_without_a_fuss(header: str) -> None:
    assert not verify(header, "{}", "s", NOW)


@given(st.text(max_size=200))
def test_no_header_makes_verifying_fail(header: str) -> None:
    assert not verify(header, "{}", "s", NOW)


HERE = parse_url("https://example.com/hooks")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
     "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1",
     "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1",
     "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "2002:a00:1::",
     "2001:db8::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequest, match="not public"):
        check_address(HERE, address, [])


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_a_public_address_is_taken_over_tls_only(address: str) -> None:
    check_address(HERE, address, [])
    with pytest.raises(InvalidRequest, match="https"):
        check_address(parse_url("http://example.com/"), address, [])


def test_a_network_that_is_allowed_may_be_private_and_without_tls() -> None:
    allowed = parse_networks("127.0.0.0/8, 10.1.0.0/16")
    plain = parse_url("http://localhost:8080/")
    check_address(plain, "127.0.0.1", allowed)
    check_address(plain, "::ffff:10.1.2.3", allowed)
    for other in ("10.2.0.1", "::1"):
        with pytest.raises(InvalidRequest):
            check_address(plain, other, allowed)


def test_a_setting_that_names_no_network_says_so() -> None:
    with pytest.raises(SetupError, match="WEBHOOK_ALLOW"):
        parse_networks("10.0.0.1/8")


@pytest.mark.parametrize(
    "url",
    ["", "example.com", "/hooks", "ftp://example.com/", "https://", "https:///x", "file:///etc/x",
     "https://user@example.com/", "https://user:pw@example.com/", "https://example.com/#x",
     "https://exa mple.com/", "https://example.com\\@10.0.0.1/", "https://example.com:99999/",
     "https://[::1/", "https://bücher.example/", "https://example.com/\r\nHost: x",
     "https://example.com/" + "x" * 2_048],
)  # fmt: skip
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="url"):
        parse_url(url)


def test_a_url_is_taken_apart_as_the_request_needs_it() -> None:
    place = parse_url("https://Example.com.:8443/hooks?a=1")
    assert (place.host, place.port, place.target) == ("example.com", 8443, "/hooks?a=1")
    assert place.authority == "example.com:8443"
    assert parse_url("https://[2606:2800::1]/").authority == "[2606:2800::1]"
    assert parse_url("https://example.com").target == "/"
