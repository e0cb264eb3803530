"""What a replaced document need not embed again: its live generation's vectors, by their text.

An edited document mostly says what it said before, and the embedder's work is the dearest of all.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from ragline.domain.chunks import Chunk
from ragline.domain.documents import Document
from ragline.domain.errors import RaglineError, StoredDataLost
from ragline.domain.keys import vectors_key
from ragline.ports import Embedder, Objects
from ragline.usecases.parts import read_vectors_by_text, text_digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNKS_KEPT = 100_000
GENERATIONS_KEPT = 32
"""How much is remembered of what was read. A chunk of 384 dimensions costs 0.9 KB, so 90 MB at
most: one document of the greatest allowed length, or a batch of smaller ones."""

READ_SECONDS = 10.0
"""How long one group of messages may read before it embeds what it has not found. What is left is
read by the groups after it; a group of 160 chunks takes some six seconds to embed."""

READERS = 8
KEYS_AT_ONCE = 4 * READERS

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Generation:
    """What was read of one generation, and the keys of what was not."""

    unread: list[str]
    vectors: dict[bytes, bytes] = field(default_factory=dict)


class LiveVectors:
    """The vectors of live generations, remembered from one batch to the next; threads may share it.

    ``reused`` counts the chunks, since this was made, that needed no embedding.
    """

    def __init__(self, chunks_kept: int = CHUNKS_KEPT) -> None:
        self.reused = 0
        self._limit = chunks_kept
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str, int, str], _Generation] = OrderedDict()

    def of(
        self, document: Document, chunks: Sequence[Chunk], *, objects: Objects, embedder: Embedder
    ) -> dict[int, NDArray[np.float32]]:
        """Ordinal → vector of those chunks whose text this very embedder has embedded for the live
        generation of the document, where it replaces one. Whatever cannot be read is left out.
        """
        import numpy as np

        if not 0 < document.live_generation != document.generation:
            return {}
        digests = {chunk.ordinal: text_digest(chunk.searched) for chunk in chunks}
        with self._lock:
            live = self._generation(document, objects, embedder.fingerprint)
            self._read(live, set(digests.values()), objects, embedder.dimensions)
            found = {
                ordinal: np.frombuffer(live.vectors[digest], np.float16).astype(np.float32)
                for ordinal, digest in digests.items()
                if digest in live.vectors
            }
            self.reused += len(found)
        return found

    def _generation(self, document: Document, objects: Objects, fingerprint: str) -> _Generation:
        where = document.partition, document.document_id, document.live_generation
        name = (document.partition.tenant, *where[1:], fingerprint)
        if name not in self._kept:
            # Ordinals are not in the keys: any of them may hold any of the texts.
            start = vectors_key(*where, fingerprint, "").removesuffix(".npz")
            self._kept[name] = _Generation(_keys(start, objects))
        self._kept.move_to_end(name)
        return self._kept[name]

    def _read(
        self, live: _Generation, wanted: set[bytes], objects: Objects, dimensions: int
    ) -> None:
        """Read on until all that is wanted is there, or there is no more, no time or no room."""
        until = monotonic() + READ_SECONDS
        self._make_room()
        while (
            live.unread
            and not wanted <= live.vectors.keys()
            and len(live.vectors) < self._limit
            and monotonic() < until
        ):
            some, live.unread = live.unread[:KEYS_AT_ONCE], live.unread[KEYS_AT_ONCE:]
            with ThreadPoolExecutor(min(READERS, len(some))) as pool:
                for found in pool.map(lambda key: _vectors(key, objects, dimensions), some):
                    live.vectors.update(found)
            self._make_room()

    def _make_room(self) -> None:
        """Forget what was used longest ago, never what is in use."""
        while len(self._kept) > 1 and (
            len(self._kept) > GENERATIONS_KEPT
            or sum(len(one.vectors) for one in self._kept.values()) > self._limit
        ):
            self._kept.popitem(last=False)


def _keys(start: str, objects: Objects) -> list[str]:
    """The keys of one fingerprint; one that merely begins alike goes on with another hyphen."""
    try:
        return [key for key in objects.list(start) if "-" not in key[len(start) :]]
    except RaglineError as error:
        logger.warning("no vectors are reused: %s* cannot be listed: %r", start, error)
        return []


def _vectors(key: str, objects: Objects, dimensions: int) -> dict[bytes, bytes]:
    try:
        return read_vectors_by_text(objects, key, dimensions)
    except RaglineError as error:
        # Its chunks are embedded, and nothing else is lost. That old vectors vanish is expected:
        # they are removed once the new ones are live, and a message may be delivered after that.
        level = logging.INFO if isinstance(error, StoredDataLost) else logging.WARNING
        logger.log(level, "the vectors at %s are not reused: %r", key, error)
        return {}
