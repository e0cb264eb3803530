"""The embedder: announced parts become vectors in the bucket and one index operation each group.

A batch holds parts of several documents, and its costs are mostly calls: so documents are read
together, and the index operations are sent together when the batch is done, which also lets the
indexer commit them at once. Two groups are under way at a time: while one is embedded, which takes
all of a core, the other reads its parts or keeps its vectors, which is mostly waiting.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from ragline.domain.chunks import Chunk, Part
from ragline.domain.documents import Document, Reason
from ragline.domain.errors import EmbeddingFailed, OutOfTime, PermanentError, StoredDataLost
from ragline.domain.ledger import ChunkState
from ragline.domain.messages import PartReady, Span, Upsert
from ragline.ports import Embedder, Ledger, Objects, Queues
from ragline.usecases.failures import fail_chunks
from ragline.usecases.parts import read_part, write_vectors
from ragline.usecases.reuse import LiveVectors
from ragline.usecases.settle import settle
from ragline.usecases.turns import OneAtATime, each

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STAGE = "embed"

AT_ONCE = 2
"""Groups of a batch that are under way. Only one of them embeds: more would only wait for it."""


@dataclass(slots=True)
class _Group:
    """The messages of one generation of one document within a batch."""

    document: Document
    messages: list[PartReady] = field(default_factory=list)

    @property
    def base(self) -> Part:
        return self.messages[0].part

    @property
    def nonce(self) -> str:
        """That of the first message that has one: the index operation is asked for anew too."""
        return next((message.nonce for message in self.messages if message.nonce), "")


def embed_parts(
    messages: Sequence[PartReady],
    *,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    embedder: Embedder,
    live: LiveVectors | None = None,
    deadline: float = math.inf,
) -> dict[int, Exception]:
    """Embed one batch; returns position → error of the messages that must be delivered again.

    Parts of deleted or replaced generations are dropped. A chunk that cannot be embedded is set
    apart as failed and its neighbours go on. Chunks of a replaced document whose text is unchanged
    are not embedded; what is ``live`` is remembered there from batch to batch.

    After ``deadline`` (in seconds of ``time.monotonic``) no document is begun: its messages are
    returned as ``OutOfTime``. Those that were begun are finished, at some 25 chunks a second.
    """
    live = LiveVectors() if live is None else live
    at: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for position, message in enumerate(messages):
        at[message.tenant, message.document_id, message.generation].append(position)
    documents, alone = _Documents(messages, ledger), OneAtATime(embedder)

    def work(positions: Sequence[int]) -> Upsert | Exception | None:
        try:
            if monotonic() >= deadline:
                raise OutOfTime("the function's time is nearly over; this part was not begun.")
            group = _group([messages[i] for i in positions], documents)
            return _embed_group(group, ledger, objects, queues, alone, live) if group else None
        except Exception as error:  # one group never takes its batch-mates with it
            return error

    failed: dict[int, Exception] = {}
    made: list[tuple[Upsert, list[int]]] = []
    outcomes = each(work, list(at.values()), at_once=AT_ONCE)
    for positions, came in zip(at.values(), outcomes, strict=True):
        if isinstance(came, Exception):
            failed.update(dict.fromkeys(positions, came))
        elif came:
            made.append((came, positions))
    return failed | _sent(made, queues)


def _sent(made: Sequence[tuple[Upsert, list[int]]], queues: Queues) -> dict[int, Exception]:
    """Send the operations, together if that can be; position → error of those that could not be."""
    try:
        if made:
            queues.send_ops([op for op, _ in made])
    except Exception as error:
        if len(made) == 1:
            return dict.fromkeys(made[0][1], error)
        failed: dict[int, Exception] = {}
        for one in made:  # those that went are sent again, which the queue sees
            failed |= _sent([one], queues)
        return failed
    return {}


class _Documents:
    """The batch's documents, read together if that can be, when the first of them is asked for."""

    def __init__(self, messages: Sequence[PartReady], ledger: Ledger) -> None:
        self._ledger = ledger
        self._turn = threading.Lock()
        self._wanted: dict[str, set[str]] = defaultdict(set)
        self._known: dict[str, dict[str, Document]] = {}
        for message in messages:
            self._wanted[message.tenant].add(message.document_id)

    def get(self, tenant: str, document_id: str) -> Document | None:
        with self._turn:
            if (wanted := self._wanted.pop(tenant, None)) is not None:
                with suppress(Exception):  # who fails by itself as well tells why
                    self._known[tenant] = self._ledger.get_many(tenant, wanted)
        if tenant in self._known:
            return self._known[tenant].get(document_id)
        return self._ledger.get(tenant, document_id)


