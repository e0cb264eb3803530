"""The client of one Pinecone index: made on first use, patient for a moment only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pinecone import RetryConfig
from pinecone.errors import ApiError, NotFoundError, PineconeError, UnauthorizedError
from pinecone.index import Index

from ragline.adapters.pinecone.errors import translate
from ragline.domain.documents import Partition
from ragline.domain.errors import ModelMismatch

READ_SECONDS = 6.0
RETRIES = 2
"""So a read ends within 24 s, before API Gateway gives it up (29 s)."""


class Connection:
    """Calls an index, and says what went wrong in our words. Threads may share it.

    When Pinecone does not accept the key, the next call asks ``api_key`` again: a key that was
    rotated is taken up without a restart.
    """

    def __init__(
        self, host: str, api_key: Callable[[], str], *, secret: str, longest_wait: float
    ) -> None:
        self._host = host
        self._api_key = api_key
        self._secret = secret
        self._retries = RetryConfig(
            max_retries=RETRIES, backoff_factor=min(0.25, longest_wait), max_wait=longest_wait
        )
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._opened: list[Index] = []

    def close(self) -> None:
        with self._lock:
            self._index = None
            while self._opened:
                self._opened.pop().close()

    @contextmanager
    def call(self) -> Iterator[Index]:
        try:
            yield self._open()
        except PineconeError as error:
            if isinstance(error, UnauthorizedError):
                self._index = None
            raise translate(error, self._host, self._secret) from error

    @contextmanager
    def unless_missing(self) -> Iterator[Index]:
        """As ``call``; nothing if there is no such namespace, but an error if there is no index."""
        with self.call() as index:
            try:
                yield index
            except NotFoundError:
                index.list_namespaces_paginated(limit=1)

    @contextmanager
    def explained(self, partition: Partition, length: int) -> Iterator[None]:
        """Inside a call with vectors of ``length``: if they are refused for it, that is said."""
        try:
            yield
        except ApiError as error:
            held = self.length() if error.status_code == 400 else None
            if held is not None and held != length:
                raise mismatch(partition, held, length) from error
            raise

    def length(self) -> int | None:
        """How many numbers the index's vectors have; None if it does not say."""
        with self.call() as index:
            return index.describe_index_stats().dimension

    def _open(self) -> Index:
        with self._lock:
            if self._index is None:
                index = Index(host=self._host, api_key=self._api_key(), timeout=READ_SECONDS)
                _be_patient(index, self._retries)
                self._index = index
                self._opened.append(index)
            return self._index


def mismatch(partition: Partition, held: int, came: int) -> ModelMismatch:
    return ModelMismatch(
        f"the Pinecone index of {partition} holds vectors of {held} numbers, and one of {came} "
        "came: index and queries must use the same embedding model. Make an index for vectors of "
        f"{came} numbers, or go back to the model of the other one."
    )


def _be_patient(index: Index, retries: RetryConfig) -> None:
    """Have the client retry as told.

    The SDK (10.2) has this setting for its control plane only; on data it waits out a Retry-After
    of up to a minute, three times: longer than a query or a function may take.
    """
    transport = index._http._client._transport
    transport._config = retries  # type: ignore[attr-defined]
