"""The embedding model in many processes: for one who has cores to spare and much to embed."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragline.domain.errors import SetupError
from ragline.embedding.model import read_card
from ragline.embedding.onnx import OnnxEmbedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXTS_PER_CALL = 16
"""Half a second of work: enough to make little of what it costs to hand it over."""


class PooledEmbedder:
    """Implements ``ports.Embedder``: one prepared model, loaded by each of ``workers`` processes.

    Threads may share it: so a document that is read does not wait for one that is embedded. Close
    it by ``with``.

    Raises:
        SetupError: there is no model in the folder, or it is damaged; or a process died.
    """

    def __init__(self, model_dir: Path, workers: int) -> None:
        self._model_dir, self._card = model_dir, read_card(model_dir)
        OnnxEmbedder(model_dir)  # what is wrong with it is better told here than by a dead process
        self._pool = ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=_start, initargs=(model_dir,)
        )

    def __enter__(self) -> PooledEmbedder:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def fingerprint(self) -> str:
        return self._card.fingerprint

    @property
    def dimensions(self) -> int:
        return self._card.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As ``OnnxEmbedder.embed``, and the same numbers: texts are embedded one at a time."""
        slices = [
            list(texts[at : at + TEXTS_PER_CALL]) for at in range(0, len(texts), TEXTS_PER_CALL)
        ]
        try:
            found = list(self._pool.map(partial(_embed, self._model_dir), slices))
        except BrokenProcessPool as error:
            raise SetupError(
                "a process that embeds died, for want of memory perhaps: use fewer workers."
            ) from error
        empty = np.empty((0, self.dimensions), np.float32)
        return np.concatenate([empty, *found])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._pool.submit(_embed_query, self._model_dir, text).result()

    def fluency(self, text: str) -> float:
        return self._pool.submit(_fluency, self._model_dir, text).result()


def _start(model_dir: Path) -> None:
    # Whoever is interrupted ends the pool; the processes would only tell of it, each for itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _loaded(model_dir)


@cache
def _loaded(model_dir: Path) -> OnnxEmbedder:
    return OnnxEmbedder(model_dir)


def _embed(model_dir: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    return _loaded(model_dir).embed(texts)


def _embed_query(model_dir: Path, text: str) -> NDArray[np.float32]:
    return _loaded(model_dir).embed_query(text)


def _fluency(model_dir: Path, text: str) -> float:
    return _loaded(model_dir).fluency(text)
