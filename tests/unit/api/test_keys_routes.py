"""API keys over HTTP: an admin makes, lists and revokes those of its own tenant."""

from __future__ import annotations

import pytest

from ragline.domain.access import Role
from ragline.usecases.keys import digest_of
from tests.unit.api.callers import caller
from tests.unit.api.world import World

KEYS = "/api/v2/keys"


def test_a_key_is_shown_once_and_is_of_the_caller_s_tenant() -> None:
    world = World()
    with caller(world, "acme") as client:
        made = client.post(KEYS, json={"name": "site", "role": "reader", "expires_in_days": 3})
        listed = client.get(KEYS)
    assert made.status_code == 201
    body = made.json()
    record = world.the_keys.find(digest_of(body["key"]))
    assert record
    assert (record.tenant, record.role, record.name) == ("acme", Role.READER, "site")
    assert body["expires_at"] > body["created_at"]
    assert body.pop("key") not in listed.text
    assert listed.json() == {"keys": [body]}


def test_a_revoked_key_is_listed_as_one_and_revoking_it_again_is_no_error() -> None:
    world = World()
    with caller(world, "acme") as client:
        key_id = client.post(KEYS, json={"name": "x", "role": "admin"}).json()["key_id"]
        answers = [client.delete(f"{KEYS}/{key_id}") for _ in range(2)]
        [listed] = client.get(KEYS).json()["keys"]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert listed["revoked_at"]


def test_a_key_of_another_tenant_is_not_there() -> None:
    world = World()
    with caller(world, "rival") as client:
        key_id = client.post(KEYS, json={"name": "x", "role": "admin"}).json()["key_id"]
    with caller(world, "acme") as client:
        assert client.get(KEYS).json() == {"keys": []}
        assert client.delete(f"{KEYS}/{key_id}").status_code == 404
    [theirs] = world.the_keys.of("rival")
    assert not theirs.revoked_at


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "reader"}, "name"),
        ({"name": "", "role": "reader"}, "name"),
        ({"name": "x"}, "role"),
        ({"name": "x", "role": "owner"}, "role"),
        ({"name": "x", "role": "reader", "expires_in_days": 0}, "expires_in_days"),
        ({"name": "x", "role": "reader", "tenant": "rival"}, "tenant"),
    ],
)
def test_a_wrong_field_is_named_and_no_key_is_made(body: dict[str, object], field: str) -> None:
    world = World()
    with caller(world, "acme") as client:
        answer = client.post(KEYS, json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert list(world.the_keys.of("acme")) == []


def test_a_name_of_control_characters_is_refused() -> None:
    with caller(World(), "acme") as client:
        answer = client.post(KEYS, json={"name": "a\nb", "role": "reader"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
