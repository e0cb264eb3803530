"""The whole pipeline on an index that shows writes late: the ledger tells what counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ragline.domain.documents import Status
from ragline.domain.errors import ServiceUnavailable
from ragline.domain.ledger import NewDocument
from ragline.embedding.hashing import HashEmbedder
from ragline.usecases.doctor import Kind
from tests.contract.pinecone import pinecone, serving
from tests.pinecone_server import PineconeServer
from tests.unit.pipeline import HANDBOOK, Pipeline

FOREVER = 1e9


@pytest.fixture
def server() -> Iterator[PineconeServer]:
    with serving(HashEmbedder().dimensions) as one:
        yield one


@pytest.fixture
def pipeline(server: PineconeServer) -> Iterator[Pipeline]:
    with pinecone(server) as indexes:
        yield Pipeline(indexes=indexes)  # type: ignore[arg-type]


def found(pipeline: Pipeline, query: str) -> set[tuple[str, int]]:
    """The document and generation of each hit, by either leg alone and by both."""
    hits = [
        hit.passage
        for mode in ("hybrid", "dense", "bm25")
        for hit in pipeline.search(query, mode=mode)
    ]
    return {(one.document_id, one.generation) for one in hits}


def test_a_document_dropped_is_found_as_soon_as_pinecone_shows_it(
    pipeline: Pipeline, server: PineconeServer
) -> None:
    server.store.delay = FOREVER
    pipeline.drop("The lighthouse keeper trims the lamp.")
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED, "acknowledged, that is"
    assert found(pipeline, "lighthouse") == set()
    server.store.delay = 0
    assert found(pipeline, "lighthouse") == {("doc", 1)}


def test_a_deleted_document_is_never_found_however_long_its_rows_stay(
    pipeline: Pipeline, server: PineconeServer
) -> None:
    pipeline.drop("The lighthouse keeper trims the lamp.")
    pipeline.run()
    assert found(pipeline, "lighthouse") == {("doc", 1)}
    server.store.delay = FOREVER
    pipeline.delete()
    assert found(pipeline, "lighthouse") == set(), "before the indexer heard of it"
    pipeline.run()
    assert pipeline.index.count(HANDBOOK) == 1
    assert found(pipeline, "lighthouse") == set(), "and before Pinecone shows it"
    server.store.delay = 0
    assert pipeline.index.count(HANDBOOK) == 0


def test_a_replaced_document_is_found_as_its_new_version_only(
    pipeline: Pipeline, server: PineconeServer
) -> None:
    pipeline.drop("The lighthouse keeper trims the lamp.")
    pipeline.run()
    assert found(pipeline, "lighthouse") == {("doc", 1)}
    server.store.delay = FOREVER
    pipeline.drop("The lighthouse was sold in 1923.", sequencer="2")
    pipeline.run()
    assert pipeline.document().live_generation == 2
    assert found(pipeline, "lighthouse") == set(), "the new rows do not show yet"
    server.store.delay = 0
    assert found(pipeline, "lighthouse") == {("doc", 2)}
    assert {generation for _, generation, _ in pipeline.index.entries(HANDBOOK)} == {2}


def test_the_doctor_waits_for_what_does_not_show_yet(
    pipeline: Pipeline, server: PineconeServer
) -> None:
    server.store.delay = 0.2
    pipeline.drop("The lighthouse keeper trims the lamp.")
    pipeline.run()
    assert pipeline.examine().healthy
    pipeline.delete()
    pipeline.run()
    assert pipeline.examine().healthy


def test_the_doctor_takes_no_late_row_for_a_lost_one(
    pipeline: Pipeline, server: PineconeServer
) -> None:
    server.store.delay = FOREVER
    pipeline.drop("The lighthouse keeper trims the lamp.")
    pipeline.run()
    with pytest.raises(ServiceUnavailable, match=r"not show all rows of default/handbook yet"):
        pipeline.examine()


def test_the_doctor_finds_what_pinecone_has_lost(
    pipeline: Pipeline, server: PineconeServer
) -> None:
    pipeline.drop("The lighthouse keeper trims the lamp.")
    pipeline.run()
    assert pipeline.examine().healthy
    (space,) = server.store.namespaces.values()
    space.documents.clear()
    assert {one.kind for one in pipeline.examine().findings} == {Kind.MISSING_ROWS}


def test_a_document_is_indexed_after_an_outage_by_what_the_queue_delivers_again(
    pipeline: Pipeline, server: PineconeServer
) -> None:
    pipeline.drop("The lighthouse keeper trims the lamp.")
    pipeline.embed(pipeline.waiting_parts())
    ops = pipeline.waiting_ops()
    server.fail(503, times=3)
    assert pipeline.apply(ops) == 0
    assert pipeline.document().status is Status.PROCESSING
    assert pipeline.apply(ops) == len(ops)
    assert found(pipeline, "lighthouse") == {("doc", 1)}


def test_chunks_that_pinecone_cannot_keep_fail_and_hold_up_no_other(pipeline: Pipeline) -> None:
    notes = {f"note{n}": "é" * 1_024 for n in range(20)}
    key = f"uploads/{HANDBOOK}/large/doc.md"
    pipeline.ledger.create(NewDocument(HANDBOOK, "large", "doc.md", key, metadata=notes))
    pipeline.drop("A lighthouse.", document_id="small")
    pipeline.drop("A lamp of a lighthouse.", document_id="large")
    pipeline.drop("A keeper of a lighthouse.", document_id="last")
    pipeline.run()
    large = pipeline.document("large")
    assert large.status is Status.FAILED
    assert large.reason is not None
    assert (large.reason.code, large.reason.stage) == ("limit_exceeded", "index")
    assert "Pinecone keeps at most 40,000" in large.reason.message
    assert found(pipeline, "lighthouse") == {("small", 1), ("last", 1)}
    assert pipeline.examine().healthy
