"""Vectors kept from one run to the next: embedding is nearly all of the time that a build takes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragline.ports import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class KeptVectors:
    """An ``Embedder`` that asks another one only for texts that are not in its file yet.

    By text and fingerprint, so whatever is changed around the embedder, the vectors stay right.
    Threads may share it. ``save`` writes what is new.
    """

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        import numpy as np

        self._embedder = embedder
        self._path = folder / f"{embedder.fingerprint}.npz"
        self._kept: dict[bytes, NDArray[np.float32]] = {}
        self._new = False
        try:
            # Opened here: NumPy would leave a file open that is none of its own.
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                names = (digest.tobytes() for digest in stored["digests"])
                self._kept = dict(zip(names, stored["vectors"], strict=True))
        except FileNotFoundError:
            pass
        except Exception:  # NumPy's and zipfile's have no common base; a bad file is made anew
            self._kept = {}

    @property
    def fingerprint(self) -> str:
        return self._embedder.fingerprint

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        names = [_digest(text) for text in texts]
        missing = [at for at, name in enumerate(names) if name not in self._kept]
        if missing:
            made = self._embedder.embed([texts[at] for at in missing])
            self._kept.update((names[at], row) for at, row in zip(missing, made, strict=True))
            self._new = True
        found: NDArray[np.float32] = np.stack([self._kept[name] for name in names])
        return found

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.embed_query(text)

    def fluency(self, text: str) -> float:
        return self._embedder.fluency(text)

    def save(self) -> None:
        import numpy as np

        if not self._new:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        names = np.frombuffer(b"".join(self._kept), np.uint8).reshape(-1, 16)
        # Another process may read it, or write it too: it appears whole, and the last one counts.
        partial = self._path.with_suffix(f".{os.getpid()}.tmp")
        with partial.open("wb") as file:
            np.savez(file, digests=names, vectors=np.stack(list(self._kept.values())))
        partial.replace(self._path)
        self._new = False


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
