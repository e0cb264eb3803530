"""One real local cloud for all these tests, on a free port and in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ragline.local import cloud
from ragline.local.cloud import Cloud
from tests.ports import free_port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("cloud")
    yield cloud.start(directory, port=free_port(), say=print)
    cloud.stop(directory, print)
