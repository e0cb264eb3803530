"""An index of another model, or in another store, brought up to the ledger while both live on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ragline.adapters.memory.index import MemoryIndex
from ragline.domain.chunks import Row
from ragline.domain.documents import Partition, Reason, Status
from ragline.domain.errors import (
    EmbeddingFailed,
    LimitExceeded,
    ModelMismatch,
    NotFound,
    ServiceUnavailable,
    SetupError,
)
from ragline.domain.ledger import ChunkState
from ragline.domain.messages import Drop, Upsert
from ragline.embedding.hashing import HashEmbedder
from ragline.usecases.delivery import ByQueue, Directly
from ragline.usecases.doctor import Kind, Report, examine_rows
from ragline.usecases.migrate import Done, Means, Plan, migrate, plan
from ragline.usecases.models import check_model
from ragline.usecases.parts import read_vectors
from tests.unit.pipeline import HANDBOOK, Pipeline
from tests.unit.test_crashes_and_races import RefusingEmbedder
from tests.unit.test_pipeline import TEXT, PickyEmbedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OLD, NEW = "hash-1-64", "hash-1-128"


class Counting(HashEmbedder):
    """The new model; ``texts`` counts what it embedded, ``before`` is called before each time."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        super().__init__(128)
        self.texts = 0
        self.before = before

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.before()
        self.texts += len(texts)
        return super().embed(texts)


@pytest.fixture
def pipeline() -> Pipeline:
    """Three documents of the old model, one of them replaced."""
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.", "one")
    pipeline.drop("The lamp is lit at dusk.", "two")
    pipeline.run()
    pipeline.drop(TEXT, "two", sequencer="2")
    pipeline.drop("# Weather\n\nThe barometer is read every morning.", "three")
    pipeline.run()
    return pipeline


def to_new(pipeline: Pipeline, embedder: HashEmbedder | None = None, **how: int) -> list[Done]:
    """Migrate to the new model, by the queue, as the command does; nothing is applied yet."""
    embedder = embedder or Counting()
    delivery = ByQueue(ledger=pipeline.ledger, objects=pipeline.objects, queues=pipeline.queues)
    means = Means(
        pipeline.ledger, pipeline.objects, embedder.fingerprint, embedder, delivery, nonce="n1"
    )
    return list(migrate(lacking(pipeline).tasks, means, **how))


def to_store(pipeline: Pipeline, target: MemoryIndex) -> list[Done]:
    """Rebuild the index of the old model elsewhere, from its vectors alone."""
    tasks = plan(ledger=pipeline.ledger, target=target).tasks
    delivery = Directly(target, ledger=pipeline.ledger, objects=pipeline.objects)
    return list(migrate(tasks, Means(pipeline.ledger, pipeline.objects, OLD, None, delivery)))


def lacking(pipeline: Pipeline, collection: str | None = None) -> Plan:
    target = pipeline.indexes.of(NEW)
    return plan(ledger=pipeline.ledger, target=target, collection=collection)


def compared(pipeline: Pipeline, fingerprint: str = NEW) -> Report:
    return examine_rows(
        ledger=pipeline.ledger,
        indexes=pipeline.indexes,
        fingerprint=fingerprint,
        now=pipeline.clock(),
    )


def entries(index: MemoryIndex) -> list[tuple[str, int, int]]:
    return sorted(index.entries(HANDBOOK))


def told(done: Sequence[Done]) -> list[tuple[str, str, int]]:
    return [
        (one.document.document_id, one.code, one.chunks) for each in done for one in each.troubles
    ]


# ── To another model, by the queue ───────────────────────────────────────────────────────────────


def test_every_chunk_gets_a_row_beside_the_old_one_and_the_ledger_stays_as_it_is(
    pipeline: Pipeline,
) -> None:
    before = list(pipeline.ledger.audit())
    old = entries(pipeline.index)
    embedder = Counting()
    done = to_new(pipeline, embedder, threads=3)
    pipeline.run()
    assert entries(pipeline.indexes.of(NEW)) == old == entries(pipeline.index)
    assert embedder.texts == len(old) == sum(one.embedded for one in done)
    assert list(pipeline.ledger.audit()) == before
    assert compared(pipeline).healthy
    assert pipeline.examine().healthy
    pipeline.embedder = embedder
    assert pipeline.examine().healthy
    (hit, *_) = pipeline.search("barometer in the morning")
    assert hit.passage.document_id == "three"


