from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from ragline.api.app import create_app
from tests.unit.api.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def api(world: World) -> Iterator[TestClient]:
    with TestClient(create_app(world)) as client:
        yield client
