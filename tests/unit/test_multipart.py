"""Uploads in parts: opened once, resumed from anywhere, joined when all is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.adapters.memory.queues import MemoryQueues
from ragline.domain.documents import Partition, Status
from ragline.domain.errors import Conflict, InvalidRequest, LimitExceeded, NotFound
from ragline.domain.ledger import Multipart, NewDocument
from ragline.local.template import load
from ragline.ports import StoredPart
from ragline.usecases import documents, multipart
from ragline.usecases.multipart import MAX_PARTS, PART_BYTES, UPLOAD_SECONDS, part_bytes
from ragline.usecases.upload import (
    MULTIPART_OVER,
    Limits,
    PresignedPost,
    PresignedPut,
    Registered,
    UploadRequest,
    Way,
    register,
)

SIZE = 2 * PART_BYTES + 5
DATA = bytes(PART_BYTES) + b"\x01" * PART_BYTES + b"\x02" * 5
SUM = hashlib.sha256(DATA).hexdigest()
LIMITS = Limits(file_bytes=MULTIPART_OVER * 2, upload_expires=60)
ASKED = UploadRequest(Partition("acme", "papers"), "big.pdf", SIZE, checksum=SUM, way=Way.MULTIPART)


class World:
    def __init__(self) -> None:
        self.ledger, self.objects = MemoryLedger(), MemoryObjects()

    def register(self, asked: UploadRequest = ASKED) -> Registered:
        return register(asked, ledger=self.ledger, objects=self.objects, limits=LIMITS)

    def opened(self, asked: UploadRequest = ASKED) -> tuple[str, Multipart]:
        done = self.register(asked)
        assert isinstance(done.upload, Multipart)
        return done.document.document_id, done.upload

    def send(self, document_id: str, upload: Multipart, numbers: Iterable[int]) -> None:
        parts = {n: DATA[(n - 1) * upload.part_size :][: upload.part_size] for n in numbers}
        signed = multipart.sign_parts(
            "acme",
            document_id,
            upload.upload_id,
            {n: hashlib.sha256(data).hexdigest() for n, data in parts.items()},
            ledger=self.ledger,
            objects=self.objects,
            expires=60,
        )
        for one in signed:
            assert one.size == len(parts[one.number])
            self.objects.receive(one.url, parts[one.number])

    def arrived(self, document_id: str, upload_id: str, tenant: str = "acme") -> list[int]:
        _, there = multipart.arrived(
            tenant, document_id, upload_id, ledger=self.ledger, objects=self.objects
        )
        return [one.number for one in there]

    def complete(self, document_id: str, upload_id: str) -> None:
        multipart.complete("acme", document_id, upload_id, ledger=self.ledger, objects=self.objects)

    def abort(self, document_id: str, upload_id: str) -> None:
        multipart.abort("acme", document_id, upload_id, ledger=self.ledger, objects=self.objects)

    def come(self, document_id: str) -> None:
        """What the splitter does first."""
        document = self.ledger.get("acme", document_id)
        assert document
        new = NewDocument(document.partition, document_id, "big.pdf", document.upload_key)
        assert self.ledger.begin(new, "1", "p1")


class Hurried(MemoryObjects):
    """The bucket, where another caller ends the upload as soon as its parts were looked at."""

    def __init__(self, objects: MemoryObjects, *, gives_up: bool = False) -> None:
        super().__init__()
        self.__dict__.update(objects.__dict__)
        self._gives_up = gives_up

    def parts(self, key: str, upload_id: str) -> Sequence[StoredPart] | None:
        there = super().parts(key, upload_id)
        if there and self._gives_up:
            self._open.pop(upload_id)
        elif there:
            super().join_parts(key, upload_id, there)
        return there


@pytest.fixture
def world() -> World:
    return World()


@given(st.integers(1, 5 * 2**40))
def test_the_parts_of_a_file_add_up_to_it_and_are_not_too_many(size: int) -> None:
    upload = Multipart("u", size, part_bytes(size))
    assert 1 <= upload.parts <= MAX_PARTS
    assert upload.part_size % 2**20 == 0
    last = upload.parts
    assert (last - 1) * upload.part_size + upload.size_of(last) == size
    assert 0 < upload.size_of(last) <= upload.part_size
    assert upload.size_of(0) == upload.size_of(last + 1) == 0


def test_parts_that_were_sent_make_the_file(world: World) -> None:
    document_id, upload = world.opened()
    world.send(document_id, upload, (3, 1, 2))
    assert world.arrived(document_id, upload.upload_id) == [1, 2, 3]
    world.complete(document_id, upload.upload_id)
    document = world.ledger.get("acme", document_id)
    assert document
    assert world.objects.get(document.upload_key) == DATA


def test_a_file_is_sent_in_parts_by_itself_only_if_it_is_big(world: World) -> None:
    big = replace(ASKED, size=MULTIPART_OVER + 1, way=Way.AUTO)
    assert isinstance(world.register(big).upload, Multipart)
    small = replace(ASKED, size=MULTIPART_OVER, way=Way.AUTO, filename="b", checksum="")
    assert isinstance(world.register(small).upload, PresignedPut)
    assert isinstance(world.register(replace(big, way=Way.PUT)).upload, PresignedPut)
    form = world.register(replace(small, way=Way.POST)).upload
    assert isinstance(form, PresignedPost)
    assert "memory://" not in repr(form)


def test_a_file_above_the_limit_is_refused_however_it_is_to_be_sent(world: World) -> None:
    for way in Way:
        with pytest.raises(LimitExceeded, match="400,000,000"):
            register(
                replace(ASKED, size=400_000_001, way=way),
                ledger=world.ledger,
                objects=world.objects,
                limits=Limits(400_000_000, 60),
            )


def test_whoever_registers_the_same_bytes_goes_on_with_the_upload_that_is_open(
    world: World,
) -> None:
    document_id, upload = world.opened()
    world.send(document_id, upload, [1])
    assert world.opened() == (document_id, upload)
    assert world.arrived(document_id, upload.upload_id) == [1]


def test_other_bytes_and_bytes_of_no_known_checksum_begin_anew(world: World) -> None:
    asked = replace(ASKED, document_id="mine", checksum="")
    document_id, upload = world.opened(asked)
    world.send(document_id, upload, [1])
    _, again = world.opened(asked)
    assert again.upload_id != upload.upload_id
    assert world.arrived(document_id, again.upload_id) == []
    with pytest.raises(NotFound, match="Register"):
        world.arrived(document_id, upload.upload_id)
    key = f"uploads/acme/papers/{document_id}/big.pdf"
    assert world.objects.parts(key, upload.upload_id) is None


def test_an_upload_that_the_bucket_gave_up_is_opened_anew(world: World) -> None:
    document_id, upload = world.opened()
    key = f"uploads/acme/papers/{document_id}/big.pdf"
    world.objects.drop_parts(key, upload.upload_id)
    with pytest.raises(NotFound):
        world.arrived(document_id, upload.upload_id)
    again_id, again = world.opened()
    assert again_id == document_id
    assert again.upload_id != upload.upload_id


def test_an_upload_is_not_joined_while_parts_are_missing(world: World) -> None:
    document_id, upload = world.opened()
    world.send(document_id, upload, [2])
    with pytest.raises(Conflict, match="1, 3 did not arrive"):
        world.complete(document_id, upload.upload_id)
    assert world.arrived(document_id, upload.upload_id) == [2]


def test_a_part_of_another_size_is_as_good_as_missing(world: World) -> None:
    document_id, upload = world.opened()
    world.send(document_id, upload, (1, 2, 3))
    world.objects._open[upload.upload_id][1][2] = b"short"
    with pytest.raises(Conflict, match="of 3 parts, 2 did not arrive"):
        world.complete(document_id, upload.upload_id)


def test_completing_twice_is_no_error(world: World) -> None:
    document_id, upload = world.opened()
    world.send(document_id, upload, (1, 2, 3))
    for _ in range(2):
        world.complete(document_id, upload.upload_id)


def test_of_two_that_complete_at_once_both_are_told_that_it_is_done() -> None:
    """As when a caller that got no answer asks again while the first request is still at it."""
    world = World()
    document_id, upload = world.opened()
    world.send(document_id, upload, (1, 2, 3))
    world.objects = Hurried(world.objects)
    world.complete(document_id, upload.upload_id)
    document = world.ledger.get("acme", document_id)
    assert document
    assert world.objects.get(document.upload_key) == DATA


def test_an_upload_that_is_given_up_while_it_is_joined_is_not_there() -> None:
    world = World()
    document_id, upload = world.opened()
    world.send(document_id, upload, (1, 2, 3))
    world.objects = Hurried(world.objects, gives_up=True)
    with pytest.raises(NotFound, match="no upload"):
        world.complete(document_id, upload.upload_id)


def test_once_the_file_has_come_its_upload_is_over(world: World) -> None:
    document_id, upload = world.opened()
    world.send(document_id, upload, (1, 2, 3))
    world.complete(document_id, upload.upload_id)
    world.come(document_id)
    for step in (world.arrived, world.complete, world.abort):
        with pytest.raises(NotFound, match="no upload"):
            step(document_id, upload.upload_id)


def test_an_upload_that_is_given_up_leaves_a_document_that_awaits_one(world: World) -> None:
    document_id, upload = world.opened()
    world.send(document_id, upload, [1])
    world.abort(document_id, upload.upload_id)
    with pytest.raises(NotFound):
        world.complete(document_id, upload.upload_id)
    document = world.ledger.get("acme", document_id)
    assert document
    assert document.status is Status.AWAITING_UPLOAD
    assert world.opened()[1].upload_id != upload.upload_id


def test_nothing_comes_of_an_upload_whose_document_was_deleted(world: World) -> None:
    document_id, upload = world.opened()
    world.send(document_id, upload, (1, 2, 3))
    world.ledger.delete("acme", document_id)
    with pytest.raises(NotFound):
        world.complete(document_id, upload.upload_id)


def test_a_document_that_is_deleted_leaves_no_parts_behind(world: World) -> None:
    document_id, upload = world.opened()
    world.send(document_id, upload, [1])
    document = world.ledger.get("acme", document_id)
    assert document
    for _ in range(2):
        documents.delete(
            "acme", document_id, ledger=world.ledger, objects=world.objects, queues=MemoryQueues()
        )
        assert world.objects.parts(document.upload_key, upload.upload_id) is None


def test_parts_that_there_are_not_and_checksums_that_are_none_are_refused(world: World) -> None:
    document_id, upload = world.opened()
    for checksums, told in (({4: SUM}, "1 to 3"), ({0: SUM}, "1 to 3"), ({1: "abc"}, "SHA-256")):
        with pytest.raises(InvalidRequest, match=told):
            multipart.sign_parts(
                "acme",
                document_id,
                upload.upload_id,
                checksums,
                ledger=world.ledger,
                objects=world.objects,
                expires=60,
            )


def test_another_tenant_finds_no_upload(world: World) -> None:
    document_id, upload = world.opened()
    with pytest.raises(NotFound, match="no document"):
        world.arrived(document_id, upload.upload_id, tenant="rival")


def test_the_bucket_keeps_parts_as_long_as_their_upload_is_open() -> None:
    template = load(Path(__file__).parents[2] / "template.yaml")
    bucket = template["Resources"]["DocumentsBucket"]["Properties"]
    (days,) = [
        rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if "AbortIncompleteMultipartUpload" in rule
    ]
    assert days * 86_400 == UPLOAD_SECONDS
