"""Taking in a document: what is refused, what is a duplicate, and where the bytes go."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragline.adapters.memory.ledger import MemoryLedger
from ragline.adapters.memory.objects import MemoryObjects
from ragline.domain.documents import Partition, Reason, Status, is_document_id
from ragline.domain.errors import (
    Conflict,
    EmptyFile,
    InvalidRequest,
    LimitExceeded,
    RequestError,
)
from ragline.domain.keys import parse_upload_key
from ragline.domain.ledger import NewDocument
from ragline.domain.metadata import MAX_CHARACTERS, MAX_FIELDS, RESERVED, check_metadata
from ragline.usecases.upload import Limits, PresignedPut, Registered, UploadRequest, register, store

HANDBOOK = Partition("acme", "handbook")
LIMITS = Limits(file_bytes=1_000, upload_expires=60)
SUM = hashlib.sha256(b"the bytes").hexdigest()


class Signer(MemoryObjects):
    """Remembers what was signed."""

    def __init__(self) -> None:
        super().__init__()
        self.signed: list[dict[str, Any]] = []

    def presign_put(
        self, key: str, *, content_type: str, size: int, checksum: str, expires: int
    ) -> tuple[str, Mapping[str, str]]:
        self.signed.append({"key": key, "size": size, "checksum": checksum, "expires": expires})
        return super().presign_put(
            key, content_type=content_type, size=size, checksum=checksum, expires=expires
        )


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def objects() -> Signer:
    return Signer()


def asked(**fields: Any) -> UploadRequest:
    return replace(UploadRequest(HANDBOOK, "guide.md", 9), **fields)


def bring(ledger: MemoryLedger, objects: MemoryObjects, **fields: Any) -> Registered:
    return register(asked(**fields), ledger=ledger, objects=objects, limits=LIMITS)


def arrive(ledger: MemoryLedger, registered: Registered, sequencer: str = "1") -> None:
    """What the splitter does first when the bytes are there."""
    document = registered.document
    new = NewDocument(
        document.partition, document.document_id, document.filename, document.upload_key
    )
    assert ledger.begin(new, sequencer, "parser-1")


def test_a_document_without_an_id_gets_one_that_its_upload_key_carries(
    ledger: MemoryLedger, objects: Signer
) -> None:
    document = bring(ledger, objects).document
    assert is_document_id(document.document_id)
    upload = parse_upload_key(document.upload_key)
    assert (upload.partition, upload.document_id) == (HANDBOOK, document.document_id)
    assert ledger.get("acme", document.document_id) == document


def test_the_signature_covers_size_checksum_and_expiry(
    ledger: MemoryLedger, objects: Signer
) -> None:
    registered = bring(ledger, objects, checksum=SUM.upper())
    key = registered.document.upload_key
    assert objects.signed == [{"key": key, "size": 9, "checksum": SUM, "expires": 60}]


def test_the_url_of_an_upload_is_in_no_repr(ledger: MemoryLedger, objects: Signer) -> None:
    registered = bring(ledger, objects)
    assert isinstance(registered.upload, PresignedPut)
    assert registered.upload.url.startswith("memory://")
    assert "memory://" not in repr(registered)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"size": 0}, EmptyFile),
        ({"size": -1}, InvalidRequest),
        ({"size": 1_001}, LimitExceeded),
        ({"filename": ""}, InvalidRequest),
        ({"filename": "a\x00.md"}, InvalidRequest),
        ({"document_id": "a/b"}, InvalidRequest),
        ({"checksum": "abc"}, InvalidRequest),
        ({"checksum": SUM + "00"}, InvalidRequest),
        ({"content_type": "markdown"}, InvalidRequest),
        ({"content_type": "text/plain\r\nx-evil: 1"}, InvalidRequest),
        ({"partition": Partition("acme", "Hand Book")}, InvalidRequest),
        ({"metadata": {"page": 1}}, InvalidRequest),
    ],
)
def test_a_refused_request_leaves_nothing_behind(
    ledger: MemoryLedger, objects: Signer, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        bring(ledger, objects, **fields)
    assert ledger.list(HANDBOOK).documents == []
    assert objects.signed == []


def test_a_file_of_exactly_the_limit_is_taken(ledger: MemoryLedger, objects: Signer) -> None:
    assert bring(ledger, objects, size=1_000).upload


def test_bytes_that_are_here_are_not_taken_again(ledger: MemoryLedger, objects: Signer) -> None:
    first = bring(ledger, objects, checksum=SUM)
    arrive(ledger, first)

    again = bring(ledger, objects, checksum=SUM, filename="other-name.md")

    assert again.duplicate
    assert again.upload is None
    assert again.document.document_id == first.document.document_id


def test_a_duplicate_that_still_awaits_its_bytes_may_be_brought_by_whoever_comes(
    ledger: MemoryLedger, objects: Signer
) -> None:
    first = bring(ledger, objects, checksum=SUM)
    again = bring(ledger, objects, checksum=SUM, filename="other-name.md")
    assert again.duplicate
    assert again.upload
    assert objects.signed[1]["key"] == first.document.upload_key


def test_duplicates_may_be_asked_for(ledger: MemoryLedger, objects: Signer) -> None:
    first = bring(ledger, objects, checksum=SUM)
    arrive(ledger, first)
    again = bring(ledger, objects, checksum=SUM, allow_duplicate=True)
    assert not again.duplicate
    assert again.upload
    assert again.document.document_id != first.document.document_id


@pytest.mark.parametrize("elsewhere", [Partition("acme", "other"), Partition("rival", "handbook")])
def test_the_same_bytes_elsewhere_are_no_duplicate(
    ledger: MemoryLedger, objects: Signer, elsewhere: Partition
) -> None:
    arrive(ledger, bring(ledger, objects, checksum=SUM))
    again = bring(ledger, objects, checksum=SUM, partition=elsewhere)
    assert not again.duplicate
    assert again.document.partition == elsewhere


def test_bytes_whose_document_failed_are_taken_again(ledger: MemoryLedger, objects: Signer) -> None:
    for same_id in ("", "guide"):
        first = bring(ledger, objects, checksum=SUM, document_id=same_id)
        arrive(ledger, first)
        reason = Reason("corrupt", "not readable.", "split")
        ledger.fail("acme", first.document.document_id, 1, reason)
        again = bring(ledger, objects, checksum=SUM, document_id=same_id)
        assert not again.duplicate
        assert again.upload
        ledger.delete("acme", again.document.document_id)


def test_bytes_whose_document_was_deleted_are_taken_again(
    ledger: MemoryLedger, objects: Signer
) -> None:
    first = bring(ledger, objects, checksum=SUM)
    arrive(ledger, first)
    ledger.delete("acme", first.document.document_id)
    again = bring(ledger, objects, checksum=SUM)
    assert not again.duplicate
    assert again.document.document_id != first.document.document_id


def test_a_known_id_replaces_the_bytes_of_its_document(
    ledger: MemoryLedger, objects: Signer
) -> None:
    first = bring(ledger, objects, document_id="guide", checksum=SUM)
    arrive(ledger, first)
    other = hashlib.sha256(b"other bytes").hexdigest()

    again = bring(ledger, objects, document_id="guide", checksum=other)

    assert not again.duplicate
    assert again.upload
    assert objects.signed[1] == {**objects.signed[0], "checksum": other}


def test_a_known_id_with_the_very_bytes_it_has_is_a_duplicate(
    ledger: MemoryLedger, objects: Signer
) -> None:
    arrive(ledger, bring(ledger, objects, document_id="guide", checksum=SUM))
    again = bring(ledger, objects, document_id="guide", checksum=SUM)
    assert again.duplicate
    assert again.upload is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"partition": Partition("acme", "other")}, "another collection"),
        ({"filename": "other.md"}, "named 'guide.md'"),
        ({"metadata": {"year": 2026}}, "other metadata"),
        ({"checksum": "0" * 64}, "awaits other bytes"),
    ],
)
def test_an_id_in_use_for_something_else_is_refused_and_claims_nothing(
    ledger: MemoryLedger, objects: Signer, fields: dict[str, Any], says: str
) -> None:
    bring(ledger, objects, document_id="guide", checksum=SUM, metadata={"year": 2025})
    before = ledger.get("acme", "guide")
    wanted = {"document_id": "guide", "checksum": "1" * 64, **fields}

    with pytest.raises(Conflict, match=says):
        bring(ledger, objects, **wanted)

    assert ledger.get("acme", "guide") == before
    partition = wanted.get("partition", HANDBOOK)
    assert ledger.claim_content(partition, wanted["checksum"], "someone") == "someone"


def test_a_refused_upload_does_not_claim_its_bytes_for_a_document_of_unknown_content(
    ledger: MemoryLedger, objects: Signer
) -> None:
    bring(ledger, objects, document_id="guide")
    with pytest.raises(Conflict):
        bring(ledger, objects, document_id="guide", filename="other.md", checksum=SUM)
    assert not bring(ledger, objects, checksum=SUM).duplicate


def test_a_second_url_for_an_awaited_upload_still_takes_only_the_bytes_announced(
    ledger: MemoryLedger, objects: Signer
) -> None:
    bring(ledger, objects, document_id="guide", checksum=SUM)
    bring(ledger, objects, document_id="guide")
    assert [signed["checksum"] for signed in objects.signed] == [SUM, SUM]


def test_a_deleted_id_may_be_used_again_for_anything(ledger: MemoryLedger, objects: Signer) -> None:
    arrive(ledger, bring(ledger, objects, document_id="guide"))
    ledger.delete("acme", "guide")
    again = bring(ledger, objects, document_id="guide", filename="other.md")
    assert again.document.status is Status.AWAITING_UPLOAD
    assert again.document.filename == "other.md"
    assert again.document.generation == 1


def test_many_uploads_of_the_same_bytes_at_once_are_one_document() -> None:
    ledger, objects = MemoryLedger(), Signer()
    start = threading.Barrier(8)
    found: list[str] = []

    def one(number: int) -> None:
        start.wait()
        registered = bring(ledger, objects, checksum=SUM, filename=f"copy-{number}.md")
        found.append(registered.document.document_id)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(ledger.list(HANDBOOK).documents) == 1


def test_a_claim_whose_document_was_never_recorded_is_taken_up(
    ledger: MemoryLedger, objects: Signer
) -> None:
    ledger.claim_content(HANDBOOK, SUM, "crashed")
    taken = bring(ledger, objects, checksum=SUM)
    assert taken.upload
    assert taken.document.document_id == "crashed"
    assert parse_upload_key(taken.document.upload_key).document_id == "crashed"


def test_storing_puts_the_bytes_at_the_key_that_the_ledger_knows(
    ledger: MemoryLedger, objects: Signer
) -> None:
    request = asked(size=-5, checksum="a lie")
    done = store(request, b"the bytes", ledger=ledger, objects=objects, limits=LIMITS)
    assert objects.get(done.document.upload_key) == b"the bytes"
    assert (done.document.size, done.document.checksum) == (9, SUM)


def test_storing_bytes_that_are_here_writes_nothing(ledger: MemoryLedger, objects: Signer) -> None:
    arrive(ledger, bring(ledger, objects, checksum=SUM))
    done = store(asked(), b"the bytes", ledger=ledger, objects=objects, limits=LIMITS)
    assert done.duplicate
    assert list(objects.list("")) == []


@pytest.mark.parametrize("size", [0, 1_001])
def test_storing_checks_the_size_of_the_bytes_themselves(
    ledger: MemoryLedger, objects: Signer, size: int
) -> None:
    with pytest.raises((EmptyFile, LimitExceeded)):
        store(asked(size=1), bytes(size), ledger=ledger, objects=objects, limits=LIMITS)
    assert list(objects.list("")) == []


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True).filter(
    lambda name: name not in RESERVED
)
VALUES = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_CHARACTERS)
)


@given(st.dictionaries(NAMES, VALUES, max_size=MAX_FIELDS))
def test_metadata_within_bounds_is_kept_with_its_types(values: dict[str, Any]) -> None:
    kept = check_metadata(values)
    assert kept == values
    assert {name: type(value) for name, value in kept.items()} == {
        name: type(value) for name, value in values.items()
    }


@pytest.mark.parametrize(
    "values",
    [
        {f"field_{number}": 1 for number in range(MAX_FIELDS + 1)},
        {"Year": 1},
        {"1st": 1},
        {"": 1},
        {"a" * 65: 1},
        {"a\n": 1},
        *({name: 1} for name in sorted(RESERVED)),
        {"x": None},
        {"x": [1]},
        {"x": {"y": 1}},
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": 2**63},
        {"x": -(2**63) - 1},
        {"x": "a" * (MAX_CHARACTERS + 1)},
        {"x": "\ud800"},
    ],
    ids=lambda values: repr(values)[:30],
)
def test_metadata_out_of_bounds_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="metadata"):
        check_metadata(values)