def test_a_second_run_has_nothing_to_do(pipeline: Pipeline) -> None:
    to_new(pipeline)
    pipeline.run()
    assert lacking(pipeline).tasks == []
    assert lacking(pipeline).chunks == len(entries(pipeline.index))


def test_a_run_that_was_cut_short_embeds_nothing_twice(pipeline: Pipeline) -> None:
    to_new(pipeline)
    pipeline.waiting_ops()  # they never arrived
    embedder = Counting()
    done = to_new(pipeline, embedder)
    assert embedder.texts == 0
    assert sum(one.reused for one in done) == len(entries(pipeline.index))
    pipeline.run()
    assert compared(pipeline).healthy


def test_a_run_that_is_given_up_begins_no_more(pipeline: Pipeline) -> None:
    for n in range(40):
        pipeline.drop(f"Document {n}.", f"d{n}")
    pipeline.run()
    embedder = Counting()
    delivery = ByQueue(ledger=pipeline.ledger, objects=pipeline.objects, queues=pipeline.queues)
    means = Means(pipeline.ledger, pipeline.objects, NEW, embedder, delivery)
    embedder.before = interrupted
    with pytest.raises(KeyboardInterrupt):
        list(migrate(lacking(pipeline).tasks, means))
    assert embedder.texts == 0
    assert pipeline.queues.ops == []


def interrupted() -> None:
    raise KeyboardInterrupt


def test_a_damaged_vectors_object_is_made_anew(pipeline: Pipeline) -> None:
    to_new(pipeline)
    pipeline.waiting_ops()
    (key,) = (key for key in pipeline.objects.list(f"vectors/{HANDBOOK}/one/1/{NEW}"))
    pipeline.objects.put(key, b"no vectors")
    embedder = Counting()
    to_new(pipeline, embedder)
    pipeline.run()
    assert embedder.texts == 1
    assert compared(pipeline).healthy


def test_only_the_collection_that_was_named_is_migrated(pipeline: Pipeline) -> None:
    assert lacking(pipeline, "handbook").documents == 3
    with pytest.raises(NotFound, match="'papers'"):
        lacking(pipeline, "papers")


def test_a_document_that_was_deleted_since_it_was_planned_is_left_alone(
    pipeline: Pipeline,
) -> None:
    embedder = Counting()
    delivery = ByQueue(ledger=pipeline.ledger, objects=pipeline.objects, queues=pipeline.queues)
    means = Means(pipeline.ledger, pipeline.objects, NEW, embedder, delivery)
    tasks = lacking(pipeline).tasks
    for name in ("one", "two", "three"):
        pipeline.delete(name)
    pipeline.run()
    assert all(done.gone for done in migrate(tasks, means))
    assert embedder.texts == 0
    assert list(pipeline.objects.list("vectors/")) == []


@pytest.mark.parametrize("applied", [True, False])
def test_a_document_that_goes_while_it_is_embedded_leaves_nothing(
    pipeline: Pipeline, applied: bool
) -> None:
    def gone() -> None:
        pipeline.delete("one")
        pipeline.delete("three")
        pipeline.drop("Something else.", "two", sequencer="7")
        if applied:
            pipeline.run()
        embedder.before = lambda: None

    embedder = Counting(gone)
    done = to_new(pipeline, embedder)
    gone_now = {one.task.document.document_id for one in done if one.gone}
    assert gone_now == ({"one", "two", "three"} if applied else {"one", "three"})
    pipeline.run()
    assert entries(pipeline.indexes.of(NEW)) == []
    assert [key for key in pipeline.objects.list("vectors/") if NEW in key] == []
    assert pipeline.examine().healthy


def test_chunks_that_are_gone_with_their_document_are_no_trouble(pipeline: Pipeline) -> None:
    real = pipeline.objects.get

    def racing(key: str, etag: str = "") -> bytes | None:
        if "/one/" in key:
            pipeline.delete("one")
            pipeline.run()
        return real(key, etag)

    pipeline.objects.get = racing  # type: ignore[method-assign]
    done = {one.task.document.document_id: one for one in to_new(pipeline)}
    assert done["one"].gone
    assert not done["two"].gone


def test_a_document_that_goes_before_the_indexer_comes_to_it_leaves_nothing(
    pipeline: Pipeline,
) -> None:
    to_new(pipeline)
    late = pipeline.waiting_ops()
    pipeline.delete("one")
    pipeline.drop("Something else.", "two", sequencer="7")
    pipeline.run()
    pipeline.apply(late)
    pipeline.run()
    assert {name for name, *_ in entries(pipeline.indexes.of(NEW))} == {"three"}
    assert [key for key in pipeline.objects.list("vectors/") if "/one/" in key] == []
    assert pipeline.examine().healthy


