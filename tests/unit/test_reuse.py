"""A replaced document embeds only what changed, and its vectors are those of a fresh embedding."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.memory.queues import MemoryQueues
from ragline.domain.chunks import Chunk, Part
from ragline.domain.documents import Document, Partition
from ragline.domain.errors import (
    EmbeddingFailed,
    OutOfTime,
    ServiceUnavailable,
    StoredDataLost,
)
from ragline.domain.keys import upload_key
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.messages import PartReady, Upsert
from ragline.domain.pages import PageCounts
from ragline.embedding.hashing import HashEmbedder
from ragline.usecases import reuse
from ragline.usecases.embed import embed_parts
from ragline.usecases.parts import cut_parts, read_vectors, write_part, write_vectors
from ragline.usecases.reuse import LiveVectors

HOME = Partition("acme", "papers")
TEXTS = [f"Paragraph {n} tells of brake pads and discs." for n in range(40)]


class Counting(HashEmbedder):
    """Remembers every text that it was asked for; refuses those that say so."""

    def __init__(self, name: str = "hash-1", dimensions: int = 16) -> None:
        super().__init__(dimensions)
        self.name, self.texts = name, list[str]()

    @property
    def fingerprint(self) -> str:
        return self.name

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if any("refuse" in text for text in texts):
            raise EmbeddingFailed(f"no vector for {texts[-1]!r}")
        self.texts += texts
        return super().embed(texts)


class Watched(MemoryObjects):
    """Remembers every request, and fails those for the verb that is ``down``."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str]] = []
        self.down = ""

    def get(self, key: str, etag: str = "") -> bytes | None:
        self._note("get", key)
        return super().get(key, etag)

    def put(self, key: str, data: bytes, content_type: str = "") -> None:
        self._note("put", key)
        super().put(key, data, content_type)

    def list(self, prefix: str, *, since: str = "") -> Iterator[str]:
        self._note("list", prefix)
        yield from super().list(prefix, since=since)

    def reads_below(self, prefix: str) -> int:
        """How many objects below the prefix were got."""
        return sum(1 for verb, key in self.requests if verb == "get" and key.startswith(prefix))

    def _note(self, verb: str, key: str) -> None:
        self.requests.append((verb, key))
        if verb == self.down and key.startswith("vectors/"):
            raise ServiceUnavailable("the bucket is away.")


@dataclass
class Desk:
    """One embedder's surroundings; the splitter's and the indexer's work is done by hand."""

    objects: Watched = field(default_factory=Watched)
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    embedder: Counting = field(default_factory=Counting)
    live: LiveVectors | None = None

    def split(self, texts: Sequence[str], document_id: str = "doc") -> list[PartReady]:
        """The document's next generation, of one chunk for each text."""
        old = self.ledger.get(HOME.tenant, document_id)
        generation = old.generation + 1 if old else 1
        new = NewDocument(HOME, document_id, "a.txt", upload_key(HOME, document_id, "a.txt"))
        document = self.ledger.begin(new, f"{generation:032X}", "splitter-1")
        assert document is not None
        assert document.generation == generation
        self.ledger.plan_ranges(document, 1, 0)
        chunks = [Chunk(n, text, len(text.split()), 0, len(text)) for n, text in enumerate(texts)]
        base = Part(HOME, document_id, generation, 0, 1)
        messages = []
        for part, run in cut_parts(base, chunks):
            write_part(self.objects, part, run)
            messages.append(PartReady.of(part))
        self.ledger.record_range(document, 0, len(chunks), PageCounts())
        return messages

    def embed(self, messages: Sequence[PartReady], **options: Any) -> dict[int, Exception]:
        return embed_parts(
            messages,
            ledger=self.ledger,
            objects=self.objects,
            queues=self.queues,
            embedder=self.embedder,
            live=self.live,
            **options,
        )

    def ops(self) -> list[Upsert]:
        """Take everything off the IndexOps queue."""
        ops = [op for op in self.queues.ops if isinstance(op, Upsert)]
        self.queues.ops.clear()
        return ops

    def index(self) -> dict[int, NDArray[np.float32]]:
        """Commit what waits; ordinal → vector of it."""
        vectors: dict[int, NDArray[np.float32]] = {}
        for op in self.ops():
            found = read_vectors(self.objects, op.vectors_key)
            self.ledger.record_chunks(self.document(op.document_id), [*found], ChunkState.INDEXED)
            self.ledger.settle(op.tenant, op.document_id, op.generation)
            vectors |= found
        return vectors

    def replace(self, texts: Sequence[str], document_id: str = "doc") -> list[str]:
        """A whole new generation, live at the end; returns what the model was asked for."""
        before = len(self.embedder.texts)
        assert self.embed(self.split(texts, document_id)) == {}
        self.index()
        assert self.document(document_id).live_generation == self.document(document_id).generation
        return self.embedder.texts[before:]

    def document(self, document_id: str = "doc") -> Document:
        found = self.ledger.get(HOME.tenant, document_id)
        assert found is not None
        return found

    def stored(self, generation: int) -> list[str]:
        """The keys of a generation's vectors."""
        return list(MemoryObjects.list(self.objects, f"vectors/{HOME}/doc/{generation}/"))


