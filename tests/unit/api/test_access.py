"""Every route says which role it needs, and nobody below it gets past the door."""

from __future__ import annotations

from typing import Any

import pytest

from ragline.api.access import OPEN, ROLES, needed
from ragline.api.app import create_app
from ragline.domain.access import Role
from tests.unit.api.callers import caller, routes
from tests.unit.api.world import World

ROUTES = routes(create_app(World()))
CLOSED = sorted(set(ROUTES) - OPEN)


def ask(client: Any, name: str) -> Any:
    method, path = ROUTES[name]
    return client.request(method, path.replace("{", "").replace("}", ""))


def test_the_table_has_every_route_and_nothing_else() -> None:
    assert set(ROUTES) == set(ROLES) | OPEN


def test_what_only_reads_needs_a_reader_and_what_changes_needs_more() -> None:
    for name, (method, _) in ROUTES.items():
        if name in OPEN:
            continue
        if method == "GET":
            assert needed(name) in {Role.READER, Role.ADMIN}, name
        elif name not in {"query", "create_ticket"}:  # a POST for the sake of its body, or secret
            assert needed(name) is not Role.READER, name


def test_a_route_that_nobody_thought_of_needs_an_admin() -> None:
    assert needed("something_new") is Role.ADMIN


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("name", CLOSED)
def test_a_caller_passes_if_the_role_is_enough_and_else_nothing_is_asked(
    name: str, role: Role
) -> None:
    world = World()
    with caller(world, role=role) as client:
        answer = ask(client, name)
    if role.allows(needed(name)):
        assert answer.status_code not in {401, 403}, answer.text
        return
    body = answer.json()
    assert (answer.status_code, body["code"]) == (403, "forbidden")
    assert needed(name).value in body["detail"]
    assert role.value in body["detail"]
    assert set(world.asked) <= {"settings"}


@pytest.mark.parametrize("name", CLOSED)
def test_of_whom_nothing_is_known_nothing_is_done(name: str) -> None:
    world = World()
    with caller(world, role=None) as client:
        answer = ask(client, name)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorised")
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(world.asked) <= {"settings"}


def test_health_and_the_openapi_document_are_open() -> None:
    with caller(World(), role=None) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/api/v2/openapi.json").status_code == 200