def test_what_is_deleted_later_goes_from_both_indexes(pipeline: Pipeline) -> None:
    to_new(pipeline)
    pipeline.run()
    pipeline.delete("two")
    pipeline.drop("Other hours.", "one", sequencer="9")
    pipeline.run()
    assert {name for name, *_ in entries(pipeline.indexes.of(NEW))} == {"three"}
    assert {kind.kind for kind in compared(pipeline).findings} == {Kind.MISSING_ROWS}
    assert pipeline.examine().healthy


def test_a_version_that_answers_though_its_replacement_failed_is_migrated(
    pipeline: Pipeline,
) -> None:
    pipeline.drop(b"", "one", sequencer="2")
    pipeline.run()
    document = pipeline.document("one")
    assert (document.status, document.live_generation) == (Status.FAILED, 1)
    to_new(pipeline)
    pipeline.run()
    assert compared(pipeline).healthy
    assert pipeline.document("one") == document
    pipeline.embedder = Counting()
    assert {hit.passage.document_id for hit in pipeline.search("gate")} >= {"one"}


def test_a_replacement_that_fails_after_its_chunks_were_cut_leaves_the_live_rows_right(
    pipeline: Pipeline,
) -> None:
    """Rows of the live version must not be recorded as the next one's."""
    to_new(pipeline)
    late = pipeline.waiting_ops()
    pipeline.embedder = RefusingEmbedder()
    pipeline.drop("The gate stays shut.", "one", sequencer="2")
    pipeline.run()
    before = pipeline.document("one")
    pipeline.apply(late)
    assert pipeline.document("one") == before
    assert ("one", 1, 0) in entries(pipeline.indexes.of(NEW))


def test_failed_chunks_of_a_partial_document_stay_as_they_are() -> None:
    pipeline = Pipeline(embedder=PickyEmbedder())
    pipeline.drop(TEXT)
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.PARTIAL
    to_new(pipeline)
    pipeline.run()
    assert pipeline.document() == document
    assert entries(pipeline.indexes.of(NEW)) == entries(pipeline.index)
    assert compared(pipeline).healthy


def test_lost_chunks_are_told_and_the_others_go_on(pipeline: Pipeline) -> None:
    pipeline.objects.delete(pipeline.objects.list(f"chunks/{HANDBOOK}/one/"))
    done = to_new(pipeline)
    pipeline.run()
    assert told(done) == [("one", "stored_data_lost", 1)]
    (finding,) = compared(pipeline).findings
    assert (finding.kind, finding.subject) == (Kind.MISSING_ROWS, "one")


def test_a_text_that_the_new_model_cannot_embed_is_told_and_its_neighbours_go_on(
    pipeline: Pipeline,
) -> None:
    class Picky(Counting):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if any("gate" in text for text in texts):
                raise EmbeddingFailed("not this one.")
            return super().embed(texts)

    done = to_new(pipeline, Picky())
    assert told(done) == [("one", "embedding_failed", 1)]
    pipeline.run()
    assert [one.subject for one in compared(pipeline).findings] == ["one"]


def test_a_service_that_fails_is_the_trouble_of_one_document(pipeline: Pipeline) -> None:
    real = pipeline.objects.get

    def failing(key: str, etag: str = "") -> bytes | None:
        if "/one/" in key:
            raise ServiceUnavailable("S3 did not answer.")
        return real(key, etag)

    pipeline.objects.get = failing  # type: ignore[method-assign]
    assert told(to_new(pipeline)) == [("one", "service_unavailable", 1)]


def test_a_refusal_by_the_installation_ends_the_run(pipeline: Pipeline) -> None:
    def refuse() -> None:
        raise SetupError("no more memory.")

    with pytest.raises(SetupError):
        to_new(pipeline, Counting(refuse))


def test_a_message_of_a_migration_that_dies_leaves_the_document_as_it_is(
    pipeline: Pipeline,
) -> None:
    to_new(pipeline)
    before = pipeline.document("one")
    letter = next(op for op in pipeline.waiting_ops() if "/one/" in getattr(op, "vectors_key", ""))
    pipeline.letter("index_ops", letter.model_dump_json())
    assert pipeline.document("one") == before
    assert pipeline.ledger.failures("default", "one") != []