def fresh(texts: Sequence[str]) -> dict[int, NDArray[np.float32]]:
    """What embedding these texts leaves in the bucket."""
    vectors = HashEmbedder(16).embed(texts).astype(np.float16).astype(np.float32)
    return dict(enumerate(vectors))


def same(ours: dict[int, NDArray[np.float32]], theirs: dict[int, NDArray[np.float32]]) -> bool:
    """Bit for bit."""
    return {n: v.tobytes() for n, v in ours.items()} == {n: v.tobytes() for n, v in theirs.items()}


def test_only_the_changed_paragraph_of_a_replaced_document_is_embedded() -> None:
    desk = Desk()
    assert desk.replace(TEXTS) == TEXTS
    edited = [*TEXTS[:7], "A new paragraph.", *TEXTS[7:20], *TEXTS[21:]]
    assert desk.replace(edited) == ["A new paragraph."]
    assert desk.replace(TEXTS) == [TEXTS[20]]


def test_the_vectors_of_a_replaced_document_are_those_of_a_fresh_embedding() -> None:
    desk = Desk()
    desk.replace(TEXTS)
    edited = [*reversed(TEXTS), "The end.", TEXTS[0]]
    assert desk.embed(desk.split(edited)) == {}
    assert desk.embedder.texts[len(TEXTS) :] == ["The end."]
    assert same(desk.index(), fresh(edited))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["a b", "b c", "c a", "", " "]) | st.text(), min_size=1),
        min_size=2,
        max_size=4,
    ),
    st.booleans(),
)
def test_whatever_the_edits_the_stored_vectors_are_those_of_a_fresh_embedding(
    versions: list[list[str]], remembers: bool
) -> None:
    desk = Desk(live=LiveVectors() if remembers else None)
    for before, texts in zip([None, *versions], versions, strict=False):
        asked = len(desk.embedder.texts)
        assert desk.embed(desk.split(texts)) == {}
        assert same(desk.index(), fresh(texts))
        assert desk.embedder.texts[asked:] == [t for t in texts if t not in (before or [])]


def test_a_first_generation_costs_no_request_more() -> None:
    desk = Desk()
    messages = desk.split(TEXTS)
    desk.objects.requests.clear()
    desk.embed(messages)
    verbs = [verb for verb, _ in desk.objects.requests]
    assert verbs == ["get"] * len(messages) + ["put"]


def test_work_done_again_on_a_live_generation_reads_nothing_of_it() -> None:
    desk = Desk()
    messages = desk.split(TEXTS)
    desk.embed(messages)
    desk.index()
    desk.objects.requests.clear()
    desk.embed(messages)
    assert {verb for verb, _ in desk.objects.requests} == {"get", "put"}
    assert desk.objects.reads_below("vectors/") == 0


def test_an_object_has_the_same_name_whether_its_vectors_were_made_or_reused() -> None:
    desk = Desk()
    desk.replace(TEXTS)
    messages = desk.split(TEXTS)
    desk.embed(messages)
    desk.objects.delete(desk.stored(1))
    desk.embed(messages)
    assert len(desk.embedder.texts) == 2 * len(TEXTS)
    assert len(desk.stored(2)) == 1
    one, other = desk.ops()
    assert one == other


@pytest.mark.parametrize(
    ("old", "new"), [("hash-1", "hash-2"), ("hash-1", "hash-1-int8"), ("hash-1-int8", "hash-1")]
)
def test_vectors_of_another_model_are_not_reused(old: str, new: str) -> None:
    desk = Desk(embedder=Counting(old), live=LiveVectors())
    desk.replace(TEXTS)
    desk.embedder = Counting(new)
    assert desk.replace(TEXTS) == TEXTS
    assert desk.replace(TEXTS) == []


