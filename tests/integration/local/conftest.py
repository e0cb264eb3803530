"""One real local cloud for all these tests, on a free port and in a folder of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ragline.local import cloud
from ragline.local.cloud import Cloud


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("cloud")
    yield cloud.start(directory, port=free_port(), say=print)
    cloud.stop(directory, print)