def _group(messages: Sequence[PartReady], documents: _Documents) -> _Group | None:
    """The messages of one generation as one piece of work; None if it is no longer wanted."""
    document = documents.get(messages[0].tenant, messages[0].document_id)
    if document is None or not document.wants(messages[0].generation):
        return None
    # A message delivered twice in one batch is one piece of work; one that asks anew counts more.
    ordered = sorted(messages, key=lambda message: (message.first, message.nonce))
    return _Group(document, list({message.first: message for message in ordered}.values()))


def _embed_group(
    group: _Group,
    ledger: Ledger,
    objects: Objects,
    queues: Queues,
    embedder: Embedder,
    live: LiveVectors,
) -> Upsert | None:
    """What the index is to do with the group's vectors; None if there are none."""
    chunks: list[Chunk] = []
    spans: list[Span] = []
    for message in group.messages:
        try:
            chunks += read_part(objects, message.part)
        except StoredDataLost as error:
            _set_apart(group.document, message.part.ordinals, error, ledger)
            continue
        spans.append(Span(first=message.first, count=message.count))
    vectors = live.of(group.document, chunks, objects=objects, embedder=embedder)
    changed = [chunk for chunk in chunks if chunk.ordinal not in vectors]
    vectors |= _embed(group.document, changed, ledger, embedder)
    embedded = [chunk for chunk in chunks if chunk.ordinal in vectors]
    op = None
    if embedded:
        rows = [vectors[chunk.ordinal] for chunk in embedded]
        key = write_vectors(objects, group.base, embedder.fingerprint, embedded, rows)
        ordinals = [chunk.ordinal for chunk in embedded]
        ledger.record_chunks(group.document, ordinals, ChunkState.EMBEDDED)
        op = _upsert(group, key, spans)
    if len(embedded) < sum(message.count for message in group.messages):
        settle(group.document, ledger=ledger, queues=queues)
    return op


def _upsert(group: _Group, key: str, spans: Sequence[Span]) -> Upsert:
    return Upsert(
        nonce=group.nonce,
        tenant=group.base.partition.tenant,
        collection=group.base.partition.collection,
        document_id=group.base.document_id,
        generation=group.base.generation,
        trace_id=group.messages[0].trace_id or group.document.trace_id,
        vectors_key=key,
        parts=tuple(spans),
    )


def _embed(
    document: Document, chunks: Sequence[Chunk], ledger: Ledger, embedder: Embedder
) -> dict[int, NDArray[np.float32]]:
    """Ordinal → vector of the chunks that can be embedded; the others are set apart."""
    if not chunks:
        return {}
    ordinals = [chunk.ordinal for chunk in chunks]
    try:
        vectors = embedder.embed([chunk.searched for chunk in chunks])
        return dict(zip(ordinals, vectors, strict=True))
    except EmbeddingFailed:
        return _embed_singly(document, chunks, ledger, embedder)


def _embed_singly(
    document: Document, chunks: Sequence[Chunk], ledger: Ledger, embedder: Embedder
) -> dict[int, NDArray[np.float32]]:
    vectors: dict[int, NDArray[np.float32]] = {}
    for chunk in chunks:
        try:
            [vectors[chunk.ordinal]] = embedder.embed([chunk.searched])
        except EmbeddingFailed as error:
            _set_apart(document, [chunk.ordinal], error, ledger)
    return vectors


def _set_apart(
    document: Document, ordinals: Sequence[int], error: PermanentError, ledger: Ledger
) -> None:
    reason = Reason(error.code, str(error), STAGE, chunk=ordinals[0])
    fail_chunks(document, ordinals, reason, ledger)