def test_only_the_live_generation_is_reused() -> None:
    desk = Desk()
    desk.replace(TEXTS[:3])
    desk.embed(desk.split(["never live"]))
    asked = len(desk.embedder.texts)
    desk.embed(desk.split(["never live", TEXTS[0]]))
    assert desk.embedder.texts[asked:] == ["never live"]


def test_a_chunk_that_could_not_be_embedded_is_asked_for_again_and_its_neighbours_are_not() -> None:
    desk = Desk()
    desk.embed(desk.split(["one", "refuse two", "refuse three"]))
    desk.index()
    desk.embed(desk.split(["one", "refuse two", "four"]))
    assert desk.embedder.texts == ["one", "four"]
    assert desk.document().progress.failed == 1
    chunks = [one.reason.chunk for one in desk.ledger.failures(HOME.tenant, "doc")]
    assert sorted(chunk for chunk in chunks if chunk is not None) == [1, 1, 2]


def npz(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def digests(count: int) -> NDArray[np.uint8]:
    return np.zeros((count, 16), np.uint8)


def halves(count: int, dimensions: int = 16) -> NDArray[np.float16]:
    return np.zeros((count, dimensions), np.float16)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"no archive",
        npy(),
        npz(digests=digests(3)),
        npz(digests=digests(3), vectors=halves(2)),
        npz(digests=digests(3), vectors=halves(3, 8)),
        npz(digests=np.zeros((3, 8), np.uint8), vectors=halves(3)),
        npz(digests=digests(3), vectors=np.array(["a"] * 3)),
        None,
    ],
)
def test_old_vectors_that_are_damaged_or_gone_are_made_anew(data: bytes | None) -> None:
    desk = Desk()
    desk.replace(TEXTS[:3])
    messages = desk.split(TEXTS[:3])
    (key,) = desk.stored(1)
    if data is None:
        desk.objects.down = "get"
    else:
        desk.objects.put(key, data)
    assert desk.embed(messages) == {}
    desk.objects.down = ""
    assert desk.embedder.texts == TEXTS[:3] * 2
    assert same(desk.index(), fresh(TEXTS[:3]))


def test_a_bucket_that_lists_nothing_costs_the_reuse_and_no_more() -> None:
    desk = Desk()
    desk.replace(TEXTS)
    messages = desk.split(TEXTS)
    desk.objects.down = "list"
    assert desk.embed(messages) == {}
    assert desk.embedder.texts == TEXTS * 2


def test_vectors_of_an_earlier_version_are_read_and_offer_nothing_to_reuse() -> None:
    desk = Desk()
    desk.replace(TEXTS[:3])
    (key,) = desk.stored(1)
    vectors = np.stack(list(fresh(TEXTS[:3]).values())).astype(np.float16)
    desk.objects.put(key, npz(ordinals=np.arange(3), vectors=vectors))
    assert same(read_vectors(desk.objects, key), fresh(TEXTS[:3]))
    assert desk.replace(TEXTS[:3]) == TEXTS[:3]