def test_vectors_that_vanish_before_the_indexer_comes_leave_the_document_as_it_is(
    pipeline: Pipeline,
) -> None:
    to_new(pipeline)
    pipeline.objects.delete([key for key in pipeline.objects.list("vectors/") if NEW in key])
    before = pipeline.document("one")
    pipeline.run()
    assert pipeline.document("one") == before
    assert not compared(pipeline).healthy


def test_a_run_after_a_message_that_died_is_no_duplicate_to_the_queue(pipeline: Pipeline) -> None:
    to_new(pipeline)
    assert {op.nonce for op in pipeline.queues.ops} == {"n1"}


def test_migrated_rows_order_no_removal_of_what_was_replaced_long_ago(pipeline: Pipeline) -> None:
    to_new(pipeline)
    assert pipeline.document("two").generation > 1
    pipeline.apply(pipeline.waiting_ops())
    assert pipeline.queues.ops == []


@pytest.mark.parametrize("lost", [False, True])
def test_vectors_that_cover_more_than_is_indexed_change_no_record(lost: bool) -> None:
    """An object of vectors holds up to 160 chunks: some may have failed since, or be retried."""
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.embed(pipeline.waiting_parts())
    (op,) = pipeline.waiting_ops()
    document = pipeline.document()
    reason = Reason("embedding_failed", "not this one.", "embed", chunk=0)
    pipeline.ledger.record_chunks(document, [0], ChunkState.FAILED, reason)
    pipeline.ledger.record_chunks(document, op.ordinals[2:], ChunkState.INDEXED)  # 1 is pending
    before = list(pipeline.ledger.audit())
    if lost:
        pipeline.objects.delete([op.vectors_key])
    assert pipeline.apply([op.model_copy(update={"migrated": True})]) == 1
    assert list(pipeline.ledger.audit()) == before
    assert pipeline.queues.ops == []
    written = [] if lost else [("doc", 1, n) for n in op.ordinals[2:]]
    assert entries(pipeline.index) == written


def test_a_migrations_message_that_dies_fails_no_chunk_that_is_pending() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.embed(pipeline.waiting_parts())
    (op,) = pipeline.waiting_ops()
    before = pipeline.document()
    letter = op.model_copy(update={"migrated": True})
    pipeline.letter("index_ops", letter.model_dump_json())
    assert pipeline.document() == before
    assert [one.reason.code for one in pipeline.ledger.failures("default", "doc")] == [
        "retries_exhausted"
    ]


def test_vectors_of_a_length_that_the_index_refuses_hold_up_no_neighbour() -> None:
    pipeline = Pipeline()
    pipeline.indexes.of(OLD)._widths[HANDBOOK] = 128  # as on Pinecone, where models share a length
    pipeline.drop(TEXT, "one")
    pipeline.embed(pipeline.waiting_parts())
    pipeline.embedder = Counting()
    pipeline.drop("The lamp is lit at dusk.", "two")
    pipeline.embed(pipeline.waiting_parts())
    pipeline.run()
    assert pipeline.document("two").status is Status.INDEXED
    one = pipeline.document("one")
    assert one.status is Status.FAILED
    assert one.reason is not None
    assert one.reason.code == "model_mismatch"
    assert pipeline.retry("one").chunks == one.progress.chunks_total > 1


@pytest.mark.parametrize("name", ["-x.npz", "x.npz", "No Model-x.npz"])
def test_a_key_that_names_no_model_fails_its_own_chunks_and_holds_up_no_neighbour(
    name: str,
) -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.", "one")
    pipeline.drop("The lamp is lit at dusk.", "two")
    pipeline.embed(pipeline.waiting_parts())
    first, second = pipeline.waiting_ops()
    key = first.vectors_key.rpartition("/")[0] + "/" + name
    pipeline.objects.put(key, pipeline.objects.get(first.vectors_key) or b"")
    assert pipeline.apply([first.model_copy(update={"vectors_key": key}), second]) == 2
    states = {d: pipeline.document(d).status for d in ("one", "two")}
    assert states == {first.document_id: Status.FAILED, second.document_id: Status.INDEXED}


# ── Into another store, from stored vectors ──────────────────────────────────────────────────────


def test_another_store_is_rebuilt_without_embedding(pipeline: Pipeline) -> None:
    target = MemoryIndex()
    done = to_store(pipeline, target)
    assert entries(target) == entries(pipeline.index)
    assert sum(one.embedded for one in done) == 0
    assert pipeline.queues.ops == []
    rows = {row.chunk_id: row for row in pipeline.index._partitions[HANDBOOK].values()}
    for row in target._partitions[HANDBOOK].values():
        assert row.chunk == rows[row.chunk_id].chunk
        assert row.vector.tolist() == rows[row.chunk_id].vector.tolist()
    assert plan(ledger=pipeline.ledger, target=target).tasks == []


