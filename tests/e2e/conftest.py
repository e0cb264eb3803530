"""The whole stack, once for all these tests: template.yaml on a local cloud of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ragline.local import cloud
from ragline.local.cloud import Cloud
from tests.e2e.stack import Stack, deployed, opened
from tests.issuer import Issuer, serving
from tests.ports import free_port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("e2e")
    try:
        yield cloud.start(
            directory, port=free_port(), enforce="RAGLINE_ENFORCE" in os.environ, say=print
        )
    finally:
        cloud.stop(directory, print)


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """Whose bearer tokens the stack takes."""
    with serving() as served:
        yield served


@pytest.fixture(scope="session")
def stack(local: Cloud, issuer: Issuer) -> Iterator[Stack]:
    with opened(local.endpoint_url, deployed(local.endpoint_url, issuer=issuer.url)) as found:
        yield found