def test_no_damaged_byte_of_stored_vectors_passes_for_a_vector() -> None:
    objects = MemoryObjects()
    chunks = [Chunk(n, text, 1, 0, 1) for n, text in enumerate(TEXTS[:2])]
    part = Part(HOME, "doc", 1, 0, 2)
    key = write_vectors(objects, part, "hash-1", chunks, list(fresh(TEXTS[:2]).values()))
    whole, right = objects.get(key) or b"", read_vectors(objects, key)
    lost = 0
    for at in range(len(whole)):
        objects.put(key, whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            assert same(read_vectors(objects, key), right), at
        except StoredDataLost:
            lost += 1
    assert lost > len(whole) / 2
    objects.put(key, whole[: len(whole) // 2])
    with pytest.raises(StoredDataLost):
        read_vectors(objects, key)


def singly(desk: Desk, messages: Iterable[PartReady]) -> None:
    """A batch for each message, as many workers would."""
    for message in messages:
        assert desk.embed([message]) == {}


def test_live_vectors_are_read_once_for_all_batches() -> None:
    desk = Desk(live=LiveVectors())
    singly(desk, desk.split(TEXTS))
    desk.index()
    assert len(desk.stored(1)) == 3
    messages = desk.split([*TEXTS[:17], "new", *TEXTS[17:], "newer"])
    desk.objects.requests.clear()
    singly(desk, messages)
    assert desk.objects.reads_below("vectors/") == 3
    assert [verb for verb, _ in desk.objects.requests].count("list") == 1
    assert desk.live is not None
    assert desk.live.reused == len(TEXTS)


def test_no_more_is_read_than_is_needed() -> None:
    desk = Desk(live=LiveVectors())
    many = [f"{n} of many" for n in range(16 * (reuse.KEYS_AT_ONCE + 8))]
    singly(desk, desk.split(many))
    desk.index()
    assert len(desk.stored(1)) == reuse.KEYS_AT_ONCE + 8
    first = read_vectors(desk.objects, desk.stored(1)[0])  # keys are read in their order
    (message, *_) = desk.split([many[n] for n in first])
    desk.objects.requests.clear()
    singly(desk, [message])
    assert desk.objects.reads_below("vectors/") == reuse.KEYS_AT_ONCE


def test_reading_is_given_up_in_time_and_taken_up_by_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter(range(0, 10_000, 6))
    monkeypatch.setattr(reuse, "monotonic", lambda: next(now))
    monkeypatch.setattr(reuse, "KEYS_AT_ONCE", 1)
    desk = Desk(live=LiveVectors())
    singly(desk, desk.split(TEXTS))
    desk.index()
    messages = desk.split([*TEXTS, "new"])
    read = []
    for message in messages:
        desk.objects.requests.clear()
        singly(desk, [message])
        read.append(desk.objects.reads_below("vectors/"))
    assert max(read) == 1
    assert same(desk.index(), fresh([*TEXTS, "new"]))


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    desk = Desk(live=LiveVectors(chunks_kept=50))
    for document_id in ("one", "two"):
        desk.replace(TEXTS, document_id)
    parts = {name: desk.split([*TEXTS[:30], "new"], name) for name in ("one", "two")}

    def reads(document_id: str) -> int:
        desk.objects.requests.clear()
        assert desk.embed(parts[document_id]) == {}
        return desk.objects.reads_below(f"vectors/{HOME}/{document_id}/1/")

    assert [reads(name) for name in ("one", "one", "two", "two", "one")] == [1, 0, 1, 0, 1]


def test_of_a_document_longer_than_the_bound_no_more_is_read_than_fits() -> None:
    desk = Desk(live=LiveVectors(chunks_kept=20))
    many = [f"{n} of many" for n in range(16 * (reuse.KEYS_AT_ONCE + 8))]
    singly(desk, desk.split(many))
    desk.index()
    (message, *_) = desk.split(["new"])
    desk.objects.requests.clear()
    singly(desk, [message, message])
    assert desk.objects.reads_below("vectors/") == reuse.KEYS_AT_ONCE


def test_documents_that_are_not_begun_by_the_deadline_are_out_of_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    one, two = desk.split(["one"], "one"), desk.split(["two"], "two")
    now = iter([99.9, 100.0])
    monkeypatch.setattr("ragline.usecases.embed.monotonic", lambda: next(now))
    failed = desk.embed([*one, *two], deadline=100.0)
    assert [*failed] == [1]
    assert isinstance(failed[1], OutOfTime)
    assert desk.embedder.texts == ["one"]
    assert desk.document("two").progress.embedded == 0


def again(message: PartReady, nonce: str) -> PartReady:
    return message.model_copy(update={"nonce": nonce})


def test_work_asked_for_anew_is_asked_of_the_indexer_anew() -> None:
    desk = Desk()
    messages = desk.split(TEXTS)
    desk.embed(messages)
    desk.embed([messages[0], again(messages[1], "n1"), again(messages[2], "n2")])
    desk.embed([again(messages[2], "n2"), again(messages[1], "n1"), messages[1], messages[0]])
    assert [op.nonce for op in desk.ops()] == ["", "n1", "n1"]


def test_a_part_asked_for_anew_counts_more_than_its_first_delivery_in_the_same_batch() -> None:
    desk = Desk()
    (message,) = desk.split(["one"])
    for batch in ([message, again(message, "n")], [again(message, "n"), message]):
        desk.embed(batch)
        assert [op.nonce for op in desk.ops()] == ["n"]