def test_chunks_without_vectors_are_told_and_the_others_go_on(pipeline: Pipeline) -> None:
    pipeline.objects.delete(pipeline.objects.list(f"vectors/{HANDBOOK}/one/"))
    target = MemoryIndex()
    assert told(to_store(pipeline, target)) == [("one", "stored_data_lost", 1)]
    assert {name for name, *_ in entries(target)} == {"two", "three"}


def test_a_document_that_goes_while_it_is_written_elsewhere_is_removed_there(
    pipeline: Pipeline,
) -> None:
    class Slow(MemoryIndex):
        def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
            super().upsert(partition, rows)
            pipeline.delete("one")
            pipeline.drop("Something else.", "two", sequencer="7")
            pipeline.run()

    target = Slow()
    done = to_store(pipeline, target)
    assert [one.task.document.document_id for one in done if one.gone] == ["one", "two"]
    assert {name for name, *_ in entries(target)} == {"three"}


def test_rows_that_a_store_refuses_are_told_and_the_others_go_on(pipeline: Pipeline) -> None:
    class Narrow(MemoryIndex):
        def upsert(self, partition: Partition, rows: Sequence[Row]) -> None:
            if any(row.document_id == "one" for row in rows):
                raise LimitExceeded("the row is too large.")
            super().upsert(partition, rows)

    target = Narrow()
    assert told(to_store(pipeline, target)) == [("one", "limit_exceeded", 1)]
    assert {name for name, *_ in entries(target)} == {"two", "three"}


def test_chunks_that_failed_after_they_were_embedded_get_no_row_elsewhere() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT)
    pipeline.embed(pipeline.waiting_parts())
    (op,) = pipeline.waiting_ops()
    assert isinstance(op, Upsert)
    assert len(op.ordinals) > 1
    document = pipeline.document()
    pipeline.ledger.record_chunks(document, [0], ChunkState.FAILED)
    pipeline.ledger.record_chunks(document, op.ordinals[1:], ChunkState.INDEXED)
    target = MemoryIndex()
    to_store(pipeline, target)
    assert entries(target) == [("doc", 1, n) for n in op.ordinals[1:]]


def test_rows_of_what_is_gone_are_cleared_from_another_store(pipeline: Pipeline) -> None:
    target = pipeline.indexes.of("elsewhere")
    to_store(pipeline, target)
    pipeline.delete("one")
    pipeline.drop("Something else.", "two", sequencer="7")
    pipeline.run()
    stranger = next(iter(target._partitions[HANDBOOK].values()))
    target.upsert(HANDBOOK, [replace(stranger, document_id="nobody", generation=3)])
    to_store(pipeline, target)
    findings = compared(pipeline, "elsewhere").findings
    assert {one.kind for one in findings} <= {Kind.EXTRA_ROWS}
    Directly(target, ledger=pipeline.ledger, objects=pipeline.objects).clear(findings)
    assert compared(pipeline, "elsewhere").healthy


def test_rows_of_what_is_gone_are_cleared_by_the_indexer_from_the_deployed_store(
    pipeline: Pipeline,
) -> None:
    to_new(pipeline)
    pipeline.run()
    stranger = next(iter(pipeline.indexes.of(NEW)._partitions[HANDBOOK].values()))
    pipeline.indexes.of(NEW).upsert(HANDBOOK, [replace(stranger, document_id="nobody")])
    findings = compared(pipeline).findings
    assert [one.subject for one in findings] == ["nobody"]
    ByQueue(ledger=pipeline.ledger, objects=pipeline.objects, queues=pipeline.queues).clear(
        findings
    )
    pipeline.run()
    assert compared(pipeline).healthy


# ── Two models in one partition ──────────────────────────────────────────────────────────────────


def test_a_batch_of_two_models_goes_to_two_indexes(pipeline: Pipeline) -> None:
    to_new(pipeline)
    pipeline.drop("A fourth.", "four")
    pipeline.embed(pipeline.waiting_parts())
    ops = pipeline.waiting_ops()
    assert pipeline.apply(ops) == len(ops)
    assert {name for name, *_ in entries(pipeline.index)} == {"one", "two", "three", "four"}
    assert {name for name, *_ in entries(pipeline.indexes.of(NEW))} == {"one", "two", "three"}
    assert pipeline.document("four").status is Status.INDEXED


