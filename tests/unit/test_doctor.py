"""The doctor finds nothing wrong with a normal life, and each planted fault and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ragline.domain.documents import Document, Origin, Partition, Progress, Reason, Status
from ragline.domain.keys import parse_stored_key, upload_key
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.tenants import Holdings
from ragline.embedding.hashing import HashEmbedder
from ragline.usecases.doctor import Kind, Report
from ragline.usecases.parts import read_vectors
from tests.samples import SAMPLES
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline
from tests.unit.test_crashes_and_races import RefusingEmbedder
from tests.unit.test_pipeline import TEXT, PickyEmbedder

KEY = f"uploads/{HANDBOOK}/doc/doc.md"
PDF = next(name for name in SAMPLES if name.endswith(".pdf"))


def kinds(report: Report) -> set[Kind]:
    return {finding.kind for finding in report.findings}


# A normal life


def replaced(pipeline: Pipeline) -> None:
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    pipeline.drop(TEXT, sequencer="2")


def deleted(pipeline: Pipeline) -> None:
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.delete()


def created_again(pipeline: Pipeline) -> None:
    deleted(pipeline)
    pipeline.run()
    pipeline.drop("Quite another text.", sequencer="5")


def registered_again(pipeline: Pipeline) -> None:
    deleted(pipeline)
    pipeline.run()
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY, upload_seconds=60))


def created_again_elsewhere(pipeline: Pipeline) -> None:
    deleted(pipeline)
    elsewhere = Partition("default", "papers")
    key = upload_key(elsewhere, "doc", "doc.md")
    pipeline.ledger.create(NewDocument(elsewhere, "doc", "doc.md", key))
    pipeline.objects.put(key, TEXT.encode())
    pipeline.split(key, "5")


def expired(pipeline: Pipeline) -> None:
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY, upload_seconds=60))
    pipeline.clock.move(hours=2)
    pipeline.reconcile()


def registered_again_and_expired(pipeline: Pipeline) -> None:
    registered_again(pipeline)
    pipeline.clock.move(hours=2)
    pipeline.reconcile()
    assert pipeline.document().status is Status.FAILED


def partial(pipeline: Pipeline) -> None:
    pipeline.embedder = PickyEmbedder()
    pipeline.drop(TEXT)


def retried(pipeline: Pipeline) -> None:
    partial(pipeline)
    pipeline.run()
    pipeline.embedder = HashEmbedder()
    pipeline.retry(force=True)


def failed(pipeline: Pipeline) -> None:
    pipeline.embedder = RefusingEmbedder()
    pipeline.drop(TEXT)


def failed_replacement(pipeline: Pipeline) -> None:
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.drop(b"", sequencer="2")


def replacement_without_vectors(pipeline: Pipeline) -> None:
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    failed(pipeline)
    pipeline.drop(TEXT, sequencer="2")


def empty_replacement(pipeline: Pipeline) -> None:
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.drop("  \n ", sequencer="2")


def in_ranges(pipeline: Pipeline) -> None:
    pipeline.limits = replace(LIMITS, pages_per_range=1)
    pipeline.drop(SAMPLES[PDF](), filename=PDF)


def dead_letter_of_a_range(pipeline: Pipeline) -> None:
    in_ranges(pipeline)
    first, second = pipeline.waiting_pages()
    pipeline.split_work(first)
    pipeline.letter("pages", second.model_dump_json())


def same_bytes(pipeline: Pipeline) -> None:
    pipeline.drop(TEXT, "one")
    pipeline.drop(TEXT, "two")


def nothing(pipeline: Pipeline) -> None:
    assert not pipeline.ledger._records


def indexed(pipeline: Pipeline) -> None:
    pipeline.drop(TEXT)


def unreadable(pipeline: Pipeline) -> None:
    pipeline.drop(b"")


def without_text(pipeline: Pipeline) -> None:
    pipeline.drop("  \n ")


LIVES = [
    nothing,
    indexed,
    unreadable,
    without_text,
    replaced,
    deleted,
    created_again,
    created_again_elsewhere,
    registered_again,
    expired,
    registered_again_and_expired,
    partial,
    retried,
    failed,
    failed_replacement,
    replacement_without_vectors,
    empty_replacement,
    in_ranges,
    dead_letter_of_a_range,
    same_bytes,
]


@pytest.mark.parametrize("life", LIVES)
def test_nothing_is_wrong_with_a_normal_life(life: Callable[[Pipeline], None]) -> None:
    pipeline = Pipeline.timed()
    life(pipeline)
    pipeline.run()
    assert pipeline.examine().findings == []
    pipeline.clock.move(days=1)
    pipeline.reconcile()
    pipeline.run()
    report = pipeline.examine()
    assert report.findings == []
    assert report.healthy


def test_nothing_is_wrong_with_a_document_that_is_on_its_way() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    pipeline.drop(TEXT, sequencer="2")
    assert pipeline.examine().healthy
    first, second, *others = pipeline.waiting_parts()
    pipeline.embed([first, second])
    assert pipeline.examine().healthy
    pipeline.apply(pipeline.waiting_ops())
    assert pipeline.examine().healthy
    pipeline.embed(others)
    pipeline.run()
    assert pipeline.examine().healthy


def test_rows_that_were_committed_before_the_ledger_knew_are_no_fault() -> None:
    pipeline = Pipeline()
    pipeline.drop("Some words.")
    pipeline.embed(pipeline.waiting_parts())
    ops = pipeline.waiting_ops()
    record = pipeline.ledger.record_chunks
    pipeline.ledger.record_chunks = lambda *_: None  # type: ignore[method-assign]
    pipeline.apply(ops)
    pipeline.ledger.record_chunks = record  # type: ignore[method-assign]
    assert pipeline.index.count(HANDBOOK) == 1
    assert pipeline.examine().healthy
    pipeline.apply(ops)
    assert pipeline.examine().healthy


def test_the_report_says_how_much_was_compared() -> None:
    pipeline = Pipeline()
    pipeline.drop(TEXT, "one")
    pipeline.drop("Some words.", "two")
    pipeline.run()
    chunks = pipeline.document("one").progress.chunks_total + 1
    totals = pipeline.examine().totals
    assert totals["documents"] == totals["uploads"] == 2
    assert totals["chunks"] == totals["rows"] == chunks
    assert totals["chunks objects"] == len(list(pipeline.objects.list("chunks/")))
    assert totals["vectors objects"] == len(list(pipeline.objects.list("vectors/")))


def test_an_empty_folder_that_a_console_made_is_no_upload() -> None:
    pipeline = Pipeline()
    pipeline.objects.put(f"uploads/{HANDBOOK}/2026/", b"")
    assert pipeline.examine().healthy


# Faults, each planted in a document that is well


def well() -> Pipeline:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.drop("Others are not concerned.", "bystander")
    pipeline.run()
    assert pipeline.examine().healthy
    return pipeline


def rewrite(pipeline: Pipeline, change: Callable[[Document], Document]) -> None:
    """Have the ledger say something else of the document, its records untouched."""
    record = pipeline.ledger._records["default", "doc"]
    pipeline.ledger._records["default", "doc"] = replace(record, document=change(record.document))


def miscounted() -> Pipeline:
    pipeline = well()
    rewrite(
        pipeline, lambda one: replace(one, progress=replace(one.progress, embedded=3, indexed=999))
    )
    return pipeline


def false_status() -> Pipeline:
    """Called indexed, though a chunk of it failed."""
    pipeline = Pipeline.timed(embedder=PickyEmbedder())
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.embedder = HashEmbedder()
    rewrite(pipeline, lambda one: replace(one, status=Status.INDEXED, reason=None))
    return pipeline


def false_live_generation() -> Pipeline:
    pipeline = well()
    rewrite(pipeline, lambda one: replace(one, live_generation=0))
    return pipeline


def failed_for_no_reason() -> Pipeline:
    pipeline = Pipeline.timed()
    pipeline.drop(b"")
    pipeline.objects.put(KEY, TEXT.encode())
    rewrite(pipeline, lambda one: replace(one, reason=None))
    return pipeline


def unsettled() -> Pipeline:
    pipeline = well()
    rewrite(pipeline, lambda one: replace(one, status=Status.PROCESSING))
    return pipeline


def failed_though_complete() -> Pipeline:
    pipeline = well()
    reason = Reason("stalled", "it stood still.", "embed")
    rewrite(pipeline, lambda one: replace(one, status=Status.FAILED, reason=reason))
    return pipeline


def stuck() -> Pipeline:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.waiting_parts()
    pipeline.clock.move(minutes=41)
    return pipeline


def stuck_removal() -> Pipeline:
    """Its rows are gone too, only the ledger was not told."""
    pipeline = well()
    pipeline.delete()
    forget = pipeline.ledger.forget
    pipeline.ledger.forget = lambda *_: None  # type: ignore[method-assign]
    pipeline.run()
    pipeline.ledger.forget = forget  # type: ignore[method-assign]
    pipeline.clock.move(minutes=41)
    return pipeline


def missing_upload() -> Pipeline:
    pipeline = well()
    pipeline.objects.delete([KEY])
    return pipeline


def orphan_upload() -> Pipeline:
    pipeline = well()
    pipeline.objects.put(upload_key(HANDBOOK, "nobody", "a.md"), b"Never announced.")
    return pipeline


def upload_of_a_deleted_document() -> Pipeline:
    pipeline = well()
    pipeline.delete()
    pipeline.run()
    pipeline.objects.put(KEY, b"Put by a URL that outlived it.")
    return pipeline


def missing_chunks() -> Pipeline:
    pipeline = well()
    pipeline.objects.delete([f"chunks/{HANDBOOK}/doc/1/{16:09d}.jsonl.gz"])
    return pipeline


def missing_vectors() -> Pipeline:
    pipeline = well()
    pipeline.objects.delete(list(pipeline.objects.list(f"vectors/{HANDBOOK}/doc/")))
    return pipeline


def damaged_vectors() -> Pipeline:
    pipeline = well()
    pipeline.objects.put(next(iter(pipeline.objects.list(f"vectors/{HANDBOOK}/doc/"))), b"PK")
    return pipeline


def superfluous_vectors_that_are_damaged() -> Pipeline:
    pipeline = well()
    pipeline.objects.put(f"vectors/{HANDBOOK}/doc/1/hash-1-64-{'0' * 32}.npz", b"PK")
    return pipeline


def orphan_objects() -> Pipeline:
    pipeline = well()
    pipeline.objects.put(f"chunks/{HANDBOOK}/nobody/1/{0:09d}.jsonl.gz", b"")
    return pipeline


def objects_of_a_dead_generation() -> Pipeline:
    pipeline = well()
    pipeline.drop("Quite another text.", sequencer="2")
    old = {key: pipeline.objects.get(key) for key in pipeline.objects.list("chunks/")}
    pipeline.run()
    for key, kept in old.items():
        if "/doc/1/" in key and kept is not None:
            pipeline.objects.put(key, kept)
    return pipeline


def objects_of_a_generation_to_come() -> Pipeline:
    """The ledger was restored from a backup; its next generation must not meet them."""
    pipeline = well()
    for key in [*pipeline.objects.list("chunks/"), *pipeline.objects.list("vectors/")]:
        kept = pipeline.objects.get(key)
        assert kept is not None
        pipeline.objects.put(key.replace("/doc/1/", "/doc/7/"), kept)
    return pipeline


def object_of_no_shape() -> Pipeline:
    pipeline = well()
    pipeline.objects.put("vectors/notes.txt", b"")
    return pipeline


def missing_rows() -> Pipeline:
    pipeline = well()
    rows = pipeline.index._partitions[HANDBOOK]
    for key in ("doc:1:0", "doc:1:17"):
        del rows[key]
    return pipeline


def missing_partition() -> Pipeline:
    pipeline = well()
    pipeline.index._partitions.clear()
    return pipeline


def rows_of_a_dead_generation() -> Pipeline:
    pipeline = well()
    pipeline.drop("Quite another text.", sequencer="2")
    old = list(pipeline.index._partitions[HANDBOOK].values())
    pipeline.run()
    pipeline.index.upsert(HANDBOOK, [row for row in old if row.document_id == "doc"])
    return pipeline


def rows_of_a_deleted_document() -> Pipeline:
    pipeline = well()
    old = list(pipeline.index._partitions[HANDBOOK].values())
    pipeline.delete()
    pipeline.run()
    pipeline.index.upsert(HANDBOOK, [row for row in old if row.document_id == "doc"])
    return pipeline


def rows_of_an_unknown_document() -> Pipeline:
    pipeline = well()
    row = next(iter(pipeline.index._partitions[HANDBOOK].values()))
    pipeline.index.upsert(HANDBOOK, [replace(row, document_id="nobody", generation=3)])
    return pipeline


def rows_in_another_collection() -> Pipeline:
    pipeline = well()
    row = next(iter(pipeline.index._partitions[HANDBOOK].values()))
    pipeline.index.upsert(Partition("default", "papers"), [row])
    return pipeline


def rows_of_failed_chunks() -> Pipeline:
    """The index has what the ledger says failed."""
    pipeline = well()
    pipeline.ledger._chunks["default", "doc", 1][0] = ChunkState.FAILED
    reason = Reason("retries_exhausted", "a part failed.", "index", chunk=0)
    pipeline.ledger._reasons.setdefault(("default", "doc", 1), {})[0] = reason

    def partly(progress: Progress) -> Progress:
        return replace(progress, indexed=progress.indexed - 1, failed=1)

    rewrite(
        pipeline,
        lambda one: replace(
            one, status=Status.PARTIAL, reason=reason, progress=partly(one.progress)
        ),
    )
    return pipeline


def row_of_a_chunk_that_never_was() -> Pipeline:
    pipeline = well()
    row = pipeline.index._partitions[HANDBOOK]["doc:1:0"]
    pipeline.index.upsert(HANDBOOK, [replace(row, chunk=replace(row.chunk, ordinal=99_999))])
    return pipeline


def duplicate_rows() -> Pipeline:
    pipeline = well()
    rows = pipeline.index._partitions[HANDBOOK]
    rows["doc:1:0 again"] = rows["doc:1:0"]
    return pipeline


def orphan_child() -> Pipeline:
    """As a restored backup may have it: its parent is not there."""
    pipeline = well()
    origin = Origin("elsewhere", "papers.zip", "doc.md", 1, 0, 0)
    rewrite(pipeline, lambda document: replace(document, origin=origin))
    return pipeline


def miscounted_tenant() -> Pipeline:
    pipeline = well()
    pipeline.ledger._drift["default"] = Holdings(1, 2, 3)
    return pipeline


FAULTS: list[tuple[Callable[[], Pipeline], Kind]] = [
    (miscounted, Kind.MISCOUNTED),
    (miscounted_tenant, Kind.MISCOUNTED_TENANT),
    (false_status, Kind.FALSE_STATUS),
    (false_live_generation, Kind.FALSE_STATUS),
    (failed_for_no_reason, Kind.FALSE_STATUS),
    (unsettled, Kind.UNSETTLED),
    (failed_though_complete, Kind.UNSETTLED),
    (stuck, Kind.STUCK),
    (stuck_removal, Kind.STUCK),
    (missing_upload, Kind.MISSING_UPLOAD),
    (orphan_upload, Kind.ORPHAN_UPLOAD),
    (upload_of_a_deleted_document, Kind.ORPHAN_UPLOAD),
    (missing_chunks, Kind.MISSING_CHUNKS),
    (missing_vectors, Kind.MISSING_VECTORS),
    (superfluous_vectors_that_are_damaged, Kind.DAMAGED_VECTORS),
    (orphan_objects, Kind.ORPHAN_OBJECTS),
    (objects_of_a_dead_generation, Kind.ORPHAN_OBJECTS),
    (objects_of_a_generation_to_come, Kind.ORPHAN_OBJECTS),
    (object_of_no_shape, Kind.ORPHAN_OBJECTS),
    (missing_rows, Kind.MISSING_ROWS),
    (missing_partition, Kind.MISSING_ROWS),
    (rows_of_a_dead_generation, Kind.EXTRA_ROWS),
    (rows_of_a_deleted_document, Kind.EXTRA_ROWS),
    (rows_of_an_unknown_document, Kind.EXTRA_ROWS),
    (rows_in_another_collection, Kind.EXTRA_ROWS),
    (rows_of_failed_chunks, Kind.EXTRA_ROWS),
    (row_of_a_chunk_that_never_was, Kind.EXTRA_ROWS),
    (duplicate_rows, Kind.DUPLICATE_ROWS),
    (orphan_child, Kind.ORPHAN_CHILD),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(
    fault: Callable[[], Pipeline], kind: Kind
) -> None:
    report = fault().examine()
    assert kinds(report) == {kind}
    assert not report.healthy
    assert all(finding.detail and finding.subject for finding in report.findings)


def test_every_kind_of_fault_is_planted_here() -> None:
    assert {kind for _, kind in FAULTS} == set(Kind)


def test_vectors_that_are_damaged_are_in_the_way_and_missed() -> None:
    report = damaged_vectors().examine()
    assert kinds(report) == {Kind.DAMAGED_VECTORS, Kind.MISSING_VECTORS}


def test_a_finding_names_the_document_and_the_chunks_that_it_is_about() -> None:
    (finding,) = missing_rows().examine().findings
    assert finding.subject == "doc"
    assert finding.document is not None
    assert finding.document.document_id == "doc"
    assert finding.partition == HANDBOOK
    assert list(finding.ordinals) == [0, 17]
    (finding,) = missing_chunks().examine().findings
    assert list(finding.ordinals) == list(range(16, 32))


def test_a_finding_about_an_upload_names_its_key() -> None:
    (finding,) = orphan_upload().examine().findings
    assert finding.subject == upload_key(HANDBOOK, "nobody", "a.md")
    assert finding.document is None


def test_a_chunk_that_is_embedded_needs_its_vector_before_it_is_indexed() -> None:
    pipeline = Pipeline()
    pipeline.drop("Some words.")
    pipeline.embed(pipeline.waiting_parts())
    assert pipeline.examine().healthy
    pipeline.objects.delete(list(pipeline.objects.list("vectors/")))
    assert kinds(pipeline.examine()) == {Kind.MISSING_VECTORS}


def test_the_live_generation_is_held_to_account_while_it_is_replaced() -> None:
    pipeline = well()
    pipeline.drop("Quite another text.", sequencer="2")
    del pipeline.index._partitions[HANDBOOK]["doc:1:3"]
    (finding,) = pipeline.examine().findings
    assert (finding.kind, list(finding.ordinals)) == (Kind.MISSING_ROWS, [3])


def test_a_document_is_only_stuck_once_the_reconciler_should_have_come() -> None:
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.waiting_parts()
    pipeline.clock.move(minutes=39)
    assert pipeline.examine().healthy
    pipeline.clock.move(minutes=2)
    assert kinds(pipeline.examine()) == {Kind.STUCK}


def test_a_deleted_document_whose_bytes_remain_is_found() -> None:
    pipeline = well()
    pipeline.ledger.delete("default", "doc")
    assert Kind.ORPHAN_UPLOAD in kinds(pipeline.examine())


def test_documents_of_every_tenant_are_examined() -> None:
    pipeline = Pipeline.timed()
    key = "uploads/acme/papers/theirs/a.md"
    pipeline.objects.put(key, b"Some words.")
    pipeline.ledger.create(NewDocument(Partition("acme", "papers"), "theirs", "a.md", key))
    pipeline.split(key, "1")
    pipeline.waiting_parts()
    pipeline.clock.move(hours=1)
    (finding,) = pipeline.examine().findings
    assert finding.document is not None
    assert finding.document.partition.tenant == "acme"


def test_vectors_of_every_indexed_chunk_are_stored() -> None:
    """What the faults above take for granted."""
    pipeline = well()
    found: set[int] = set()
    for key in pipeline.objects.list("vectors/"):
        stored = parse_stored_key(key)
        assert stored is not None
        if stored.document_id == "doc":
            found |= read_vectors(pipeline.objects, key).keys()
    assert len(found) == pipeline.document().progress.indexed
