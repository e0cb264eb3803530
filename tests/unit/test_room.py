"""Caps of a tenant: at registration, for what is dropped, and for what documents are cut into."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.domain.documents import Document, Partition, Status
from ragline.domain.errors import QuotaExceeded
from ragline.domain.ledger import NewDocument
from ragline.domain.tenants import Caps, Holdings, Tenant
from ragline.usecases.room import check_chunks
from ragline.usecases.splitting import Outcome
from ragline.usecases.upload import Limits, Registered, UploadRequest, register, store
from tests.unit.pipeline import HANDBOOK, LIMITS, Pipeline
from tests.unit.test_pipeline import TEXT

ASKED = UploadRequest(Partition("acme", "papers"), "a.md", 10)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Desk:
    """Where documents are registered."""

    def __init__(self, **caps: int) -> None:
        self.ledger, self.objects = MemoryLedger(), MemoryObjects()
        self.ledger.cap("acme", Caps(**caps))

    def register(self, **fields: Any) -> Registered:
        asked = replace(ASKED, **fields)
        limits = Limits(1_000, 60)
        return register(asked, ledger=self.ledger, objects=self.objects, limits=limits)

    def store(self, data: bytes, **fields: Any) -> Registered:
        asked = replace(ASKED, **fields)
        limits = Limits(1_000, 60)
        return store(asked, data, ledger=self.ledger, objects=self.objects, limits=limits)


@pytest.mark.parametrize(
    ("caps", "told"),
    [
        ({"documents": 1}, r"1 more document,.*holds 1 of its cap max_documents, 1\."),
        ({"bytes": 19}, r"10 more bytes,.*holds 10 of its cap max_bytes, 19\."),
        ({"chunks": 0}, r"1 more chunk,.*holds 0 of its cap max_chunks, 0\."),
    ],
)
def test_a_registration_beyond_a_cap_is_refused_and_names_it(
    caps: dict[str, int], told: str
) -> None:
    desk = Desk(**caps)
    if "chunks" not in caps:
        desk.register()
    before = desk.ledger.tenant("acme")
    for bring in (desk.register, lambda **fields: desk.store(b"ten bytes!", **fields)):
        with pytest.raises(QuotaExceeded, match=told):
            bring(checksum=sha("new"))
    assert desk.ledger.tenant("acme") == before
    assert desk.ledger._claims == {}
    assert list(desk.objects.list("")) == []


def test_bytes_that_are_here_are_told_of_whatever_the_caps_say() -> None:
    desk = Desk(documents=1)
    first = desk.register(checksum=sha("same"))
    again = desk.register(checksum=sha("same"))
    assert again.duplicate
    assert again.document == first.document
    with pytest.raises(QuotaExceeded):
        desk.register(checksum=sha("same"), allow_duplicate=True)


def test_a_claim_of_a_deleted_document_makes_no_room() -> None:
    desk = Desk(documents=1)
    gone = desk.register(checksum=sha("same")).document
    desk.ledger.delete("acme", gone.document_id)
    desk.register(checksum=sha("other"))
    with pytest.raises(QuotaExceeded):
        desk.register(checksum=sha("same"))


def test_a_document_that_is_replaced_needs_only_what_it_grows_by() -> None:
    desk = Desk(documents=1, bytes=15)
    desk.register(document_id="mine")
    assert desk.register(document_id="mine", size=15).upload
    with pytest.raises(QuotaExceeded, match="6 more bytes"):
        desk.register(document_id="mine", size=16)


def test_another_tenants_documents_take_no_room() -> None:
    desk = Desk(documents=1)
    desk.register(partition=Partition("rival", "papers"))
    assert desk.register().upload


def capped(**caps: int) -> Pipeline:
    pipeline = Pipeline()
    pipeline.ledger.cap("default", Caps(**caps))
    return pipeline


def drop_unannounced(pipeline: Pipeline, name: str, sequencer: str = "1") -> Document:
    """A file that any S3 client puts into the bucket."""
    key = f"uploads/{HANDBOOK}/{name}"
    pipeline.objects.put(key, f"{TEXT} {name}".encode())
    pipeline.split(key, sequencer)
    pipeline.run()
    (found,) = [one for one in pipeline.ledger.list(HANDBOOK).documents if one.upload_key == key]
    return found


def test_a_dropped_file_beyond_the_cap_fails_and_says_why() -> None:
    pipeline = capped(documents=1)
    assert drop_unannounced(pipeline, "a.md").status is Status.INDEXED
    late = drop_unannounced(pipeline, "b.md")
    assert (late.status, late.progress.chunks_total) == (Status.FAILED, 0)
    assert late.reason
    assert late.reason.code == "quota_exceeded"
    assert "max_documents, 1" in late.reason.message
    assert pipeline.examine().healthy


def test_a_dropped_file_too_many_bytes_for_its_tenant_fails() -> None:
    late = drop_unannounced(capped(bytes=5), "a.md")
    assert late.reason
    assert "max_bytes, 5" in late.reason.message


def bring(pipeline: Pipeline, text: str, registered: int, sequencer: str = "1") -> Document:
    """Bytes of a document that was registered with another size."""
    key = f"uploads/{HANDBOOK}/doc/doc.md"
    pipeline.ledger.create(NewDocument(HANDBOOK, "doc", "doc.md", key, size=registered))
    pipeline.objects.put(key, text.encode())
    pipeline.split(key, sequencer)
    pipeline.run()
    return pipeline.document()


def test_more_bytes_than_were_registered_need_room_of_their_own_however_often_tried() -> None:
    """Whoever registers a small file and then, under the same id or by the same checksum, a big
    one is given a URL for it, and the room of the small one."""
    pipeline = capped(bytes=len(TEXT) - 1)
    failed = bring(pipeline, TEXT, registered=1)
    assert failed.status is Status.FAILED
    assert failed.reason
    assert failed.reason.code == "quota_exceeded"
    pipeline.retry()
    pipeline.run()
    assert pipeline.document().status is Status.FAILED
    pipeline.ledger.cap("default", Caps(bytes=len(TEXT)))
    pipeline.retry()
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


def test_a_new_version_that_grew_past_the_cap_fails_and_the_old_one_answers() -> None:
    pipeline = capped(bytes=len(TEXT))
    assert bring(pipeline, TEXT, registered=len(TEXT)).status is Status.INDEXED
    grown = bring(pipeline, f"{TEXT} More.", registered=len(TEXT), sequencer="2")
    assert (grown.status, grown.live_generation) == (Status.FAILED, 1)


def test_what_was_registered_has_its_room_though_the_cap_was_lowered_since() -> None:
    pipeline = capped(bytes=1)
    assert bring(pipeline, TEXT, registered=len(TEXT)).status is Status.INDEXED


def test_a_document_whose_chunks_have_no_room_fails_before_anything_is_embedded() -> None:
    pipeline = capped(chunks=1)
    pipeline.drop(TEXT)
    document = pipeline.document()
    assert document.status is Status.FAILED
    assert document.reason
    assert document.reason.code == "quota_exceeded"
    assert "max_chunks, 1" in document.reason.message
    assert pipeline.queues.parts == []
    assert not list(pipeline.objects.list("chunks/"))
    assert pipeline.ledger.tenant("default").holds.chunks == 0


def test_what_failed_for_a_cap_is_indexed_once_there_is_room_and_it_is_tried_again() -> None:
    pipeline = capped(chunks=1)
    pipeline.drop(TEXT)
    pipeline.ledger.cap("default", Caps())
    pipeline.retry()
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


def test_an_event_that_comes_again_does_not_count_its_own_chunks_as_others() -> None:
    """A crash after the count and before the messages: the redelivery finds the cap full."""
    whole = Pipeline()
    whole.drop(TEXT)
    chunks = whole.document().progress.chunks_total
    pipeline = capped(chunks=chunks)
    pipeline.drop(TEXT)
    pipeline.queues.parts.clear()
    assert pipeline.split(f"uploads/{HANDBOOK}/doc/doc.md", "1") is Outcome.SPLIT
    pipeline.run()
    assert pipeline.document().status is Status.INDEXED


def test_each_range_of_a_document_needs_room() -> None:
    pipeline = capped(chunks=200)
    pipeline.drop(TEXT)
    document = pipeline.document()
    held = pipeline.ledger.tenant("default").holds.chunks
    check_chunks(document, 0, 300, pipeline.ledger)  # cut before, whatever it is said to be now
    check_chunks(document, 1, 200 - held, pipeline.ledger)
    with pytest.raises(QuotaExceeded, match="max_chunks, 200"):
        check_chunks(document, 1, 201 - held, pipeline.ledger)


def test_a_cap_below_what_is_held_refuses_growth_and_nothing_else() -> None:
    tenant = Tenant("acme", Caps(documents=1), Holdings(documents=5, bytes=50))
    tenant.check_room(Holdings(bytes=10), "a.md")
    tenant.check_room(Holdings(documents=-1), "a.md")
    with pytest.raises(QuotaExceeded):
        tenant.check_room(Holdings(documents=1), "a.md")


def test_the_limits_of_the_pipeline_are_those_of_a_document_and_not_of_a_tenant() -> None:
    pipeline = Pipeline(limits=replace(LIMITS, chunks=1))
    pipeline.drop(TEXT)
    assert (reason := pipeline.document().reason)
    assert reason.code == "limit_exceeded"
