"""What a second look found: crashes, races and leftovers that the first one let through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ragline import wiring
from ragline.domain.documents import Document, Status
from ragline.domain.errors import EmbeddingFailed, MalformedMessage, ServiceUnavailable
from ragline.domain.keys import parse_upload_key
from ragline.domain.messages import Delete, PageRange
from ragline.embedding.hashing import HashEmbedder
from ragline.settings import settings
from ragline.usecases import dead_letters
from ragline.usecases.documents import delete
from ragline.usecases.splitting import Outcome
from tests.samples import SAMPLES
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline
from tests.unit.test_pipeline import TEXT

KEY = f"uploads/{HANDBOOK}/doc/doc.md"
PDF = next(name for name in SAMPLES if name.endswith(".pdf"))


class RefusingEmbedder(HashEmbedder):
    """Can embed nothing."""

    def embed(self, texts: object) -> NDArray[np.float32]:
        raise EmbeddingFailed("the model cannot read this.")


def replaced(pipeline: Pipeline, text: str = TEXT) -> Pipeline:
    """A document that is indexed, and a new version of it on its way."""
    pipeline.drop("The gate opens at nine.")
    pipeline.run()
    pipeline.drop(text, sequencer="2")
    return pipeline


def old_rows_ordered_away(pipeline: Pipeline) -> bool:
    ops = [op for op in pipeline.queues.ops if isinstance(op, Delete)]
    return any(op.below == 2 for op in ops)


def letter(pipeline: Pipeline, source: str, body: str) -> str | None:
    return dead_letters.record(
        source,
        "m1",
        body,
        ledger=pipeline.ledger,
        objects=pipeline.objects,
        queues=pipeline.queues,
    )


def test_a_crash_between_ending_a_generation_and_removing_the_old_one_is_mended() -> None:
    pipeline = replaced(Pipeline(), "The gate opens at ten.")
    pipeline.embed(pipeline.waiting_parts())
    ops = pipeline.waiting_ops()
    works = pipeline.queues.send_ops

    def down(ops: object) -> None:
        raise ServiceUnavailable("SQS did not answer.")

    pipeline.queues.send_ops = down  # type: ignore[method-assign]
    assert pipeline.apply(ops) == 0
    assert pipeline.document().status is Status.INDEXED
    pipeline.queues.send_ops = works  # type: ignore[method-assign]
    assert pipeline.apply(ops) == 1
    pipeline.run()
    assert pipeline.index.count(HANDBOOK) == 1


def test_a_replacement_that_ends_in_the_embedder_has_the_old_rows_removed_too() -> None:
    pipeline = replaced(Pipeline())
    last, *others = pipeline.waiting_parts()
    pipeline.embed(others)
    pipeline.run()
    pipeline.embedder = RefusingEmbedder()
    pipeline.embed([last])
    assert pipeline.document().status is Status.PARTIAL
    assert old_rows_ordered_away(pipeline)


def test_a_replacement_that_ends_as_a_dead_letter_has_the_old_rows_removed_too() -> None:
    pipeline = replaced(Pipeline())
    first, *others = pipeline.waiting_parts()
    pipeline.embed(others)
    pipeline.run()
    letter(pipeline, "chunks", first.model_dump_json())
    assert pipeline.document().status is Status.PARTIAL
    assert old_rows_ordered_away(pipeline)


def test_a_replacement_that_ends_in_the_splitter_has_the_old_rows_removed_too() -> None:
    pipeline = Pipeline(limits=replace(LIMITS, pages_per_range=1))
    pipeline.drop(SAMPLES[PDF](), filename=PDF)
    pipeline.run()
    pipeline.drop(SAMPLES[PDF](), sequencer="2", filename=PDF)
    *ranges, last = pipeline.queues.pages
    pipeline.queues.pages = list(ranges)
    pipeline.run()
    assert isinstance(last, PageRange)
    pipeline.split_range(last.model_copy(update={"first_page": 900, "last_page": 999}))
    assert pipeline.document().status is Status.INDEXED
    assert old_rows_ordered_away(pipeline)
    pipeline.queues.ops.clear()  # the splitter died before it was sent
    pipeline.split_range(last)
    assert old_rows_ordered_away(pipeline)


def test_chunks_written_after_a_deletion_was_worked_on_do_not_stay() -> None:
    pipeline = Pipeline()
    put = pipeline.objects.put

    def deleted_first(key: str, data: bytes, content_type: str = "") -> None:
        if key.startswith("chunks/") and pipeline.document().status is not Status.DELETED:
            _delete(pipeline)
            pipeline.run()
        put(key, data, content_type)

    pipeline.objects.put = deleted_first  # type: ignore[method-assign]
    assert pipeline.drop(TEXT) is Outcome.STALE
    assert not pipeline.queues.parts
    assert not list(pipeline.objects.list(""))


def test_vectors_written_after_a_deletion_was_worked_on_do_not_stay() -> None:
    pipeline = Pipeline()
    pipeline.drop("The gate opens at nine.")
    put = pipeline.objects.put

    def deleted_first(key: str, data: bytes, content_type: str = "") -> None:
        _delete(pipeline)
        pipeline.run()
        put(key, data, content_type)

    pipeline.objects.put = deleted_first  # type: ignore[method-assign]
    pipeline.embed(pipeline.waiting_parts())
    pipeline.run()
    assert not list(pipeline.objects.list(""))


def test_a_ledger_that_fails_for_one_document_returns_only_its_messages() -> None:
    pipeline = Pipeline()
    pipeline.drop("some words", "one")
    pipeline.drop("other words", "two")
    get = pipeline.ledger.get

    def failing(tenant: str, document_id: str) -> Document | None:
        if document_id == "one":
            raise ServiceUnavailable("DynamoDB did not answer.")
        return get(tenant, document_id)

    pipeline.ledger.get = failing  # type: ignore[method-assign]
    assert pipeline.embed(pipeline.waiting_parts()) == {0}
    assert [op.document_id for op in pipeline.waiting_ops()] == ["two"]


def test_the_ranges_of_a_document_share_its_limit_of_chunks() -> None:
    pipeline = Pipeline()
    pipeline.limits = replace(LIMITS, pages_per_range=1)
    pipeline.drop(SAMPLES[PDF](), filename=PDF)
    pipeline.run()
    total = pipeline.document().progress.chunks_total
    pipeline.limits = replace(LIMITS, pages_per_range=1, chunks=total - 1)
    pipeline.drop(SAMPLES[PDF](), sequencer="2", filename=PDF)
    pipeline.run()
    document = pipeline.document()
    assert document.status is Status.FAILED
    assert document.reason is not None
    assert f"max_chunks is {total - 1}" in document.reason.message


@pytest.mark.parametrize("key", ["uploads/acme/papers/2026/", "uploads/acme/papers/2026/march/"])
def test_the_empty_object_that_stands_for_a_folder_is_no_upload(key: str) -> None:
    with pytest.raises(MalformedMessage, match="stands for a folder"):
        parse_upload_key(key)


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("", "https://a-bucket.s3.eu-central-1.amazonaws.com/a.md?"),
        ("http://localhost:4566", "http://localhost:4566/a-bucket/a.md?"),
    ],
)
def test_an_upload_url_names_the_buckets_own_region_or_the_local_cloud(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, address: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    settings.cache_clear()
    wiring.client.cache_clear()
    try:
        s3 = wiring.client("s3")
        place = {"Bucket": "a-bucket", "Key": "a.md"}
        assert s3.generate_presigned_url("put_object", Params=place).startswith(address)
    finally:
        settings.cache_clear()
        wiring.client.cache_clear()


def _delete(pipeline: Pipeline) -> None:
    delete(
        "default",
        "doc",
        ledger=pipeline.ledger,
        objects=pipeline.objects,
        queues=pipeline.queues,
    )
