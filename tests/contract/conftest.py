"""The real embedding model, prepared once into the user's cache (or RAGLINE_CACHE); and ledgers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.embedding import weights
from ragline.embedding.prepare import ensure
from ragline.ports import Ledger
from tests.contract import aws
from tests.contract.ledgers import Clock, fresh_dynamo


@pytest.fixture(scope="session")
def int8_dir() -> Path:
    return ensure("int8")


@pytest.fixture(scope="session")
def fp32_dir() -> Path:
    return ensure("fp32")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights as published: what everything else is compared with."""
    return weights.find(None, tmp_path_factory.mktemp("published"))


@pytest.fixture
def moto() -> Iterator[None]:
    with aws.in_process_aws():
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "dynamodb"])
def make_ledger(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Callable[[], Ledger]]:
    if request.param == "memory":
        yield lambda: MemoryLedger(clock)
        return
    with aws.in_process_aws():
        yield lambda: fresh_dynamo(clock=clock)


@pytest.fixture
def ledger(make_ledger: Callable[[], Ledger]) -> Ledger:
    return make_ledger()
