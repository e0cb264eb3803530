"""What every ledger promises of documents within documents, on both ledgers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.domain.children import Child, ChildState, child_id
from ragline.domain.documents import Document, Origin, Reason, Status
from ragline.domain.tenants import Caps
from ragline.ports import Ledger
from tests.contract.ledgers import HOME, RIVAL, begun, new, split

pytestmark = pytest.mark.disable_socket

ORIGIN = Origin("d1", "papers.zip", "notes/größe.txt", 1, 20, 5_000)


def child(path: str, generation: int = 1, **known: object) -> Child:
    return Child(child_id("d1", path), path, generation, **known)  # type: ignore[arg-type]


def paths(ledger: Ledger, **options: object) -> list[str]:
    found = ledger.children("acme", "d1", **options)  # type: ignore[arg-type]
    return [one.path for one in found]


def indexed(ledger: Ledger, document_id: str) -> Document:
    return split(ledger, 1, new(document_id))


def test_where_a_document_came_in_and_how_many_came_in_it_are_kept(ledger: Ledger) -> None:
    ledger.create(new(origin=ORIGIN))
    document = begun(ledger)
    ledger.count_children(document, 7)
    kept = ledger.get("acme", "d1")
    assert kept is not None
    assert (kept.origin, kept.children) == (ORIGIN, 7)
    assert kept.parent == "d1"


def test_a_count_of_children_survives_a_new_version_and_a_deletion(ledger: Ledger) -> None:
    ledger.count_children(begun(ledger), 7)
    assert begun(ledger, sequencer="02").children == 7
    ledger.delete("acme", "d1")
    assert ledger.create(new()).children == 7


def test_a_late_worker_does_not_count_the_children_of_a_new_version(ledger: Ledger) -> None:
    late = begun(ledger)
    begun(ledger, sequencer="02")
    ledger.count_children(late, 7)
    kept = ledger.get("acme", "d1")
    assert kept is not None
    assert kept.children == 0


def test_a_version_that_begins_beside_a_count_does_not_lose_it(ledger: Ledger) -> None:
    document = begun(ledger)
    ledger.count_children(document, 7)
    started = ledger.begin(new(), "02", "p1", known=document)  # as it was read before
    assert started is not None
    assert started.children == 7


def test_children_are_kept_by_path_and_read_in_pages(ledger: Ledger) -> None:
    document = begun(ledger)
    for path in ("b.txt", "a/z.txt", "größe.txt", "a/a.txt"):
        assert ledger.record_child(document, child(path))
    assert paths(ledger) == ["a/a.txt", "a/z.txt", "b.txt", "größe.txt"]
    assert paths(ledger, limit=2) == ["a/a.txt", "a/z.txt"]
    assert paths(ledger, after=child("a/z.txt").place, limit=1) == ["b.txt"]
    assert paths(ledger, after=child("größe.txt").place) == []
    assert list(ledger.children("rival", "d1")) == []


def test_all_that_is_known_of_a_child_is_kept_and_replaced(ledger: Ledger) -> None:
    document = begun(ledger)
    ledger.record_child(document, child("a.txt"))
    why = Reason("duplicate", "the same bytes as d9.", "split")
    told = child("a.txt", state=ChildState.DUPLICATE, checksum="ab", owner="d9", reason=why)
    assert ledger.record_child(document, told)
    (kept,) = ledger.children("acme", "d1")
    assert kept.at
    assert replace(kept, at="") == told


def test_what_a_later_version_says_of_a_child_is_not_overwritten(ledger: Ledger) -> None:
    late = begun(ledger)
    now = begun(ledger, sequencer="02")
    assert ledger.record_child(now, child("a.txt", 2))
    assert not ledger.record_child(late, child("a.txt", 1, state=ChildState.STORED))
    (kept,) = ledger.children("acme", "d1")
    assert (kept.generation, kept.state) == (2, ChildState.PENDING)


def test_records_of_children_are_forgotten_with_the_version_they_were_seen_in(
    ledger: Ledger,
) -> None:
    document = begun(ledger)
    for generation, path in enumerate(("one", "two", "three"), start=1):
        ledger.record_child(document, child(path, generation))
    ledger.forget("acme", "d1", below=3, keep=1)
    assert paths(ledger) == ["one", "three"]
    ledger.forget("acme", "d1", below=4)
    assert paths(ledger) == []


def test_many_are_deleted_at_once_and_their_tenant_holds_nothing_more(ledger: Ledger) -> None:
    names = [f"d{n}" for n in range(102)]
    for name in names:
        ledger.create(new(name, size=10), Caps())
    started = indexed(ledger, "d7")
    ledger.create(new("other", size=10), Caps())
    ledger.create(new("d1", RIVAL), Caps())
    ledger.delete_many("acme", [*names, "unknown"])
    for name in names:
        gone = ledger.get("acme", name)
        assert gone is not None
        assert gone.status is Status.DELETED
    held = ledger.tenant("acme").holds
    assert (held.documents, held.bytes, held.chunks) == (1, 10, 0)
    assert not ledger.record_range(started, 1, 3, started.progress.page_counts)
    rival = ledger.get("rival", "d1")
    assert rival is not None
    assert rival.status is Status.AWAITING_UPLOAD


def test_deleting_many_again_changes_nothing(ledger: Ledger) -> None:
    ledger.create(new("d1"))
    ledger.delete_many("acme", ["d1"])
    before = ledger.get("acme", "d1")
    ledger.delete_many("acme", ["d1"])
    ledger.delete_many("acme", [])
    assert ledger.get("acme", "d1") == before


def test_a_document_that_changes_meanwhile_is_deleted_all_the_same(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("d1", "d2"):
        begun(ledger, new(name))
    if isinstance(ledger, DynamoLedger):
        table = ledger._table
        read = table.batch_get

        def then_moved(keys: object) -> object:
            found = list(read(keys))  # type: ignore[arg-type]
            begun(ledger, new("d2"), "02")
            return found

        monkeypatch.setattr(table, "batch_get", then_moved)
    ledger.delete_many("acme", ["d1", "d2"])
    monkeypatch.undo()
    for name in ("d1", "d2"):
        gone = ledger.get("acme", name)
        assert gone is not None
        assert gone.status is Status.DELETED
    assert ledger.tenant("acme").holds.documents == 0
    assert not ledger.list(HOME).documents
