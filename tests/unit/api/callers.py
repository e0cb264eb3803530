"""The app as API Gateway hands it requests: with what its authoriser said of the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from ragline.api.app import create_app
from ragline.domain.access import Role
from tests.unit.api.world import World

APP = create_app(World())
"""One for all: to make an app takes longer than to ask it."""


@contextmanager
def caller(
    world: World, tenant: str = "acme", role: Role | None = Role.ADMIN
) -> Iterator[TestClient]:
    """A client of that tenant; with no role, one of whom no authoriser said anything."""
    APP.state.dependencies = world
    told = {"tenant": tenant, "role": role.value, "principal": "key:1"} if role else None

    async def behind_the_gateway(scope: Scope, receive: Receive, send: Send) -> None:
        event = {"requestContext": {"authorizer": told}}
        await APP({**scope, "aws.event": event}, receive, send)

    with TestClient(behind_the_gateway) as client:
        yield client


def routes(app: FastAPI) -> dict[str, tuple[str, str]]:
    """Every route of ours: its name → method and path."""
    found: dict[str, tuple[str, str]] = {}
    for context in iter_route_contexts(app.routes):
        route: Any = context.original_route
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                found[route.name] = (method, str(context.path))
    return found
