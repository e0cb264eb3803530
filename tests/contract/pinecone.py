"""A small Pinecone and its client, for the contract tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pinecone._internal.http_client import get_budget_registry

from ragline.adapters.pinecone.index import PineconeIndexes
from tests.contract.test_vector_index import DIMENSIONS
from tests.pinecone_server import API_KEY, PineconeServer


@contextmanager
def serving(dimensions: int = DIMENSIONS) -> Iterator[PineconeServer]:
    # The SDK stops trying again, per host and process, after many failures: ours are asked for.
    get_budget_registry()._reset()
    with PineconeServer(dimensions) as server:
        yield server


@contextmanager
def pinecone(server: PineconeServer) -> Iterator[PineconeIndexes]:
    indexes = PineconeIndexes(
        server.host, lambda: API_KEY, secret="the-secret", longest_wait=0.02, catch_up=0.5
    )
    yield indexes
    indexes.close()
