"""What the embedder does with a batch: which calls it makes, and who fails with whom."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from ragline.domain.errors import ServiceUnavailable
from ragline.domain.ledger import ChunkState
from ragline.domain.messages import PartReady
from ragline.usecases.embed import embed_parts
from tests.unit.pipeline import Pipeline

NAMES = ("one", "two", "three")


class Counting:
    """A port whose calls are counted by name; those of ``broken`` fail."""

    def __init__(self, port: Any, *broken: str) -> None:
        self._port, self._broken = port, broken
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._port, name)

        def call(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            if name in self._broken:
                raise ServiceUnavailable(f"{name} is down.")
            return real(*args, **options)

        return call


@pytest.fixture
def pipeline() -> Pipeline:
    """Three documents of three chunks each, split and announced."""
    made = Pipeline()
    for name in NAMES:
        made.drop("".join(f"# {n}\n\nGate {n} of {name}.\n\n" for n in range(3)), name)
    return made


def embed(
    pipeline: Pipeline, parts: list[PartReady], ledger: Any = None, queues: Any = None
) -> dict[int, Exception]:
    return embed_parts(
        parts,
        ledger=ledger or pipeline.ledger,
        objects=pipeline.objects,
        queues=queues or pipeline.queues,
        embedder=pipeline.embedder,
    )


def test_a_batch_reads_its_documents_at_once_and_sends_its_operations_at_once(
    pipeline: Pipeline,
) -> None:
    ledger, queues = Counting(pipeline.ledger), Counting(pipeline.queues)
    assert embed(pipeline, pipeline.waiting_parts(), ledger, queues) == {}
    assert ledger.calls == ["get_many", *["record_chunks"] * 3]
    assert queues.calls == ["send_ops"]
    assert [op.document_id for op in pipeline.waiting_ops()] == list(NAMES)


def test_operations_that_could_not_be_sent_bring_all_their_messages_back(
    pipeline: Pipeline,
) -> None:
    parts = pipeline.waiting_parts()
    failed = embed(pipeline, parts, queues=Counting(pipeline.queues, "send_ops"))
    assert sorted(failed) == [0, 1, 2]
    assert embed(pipeline, parts) == {}  # embedded before: the same again, and sent now
    pipeline.run()
    assert {pipeline.document(name).progress.indexed for name in NAMES} == {3}


def test_a_document_whose_chunks_are_not_recorded_takes_no_other_with_it(
    pipeline: Pipeline,
) -> None:
    class Refusing(Counting):
        def record_chunks(self, document: Any, *args: Any) -> None:
            if document.document_id == "two":
                raise ServiceUnavailable("the table is down.")
            pipeline.ledger.record_chunks(document, *args)

    failed = embed(pipeline, pipeline.waiting_parts(), Refusing(pipeline.ledger))
    assert list(failed) == [1]
    assert [op.document_id for op in pipeline.waiting_ops()] == ["one", "three"]
    assert pipeline.document("two").progress.embedded == 0


def test_documents_that_cannot_be_read_together_are_read_one_by_one(pipeline: Pipeline) -> None:
    parts = pipeline.waiting_parts()
    failed = embed(pipeline, parts, Counting(pipeline.ledger, "get_many", "get"))
    assert sorted(failed) == [0, 1, 2]
    assert all(isinstance(error, ServiceUnavailable) for error in failed.values())
    assert not pipeline.waiting_ops()
    assert embed(pipeline, parts, Counting(pipeline.ledger, "get_many")) == {}
    assert [op.document_id for op in pipeline.waiting_ops()] == list(NAMES)


def test_parts_of_a_document_deleted_meanwhile_are_dropped(pipeline: Pipeline) -> None:
    parts = pipeline.waiting_parts()
    pipeline.delete("two")
    pipeline.waiting_ops()
    assert embed(pipeline, parts) == {}
    assert [op.document_id for op in pipeline.waiting_ops()] == ["one", "three"]
    states = pipeline.ledger.work(pipeline.document("one")).chunks
    assert set(states.values()) == {ChunkState.EMBEDDED}


def test_while_one_document_is_embedded_the_next_one_is_read_and_only_one_embeds(
    pipeline: Pipeline,
) -> None:
    parts = pipeline.waiting_parts()
    read, embedding, most = {part.document_id: threading.Event() for part in parts}, [0], [0]

    class Objects:
        def get(self, key: str, etag: str = "") -> bytes | None:
            [whose] = [name for name in NAMES if f"/{name}/" in key]
            read[whose].set()
            return pipeline.objects.get(key, etag)

        def __getattr__(self, name: str) -> Any:
            return getattr(pipeline.objects, name)

    class Embedder:
        fingerprint, dimensions = pipeline.embedder.fingerprint, pipeline.embedder.dimensions

        def embed(self, texts: Sequence[str]) -> Any:
            embedding[0] += 1
            most[0] = max(most[0], embedding[0])
            if not read["three"].is_set():  # the first or the second: another is read meanwhile
                assert read["one"].wait(10) and read["two"].wait(10)
            vectors = pipeline.embedder.embed(texts)
            embedding[0] -= 1
            return vectors

    failed = embed_parts(
        parts,
        ledger=pipeline.ledger,
        objects=Objects(),
        queues=pipeline.queues,
        embedder=Embedder(),  # type: ignore[arg-type]
    )
    assert failed == {}
    assert most == [1]
    assert [op.document_id for op in pipeline.waiting_ops()] == list(NAMES)