def test_a_drop_takes_the_rows_and_vectors_of_one_model(pipeline: Pipeline) -> None:
    to_new(pipeline)
    pipeline.run()
    drop = Drop(tenant="default", collection="handbook", fingerprint=OLD)
    for _ in range(2):  # a message may be delivered again
        assert pipeline.apply([drop]) == 1
        assert pipeline.indexes.fingerprints(HANDBOOK) == [NEW]
        keys = list(pipeline.objects.list("vectors/"))
        assert keys
        assert all(NEW in key for key in keys)
    pipeline.embedder = Counting()
    assert pipeline.examine().healthy


def test_a_letter_of_a_drop_is_kept_and_is_about_no_document(pipeline: Pipeline) -> None:
    drop = Drop(tenant="default", collection="handbook", fingerprint=OLD)
    assert pipeline.letter("index_ops", drop.model_dump_json()) is None
    assert pipeline.objects.get("dead-letters/index_ops/m1.json") is not None


def test_the_doctor_finds_dead_rows_of_a_model_that_is_not_deployed(pipeline: Pipeline) -> None:
    to_new(pipeline)
    pipeline.run()
    row = next(iter(pipeline.indexes.of(NEW)._partitions[HANDBOOK].values()))
    pipeline.indexes.of(NEW).upsert(HANDBOOK, [replace(row, document_id="nobody")])
    (finding,) = pipeline.examine().findings
    assert (finding.kind, finding.subject) == (Kind.EXTRA_ROWS, "nobody")
    assert NEW in finding.detail
    assert pipeline.repair() == []
    pipeline.run()
    assert pipeline.examine().healthy


def test_the_doctor_wants_the_vectors_of_the_deployed_model(pipeline: Pipeline) -> None:
    to_new(pipeline)
    pipeline.run()
    (key,) = pipeline.objects.list(f"vectors/{HANDBOOK}/one/1/{OLD}")
    assert read_vectors(pipeline.objects, key)
    pipeline.objects.delete([key])
    (finding,) = pipeline.examine().findings
    assert (finding.kind, finding.subject) == (Kind.MISSING_VECTORS, "one")
    pipeline.embedder = Counting()
    assert pipeline.examine().healthy


# ── Which model asks ─────────────────────────────────────────────────────────────────────────────


def test_a_collection_of_another_model_is_told_with_both_names(pipeline: Pipeline) -> None:
    with pytest.raises(ModelMismatch, match=f"{OLD}, and {NEW} is deployed.*ragline migrate"):
        check_model(HANDBOOK, NEW, indexes=pipeline.indexes)


def test_a_collection_that_is_empty_or_of_the_same_model_passes(pipeline: Pipeline) -> None:
    check_model(HANDBOOK, OLD, indexes=pipeline.indexes)
    check_model(Partition("default", "empty"), NEW, indexes=pipeline.indexes)
    for name in ("one", "two", "three"):
        pipeline.delete(name)
    pipeline.run()
    check_model(HANDBOOK, NEW, indexes=pipeline.indexes)


# ── The steps of docs/migration.md ───────────────────────────────────────────────────────────────


def test_build_beside_switch_catch_up_and_drop(pipeline: Pipeline) -> None:
    old = pipeline.embedder
    to_new(pipeline)
    pipeline.run()
    pipeline.drop("The ferry leaves at noon.", "between")  # by the old model, after the migration
    pipeline.run()
    assert pipeline.search("ferry noon")[0].passage.document_id == "between"

    pipeline.embedder = Counting()  # the switch
    assert "between" not in {hit.passage.document_id for hit in pipeline.search("ferry noon")}
    assert [task.document.document_id for task in lacking(pipeline).tasks] == ["between"]
    to_new(pipeline)
    pipeline.drop("The tide turns at one.", "after")
    pipeline.run()
    assert pipeline.search("ferry noon")[0].passage.document_id == "between"
    assert pipeline.search("tide turns")[0].passage.document_id == "after"
    assert pipeline.examine().healthy

    pipeline.embedder, new = old, pipeline.embedder  # back again, if it must be
    assert pipeline.search("gate opens")[0].passage.document_id == "one"
    pipeline.embedder = new

    pipeline.apply([Drop(tenant="default", collection="handbook", fingerprint=OLD)])
    assert pipeline.indexes.fingerprints(HANDBOOK) == [NEW]
    assert pipeline.examine().healthy
