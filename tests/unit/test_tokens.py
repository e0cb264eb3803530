"""Bearer tokens: which are taken, whose they are, and how the issuer's keys are kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.adapters.jwt import jwks
from ragline.adapters.jwt.jwks import KeySet
from ragline.adapters.jwt.tokens import MAX_TOKEN, OidcTokens
from ragline.domain.access import Principal, Role
from ragline.domain.errors import Forbidden, ServiceUnavailable, SetupError, Unauthorised
from tests.issuer import AUDIENCE, Issuer

ISSUER = Issuer()
"""Its keys take a moment to make; no test changes it."""


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def tokens(
    issuer: Issuer = ISSUER, keys: KeySet | None = None, audience: tuple[str, ...] = (AUDIENCE,)
) -> OidcTokens:
    return OidcTokens(
        issuer.url,
        audience,
        keys or KeySet(issuer.url, fetch=issuer.fetch),
        tenant_claims=["custom:tenant", "tenant"],
        role_claims=["cognito:groups", "realm_access.roles", "roles"],
    )


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_good_token_names_its_bearer(algorithm: str) -> None:
    found = tokens().principal(ISSUER.token(algorithm))
    assert found == Principal("acme", Role.WRITER, "user:user-1")


def now() -> int:
    return int(time.time())


REFUSED: dict[str, Callable[[], str]] = {
    "over": lambda: ISSUER.token(exp=now() - 120),
    "not valid yet": lambda: ISSUER.token(nbf=now() + 600),
    "another audience": lambda: ISSUER.token(aud="someone-else"),
    "audience": lambda: ISSUER.token(aud=None),
    "another issuer": lambda: ISSUER.token(iss="https://elsewhere.example"),
    "algorithm": lambda: ISSUER.unsigned(),
    "its algorithm": lambda: ISSUER.signed_with_the_public_key(),
    "not its key's": lambda: ISSUER.token("RS512", kid="rsa-1"),
    "key id": lambda: ISSUER.token(kid="rsa-0"),
    "signature is wrong": lambda: ISSUER.token()[:-8] + "AAAAAAAA",
    "lacks exp": lambda: ISSUER.token(exp=None),
    "lacks exp, iss or sub": lambda: ISSUER.token(sub=None),
    "cannot be read": lambda: "eyJ4.eyJ5.eyJ6",
    "too long": lambda: "a" * (MAX_TOKEN + 1),
}
"""Made when they are asked for: the suite may run for longer than a token is good."""


@pytest.mark.parametrize("reason", REFUSED)
def test_a_bad_token_is_refused_with_its_reason_and_without_itself(reason: str) -> None:
    token = REFUSED[reason]()
    with pytest.raises(Unauthorised) as refused:
        tokens().principal(token)
    assert reason in str(refused.value)
    assert not set(token.split(".")) & set(str(refused.value).split())


@given(st.text() | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True))
def test_whatever_stands_for_a_token_is_a_refusal_and_no_failure(text: str) -> None:
    with pytest.raises(Unauthorised):
        tokens().principal(text)


def test_a_key_of_one_kind_does_not_verify_a_token_of_another() -> None:
    with pytest.raises(Unauthorised, match="algorithm"):
        tokens().principal(ISSUER.token("ES256", kid="rsa-1"))


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"custom:tenant": None}, "no tenant"),
        ({"custom:tenant": ""}, "no tenant"),
        ({"custom:tenant": 7}, "no tenant"),
        ({"custom:tenant": "acme/../default"}, "cannot be"),
        ({"custom:tenant": "ACME"}, "cannot be"),
        ({"cognito:groups": None}, "no role"),
        ({"cognito:groups": []}, "no role"),
        ({"cognito:groups": ["owner", "Admin"]}, "no role"),
        ({"cognito:groups": {"admin": True}}, "no role"),
    ],
)
def test_a_bearer_without_a_place_here_is_known_and_forbidden(
    claims: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Forbidden, match=reason):
        tokens().principal(ISSUER.token(**claims))


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"cognito:groups": ["reader", "admin", "writer"]}, Role.ADMIN),
        ({"cognito:groups": ["ragline-reader", "staff"]}, Role.READER),
        ({"cognito:groups": None, "roles": "reader writer"}, Role.WRITER),
        ({"cognito:groups": None, "realm_access": {"roles": ["admin"]}}, Role.ADMIN),
        # The first claim that is there counts, though it names less.
        ({"cognito:groups": ["reader"], "roles": ["admin"]}, Role.READER),
    ],
)
def test_the_highest_role_that_is_named_counts(claims: dict[str, Any], role: Role) -> None:
    assert tokens().principal(ISSUER.token(**claims)).role is role


def test_the_tenant_may_stand_in_another_claim() -> None:
    token = ISSUER.token(**{"custom:tenant": None, "tenant": "umbrella"})
    assert tokens().principal(token).tenant == "umbrella"


def test_one_of_several_audiences_is_enough() -> None:
    known = tokens(audience=("other", AUDIENCE))
    assert known.principal(ISSUER.token(aud=["x", AUDIENCE])).tenant == "acme"


def test_an_access_token_of_cognito_is_for_the_client_that_it_was_made_for() -> None:
    access: dict[str, Any] = {"aud": None, "token_use": "access"}
    assert tokens().principal(ISSUER.token(client_id=AUDIENCE, **access)).tenant == "acme"
    with pytest.raises(Unauthorised, match="audience"):
        tokens().principal(ISSUER.token(client_id="another", **access))
    with pytest.raises(Unauthorised, match="audience"):
        tokens().principal(ISSUER.token(client_id=AUDIENCE, aud=None))


def test_the_issuer_s_clock_may_differ_by_a_minute() -> None:
    assert tokens().principal(ISSUER.token(exp=now() - 30, nbf=now() + 30)).tenant == "acme"


def test_the_keys_are_found_by_the_issuer_s_description_and_fetched_once() -> None:
    issuer = Issuer()
    known = tokens(issuer)
    for algorithm in ("RS256", "ES256", "RS256"):
        known.principal(issuer.token(algorithm))
    assert issuer.asked == ["/.well-known/openid-configuration", "/jwks.json"]


def test_a_description_of_another_issuer_is_not_believed() -> None:
    issuer = Issuer()
    keys = KeySet(f"{issuer.url}/tenant", fetch=lambda url: issuer.fetch(_without_tenant(url)))
    with pytest.raises(ServiceUnavailable):
        keys.get("rsa-1")


def _without_tenant(url: str) -> str:
    return url.replace("/tenant", "")


def test_rotated_keys_are_fetched_when_first_met_and_inventing_ids_asks_no_oftener() -> None:
    issuer, clock = Issuer(), Clock()
    keys = KeySet(issuer.url, f"{issuer.url}/jwks.json", fetch=issuer.fetch, clock=clock)
    assert keys.get("rsa-1")
    issuer.kids["RS256"] = "rsa-2"

    for number in range(20):
        assert keys.get(f"invented-{number}") is None
    assert len(issuer.asked) == 1

    clock.now += jwks.PACE_SECONDS
    assert keys.get("rsa-2")
    assert keys.get("rsa-1") is None
    assert len(issuer.asked) == 2


def test_while_the_issuer_is_down_its_keys_go_on_for_a_day_and_no_longer() -> None:
    issuer, clock = Issuer(), Clock()
    keys = KeySet(issuer.url, f"{issuer.url}/jwks.json", fetch=issuer.fetch, clock=clock)
    assert keys.get("rsa-1")
    issuer.down = True

    clock.now += jwks.STALE_SECONDS
    assert keys.get("rsa-1")
    clock.now += 1
    with pytest.raises(ServiceUnavailable):
        keys.get("rsa-1")

    issuer.down = False
    clock.now += jwks.PACE_SECONDS
    assert keys.get("rsa-1")


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"keys": []}', b'{"keys": 1}', b"\xff"])
def test_an_answer_that_holds_no_keys_does_not_replace_those_we_have(answer: bytes) -> None:
    issuer, clock = Issuer(), Clock()
    answers = [issuer.fetch(f"{issuer.url}/jwks.json"), answer]
    keys = KeySet(
        issuer.url, f"{issuer.url}/jwks.json", fetch=lambda url: answers.pop(0), clock=clock
    )
    assert keys.get("rsa-1")
    clock.now += jwks.FRESH_SECONDS + 1
    assert keys.get("rsa-1")
    assert answers == []


@pytest.mark.parametrize(
    "url", ["http://issuer.example", "ftp://x", "issuer.example", "https://", "https://me@x"]
)
def test_keys_are_only_fetched_by_tls_or_from_this_machine(url: str) -> None:
    with pytest.raises(SetupError, match="JWT_ISSUER"):
        KeySet(url)
    with pytest.raises(SetupError, match="JWT_JWKS_URL"):
        KeySet("https://issuer.example", url)
    KeySet("https://issuer.example", "http://127.0.0.1:9/jwks.json")
