"""The embedder: announced parts become vectors in the bucket and one index operation each group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragline.domain.chunks import Chunk, Part
from ragline.domain.documents import Document, Reason
from ragline.domain.errors import EmbeddingFailed, PermanentError, StoredDataLost
from ragline.domain.ledger import ChunkState
from ragline.domain.messages import PartReady, Span, Upsert
from ragline.ports import Embedder, Ledger, Objects, Queues
from ragline.usecases.failures import fail_chunks
from ragline.usecases.parts import read_part, write_vectors
from ragline.usecases.settle import settle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STAGE = "embed"


@dataclass(slots=True)
class _Group:
    """The messages of one generation of one document within a batch."""

    document: Document
    messages: list[PartReady] = field(default_factory=list)

    @property
    def base(self) -> Part:
        return self.messages[0].part


def embed_parts(
    messages: Sequence[PartReady],
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    embedder: Embedder,
) -> dict[int, Exception]:
    """Embed one batch; returns position → error of the messages that must be delivered again.

    Parts of deleted or replaced generations are dropped. A chunk that cannot be embedded is set
    apart as failed and its neighbours go on.
    """
    at: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for position, message in enumerate(messages):
        at[message.tenant, message.document_id, message.generation].append(position)
    failed: dict[int, Exception] = {}
    for positions in at.values():
        try:
            group = _group([messages[i] for i in positions], ledger)
            if group is not None:
                _embed_group(group, ledger, objects, queues, embedder)
        except Exception as error:  # one group never takes its batch-mates with it
            failed.update(dict.fromkeys(positions, error))
    return failed


def _group(messages: Sequence[PartReady], ledger: Ledger) -> _Group | None:
    """The messages of one generation as one piece of work; None if it is no longer wanted."""
    document = ledger.get(messages[0].tenant, messages[0].document_id)
    if document is None or not document.wants(messages[0].generation):
        return None
    # A message delivered twice in one batch is one piece of work.
    unique = {message.first: message for message in messages}
    return _Group(document, [unique[first] for first in sorted(unique)])


def _embed_group(
    group: _Group, ledger: Ledger, objects: Objects, queues: Queues, embedder: Embedder
) -> None:
    chunks: list[Chunk] = []
    spans: list[Span] = []
    for message in group.messages:
        try:
            chunks += read_part(objects, message.part)
        except StoredDataLost as error:
            _set_apart(group.document, message.part.ordinals, error, ledger)
            continue
        spans.append(Span(first=message.first, count=message.count))
    embedded, vectors = _embed(group.document, chunks, ledger, embedder)
    if embedded:
        key = write_vectors(objects, group.base, embedder.fingerprint, embedded, vectors)
        ledger.record_chunks(group.document, embedded, ChunkState.EMBEDDED)
        queues.send_ops([_upsert(group, key, spans)])
    if len(embedded) < sum(message.count for message in group.messages):
        settle(group.document, ledger=ledger, queues=queues)


def _upsert(group: _Group, key: str, spans: Sequence[Span]) -> Upsert:
    return Upsert(
        tenant=group.base.partition.tenant,
        collection=group.base.partition.collection,
        document_id=group.base.document_id,
        generation=group.base.generation,
        trace_id=group.messages[0].trace_id,
        vectors_key=key,
        parts=tuple(spans),
    )


def _embed(
    document: Document, chunks: Sequence[Chunk], ledger: Ledger, embedder: Embedder
) -> tuple[list[int], NDArray[np.float32]]:
    """The ordinals that could be embedded, and their vectors in that order."""
    try:
        vectors = embedder.embed([chunk.text for chunk in chunks])
        return [chunk.ordinal for chunk in chunks], vectors
    except EmbeddingFailed:
        return _embed_singly(document, chunks, ledger, embedder)


def _embed_singly(
    document: Document, chunks: Sequence[Chunk], ledger: Ledger, embedder: Embedder
) -> tuple[list[int], NDArray[np.float32]]:
    import numpy as np

    ordinals: list[int] = []
    rows: list[NDArray[np.float32]] = []
    for chunk in chunks:
        try:
            rows.append(embedder.embed([chunk.text]))
            ordinals.append(chunk.ordinal)
        except EmbeddingFailed as error:
            _set_apart(document, [chunk.ordinal], error, ledger)
    empty = np.empty((0, embedder.dimensions), np.float32)
    return ordinals, np.concatenate([empty, *rows])


def _set_apart(
    document: Document, ordinals: Sequence[int], error: PermanentError, ledger: Ledger
) -> None:
    reason = Reason(error.code, str(error), STAGE, chunk=ordinals[0])
    fail_chunks(document, ordinals, reason, ledger)
