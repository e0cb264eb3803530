"""What the doctor finds is repaired, or said to be beyond it; what is well is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ragline.domain.documents import Status
from ragline.domain.keys import upload_key
from ragline.domain.ledger import NewDocument
from ragline.usecases.doctor import Kind
from tests.unit.pipeline import HANDBOOK, Pipeline
from tests.unit.test_doctor import (
    FAULTS,
    KEY,
    damaged_vectors,
    duplicate_rows,
    false_status,
    missing_chunks,
    missing_rows,
    missing_upload,
    stuck,
    well,
)
from tests.unit.test_pipeline import TEXT
from tests.unit.test_retry import everything


@pytest.mark.parametrize(
    "fault",
    [damaged_vectors, *(fault for fault, kind in FAULTS if kind is not Kind.MISSING_UPLOAD)],
)
def test_what_the_doctor_finds_is_repaired(fault: Callable[[], Pipeline]) -> None:
    pipeline = fault()
    others = pipeline.ledger.get("default", "bystander")
    assert pipeline.repair() == []
    pipeline.run()
    assert pipeline.examine().findings == []
    assert pipeline.ledger.get("default", "bystander") == others
    if others:
        assert pipeline.search("concerned")


@pytest.mark.parametrize("fault", [damaged_vectors, *(fault for fault, _ in FAULTS)])
def test_repairing_twice_is_as_good_as_once(fault: Callable[[], Pipeline]) -> None:
    pipeline = fault()
    findings = pipeline.examine().findings
    first = pipeline.repair(findings)
    assert pipeline.repair(findings) == first
    pipeline.run()
    pipeline.repair(findings)
    pipeline.run()
    left = pipeline.examine().findings
    assert [finding.kind for finding in left] == [finding.kind for finding in first]


def test_an_upload_that_is_gone_is_for_its_owner_to_bring_again() -> None:
    pipeline = missing_upload()
    before = everything(pipeline)
    (left,) = pipeline.repair()
    assert left.kind is Kind.MISSING_UPLOAD
    assert everything(pipeline) == before
    pipeline.objects.put(KEY, TEXT.encode())
    assert pipeline.examine().healthy


@pytest.mark.parametrize("fault", [missing_chunks, false_status, duplicate_rows])
def test_what_only_the_upload_can_mend_is_beyond_repair_without_it(
    fault: Callable[[], Pipeline],
) -> None:
    pipeline = fault()
    pipeline.objects.delete([KEY])
    findings = pipeline.examine().findings
    assert pipeline.repair(findings) == findings
    assert not pipeline.queues.pages


def test_a_document_is_found_all_the_while_its_chunks_are_cut_anew() -> None:
    pipeline = missing_chunks()
    pipeline.repair()
    assert pipeline.search("brake fluid")
    assert pipeline.document().status is Status.INDEXED
    pipeline.run()
    assert pipeline.document().generation == 2
    assert pipeline.search("brake fluid")


def test_missing_rows_come_back_from_the_stored_chunks_without_the_upload() -> None:
    pipeline = missing_rows()
    pipeline.objects.delete([KEY])
    assert [finding.kind for finding in pipeline.repair()] == [Kind.MISSING_UPLOAD]
    assert not pipeline.queues.pages
    assert len(pipeline.queues.parts) == 2
    pipeline.run()
    assert {finding.kind for finding in pipeline.examine().findings} == {Kind.MISSING_UPLOAD}


def test_a_live_generation_that_lost_rows_is_made_whole_by_the_one_that_replaces_it() -> None:
    pipeline = well()
    pipeline.drop("Quite another text.", sequencer="2")
    del pipeline.index._partitions[HANDBOOK]["doc:1:3"]
    assert pipeline.repair() == []
    pipeline.run()
    assert pipeline.examine().healthy
    assert pipeline.document().status is Status.INDEXED


def test_a_repair_of_what_cannot_be_replaced_says_so_or_mends_it() -> None:
    """The live generation lost rows, and the file that replaces it cannot be read."""
    pipeline = well()
    pipeline.drop(b"", sequencer="2")
    assert pipeline.document().status is Status.FAILED
    del pipeline.index._partitions[HANDBOOK]["doc:1:3"]
    left: list[Kind] = []
    for _ in range(3):
        left = [finding.kind for finding in pipeline.repair()]
        pipeline.run()
    assert left or pipeline.examine().healthy


def test_an_upload_that_no_one_announced_is_taken_in() -> None:
    pipeline = well()
    key = f"uploads/{HANDBOOK}/2026/march.md"
    pipeline.objects.put(key, b"Never announced.")
    assert pipeline.repair() == []
    pipeline.run()
    best, *_ = pipeline.search("never announced")
    assert best.passage.filename == "march.md"
    assert pipeline.examine().healthy


@pytest.mark.parametrize("key", ["uploads/loose.md", "uploads/Acme/papers/a.md"])
def test_an_upload_where_no_document_can_be_is_beyond_repair(key: str) -> None:
    pipeline = well()
    pipeline.objects.put(key, b"Lost.")
    (left,) = pipeline.repair()
    assert left.subject == key
    assert not pipeline.queues.pages


def test_bytes_put_by_a_url_that_outlived_its_document_are_cleared_away() -> None:
    pipeline = well()
    pipeline.delete()
    pipeline.run()
    pipeline.objects.put(KEY, b"Late.")
    assert pipeline.repair() == []
    pipeline.run()
    assert pipeline.objects.size(KEY) is None
    assert pipeline.document().status is Status.DELETED
    assert pipeline.examine().healthy


def test_a_dropped_file_whose_deletion_left_its_bytes_is_repaired() -> None:
    """The API died between telling the ledger and deleting the bytes."""
    pipeline = Pipeline.timed()
    key = f"uploads/{HANDBOOK}/2026/march.md"
    pipeline.objects.put(key, b"Some words.")
    pipeline.split(key, "1")
    pipeline.run()
    (document,) = pipeline.ledger.list(HANDBOOK).documents
    pipeline.ledger.delete("default", document.document_id)
    pipeline.repair()
    pipeline.run()
    assert pipeline.examine().findings == []


def test_a_repair_never_brings_back_what_was_deleted() -> None:
    """Its removal went astray, and its id was registered again for bytes that never came."""
    pipeline = Pipeline.timed()
    pipeline.drop(TEXT)
    pipeline.run()
    pipeline.delete()
    pipeline.waiting_ops()
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", KEY, upload_seconds=60))
    pipeline.repair()
    pipeline.run()
    assert not pipeline.search("brake fluid")
    pipeline.clock.move(hours=2)
    pipeline.reconcile()
    for _ in range(2):
        pipeline.repair()
        pipeline.run()
    assert not pipeline.search("brake fluid")
    assert pipeline.document().live_generation == 0
    assert pipeline.index.count(HANDBOOK) == 0
    assert pipeline.examine().findings == []


def during(pipeline: Pipeline, prefix: str, happens: Callable[[], object]) -> None:
    """Have something happen when the doctor, who has read the ledger, lists these objects."""
    lists = pipeline.objects.list

    def listing(some: str) -> Iterator[str]:
        if some == prefix:
            pipeline.objects.list = lists  # type: ignore[method-assign]
            happens()
        yield from lists(some)

    pipeline.objects.list = listing  # type: ignore[method-assign, assignment]


def dropped(pipeline: Pipeline, run: bool) -> Callable[[], object]:
    def happens() -> None:
        pipeline.drop("The gate opens at nine.", "new")
        if run:
            pipeline.run()

    return happens


def replaced(pipeline: Pipeline, run: bool) -> Callable[[], object]:
    def happens() -> None:
        pipeline.drop("The gate opens at nine.", "bystander", sequencer="2")
        if run:
            pipeline.run()

    return happens


@pytest.mark.parametrize("run", [False, True], ids=["on its way", "indexed"])
@pytest.mark.parametrize("change", [dropped, replaced])
def test_a_document_that_came_while_the_doctor_looked_is_not_repaired_away(
    change: Callable[[Pipeline, bool], Callable[[], object]], run: bool
) -> None:
    pipeline = well()
    during(pipeline, "chunks/", change(pipeline, run))
    findings = pipeline.examine().findings
    pipeline.repair(findings)
    pipeline.run()
    assert pipeline.search("gate")
    assert pipeline.examine().findings == []


def test_a_document_that_came_to_rest_since_the_examination_is_left_as_it_is() -> None:
    pipeline = stuck()
    findings = pipeline.examine().findings
    pipeline.repair(findings)
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.INDEXED
    pipeline.repair(findings)
    pipeline.run()
    assert replace(pipeline.document(), updated_at="") == replace(document, updated_at="")


def test_a_document_that_was_deleted_since_the_examination_stays_deleted() -> None:
    for fault, _ in FAULTS:
        pipeline = fault()
        findings = pipeline.examine().findings
        pipeline.delete()
        pipeline.run()
        pipeline.repair(findings)
        pipeline.run()
        assert pipeline.document().status is Status.DELETED, fault.__name__
        assert pipeline.index.count(HANDBOOK, "doc") == 0, fault.__name__
        assert not list(pipeline.objects.list(f"chunks/{HANDBOOK}/doc/")), fault.__name__


def test_nothing_is_done_where_nothing_is_found() -> None:
    pipeline = well()
    before = everything(pipeline)
    assert pipeline.repair() == []
    assert everything(pipeline) == before


def test_each_finding_is_repaired_though_there_are_many() -> None:
    pipeline = well()
    for n in range(5):
        pipeline.objects.put(upload_key(HANDBOOK, f"n{n}", "a.md"), f"Stray {n}.".encode())
    pipeline.index._partitions.clear()
    pipeline.objects.put("vectors/notes.txt", b"")
    assert pipeline.repair() == []
    pipeline.run()
    assert pipeline.examine().healthy
    assert len(pipeline.search("stray", limit=9)) >= 5
