"""Pieces of work side by side, and what of it only one may do at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from ragline.ports import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], pieces: Sequence[T], *, at_once: int) -> list[R]:
    """What comes of each, in order; ``at_once`` of them are under way. What one raises is raised
    when the others are done."""
    if len(pieces) == 1 or at_once == 1:
        return [work(one) for one in pieces]
    with ThreadPoolExecutor(at_once) as pool:
        # Whoever traces or watches this invocation follows its threads by their context.
        under_way = [pool.submit(copy_context().run, work, one) for one in pieces]
        return [one.result() for one in under_way]


class OneAtATime:
    """``ports.Embedder``; its callers take turns, for none is the faster for sharing a core."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._turn = threading.Lock()

    @property
    def fingerprint(self) -> str:
        return self._embedder.fingerprint

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._turn:
            return self._embedder.embed(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.embed_query(text)

    def fluency(self, text: str) -> float:
        return self._embedder.fluency(text)
