"""The ledger's records whole: copied, put back, and erased by tenant, on DynamoDB."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ragline.adapters.dynamodb.keys import DynamoKeys
from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.adapters.dynamodb.records import DynamoRecords
from ragline.adapters.dynamodb.usage import DynamoUsageBook
from ragline.domain.access import KeyRecord, Role
from ragline.domain.children import Child, ChildState
from ragline.domain.documents import Partition
from ragline.domain.errors import InvalidRequest
from ragline.domain.ledger import ChunkState, NewDocument
from ragline.domain.pages import PageCounts
from ragline.domain.tenants import Caps
from tests.contract import aws

pytestmark = pytest.mark.disable_socket


class Stack:
    def __init__(self) -> None:
        dynamodb = aws.client("dynamodb")
        table = aws.make_table(dynamodb)
        self.ledger = DynamoLedger(table, client=dynamodb)
        self.records = DynamoRecords(table, client=dynamodb)
        self.book = DynamoUsageBook(table, client=dynamodb)
        self.keys = DynamoKeys(table, client=dynamodb)

    def bring(self, tenant: str, document_id: str = "guide", chunks: int = 3) -> None:
        partition = Partition(tenant, "handbook")
        key = f"uploads/{partition}/{document_id}/guide.md"
        new = NewDocument(partition, document_id, "guide.md", key, metadata={"year": 2026})
        self.ledger.create(new)
        self.ledger.claim_content(partition, "ab" * 32, document_id)
        document = self.ledger.begin(new, "1", "")
        assert document
        self.ledger.count_children(document, 1)
        self.ledger.record_child(document, Child("in-1", "größe.txt", 1, ChildState.STORED))
        self.ledger.record_whole(document, chunks, PageCounts(text=1))
        self.ledger.record_chunks(document, range(chunks), ChunkState.INDEXED)
        self.ledger.settle(tenant, document_id, 1)
        self.book.add(tenant, "2026-11", "embedder", {"chunks": chunks, "milliseconds": 12.5})
        record = KeyRecord(f"{tenant}-digest", tenant, Role.READER, "a key", "abcd", "2026-11-21")
        self.keys.add(record)


@pytest.fixture
def stack() -> Iterator[Stack]:
    with aws.in_process_aws():
        yield Stack()


def test_a_copy_put_into_an_empty_ledger_is_the_same_ledger(stack: Stack) -> None:
    stack.bring("acme")
    stack.bring("zeta", "café ☕"[:4])
    copy = sorted(stack.records.all())
    before = [(one.document, one.work) for one in stack.ledger.audit()]
    assert stack.records.erase("acme") + stack.records.erase("zeta") == len(copy)
    assert list(stack.records.all()) == []
    assert stack.records.put(copy) == len(copy)
    assert sorted(stack.records.all()) == copy
    after = [(one.document, one.work) for one in stack.ledger.audit()]
    (child,) = stack.ledger.children("acme", "guide")
    assert (child.path, child.state) == ("größe.txt", ChildState.STORED)
    assert sorted(after, key=str) == sorted(before, key=str)
    assert stack.book.of("acme", "2026-11")[0]["milliseconds"] == 12.5


def test_a_damaged_record_is_refused_by_its_number(stack: Stack) -> None:
    good = json.dumps({"PK": {"S": "a"}, "SK": {"S": "b"}})
    for bad in ("{", "[]", '{"PK": {"S": "a"}}', '{"PK": {"S": "a"}, "SK": {"S": "b"}, "x": 1}'):
        with pytest.raises(InvalidRequest, match="record 2"):
            stack.records.put([good, bad])


def test_a_tenant_is_erased_with_all_its_records_and_no_others(stack: Stack) -> None:
    # names of which one begins with the other
    for tenant in ("acme", "acme-2"):
        stack.bring(tenant)
    others = {name: stack.records.of(name) for name in ("acme-2",)}
    assert list(stack.records.documents("acme")) == ["guide"]
    kinds = stack.records.of("acme")
    assert {"meta", "chunk", "range", "claim", "usage", "key", "totals", "child"} <= set(kinds)
    assert kinds["chunk"] == 3
    assert stack.records.erase("acme") == sum(kinds.values())
    assert stack.records.of("acme") == {}
    assert stack.keys.of("acme") == []
    assert stack.ledger.get("acme", "guide") is None
    assert list(stack.ledger.children("acme", "guide")) == []
    assert {name: stack.records.of(name) for name in others} == others
    assert stack.ledger.get("acme-2", "guide") is not None


def test_what_keeps_a_tenant_closed_outlives_its_erasure(stack: Stack) -> None:
    stack.bring("acme")
    stack.ledger.cap("acme", Caps(documents=0))
    stack.records.erase("acme")
    assert stack.records.of("acme") == {}
    assert stack.ledger.tenant("acme").caps == Caps(documents=0)


def test_a_cap_on_cost_is_kept_beside_the_others(stack: Stack) -> None:
    stack.ledger.cap("acme", Caps(documents=5, cost=2.5))
    assert stack.ledger.tenant("acme").caps == Caps(documents=5, cost=2.5)
    stack.ledger.cap("acme", Caps(documents=5))
    assert stack.ledger.tenant("acme").caps == Caps(documents=5)


def test_a_ledger_in_which_only_use_was_counted_is_empty(stack: Stack) -> None:
    assert stack.records.empty()
    stack.book.add("", "2026-11", "maintenance", {"invocations": 1})
    stack.book.add("default", "2026-11", "api", {"invocations": 1})
    assert stack.records.empty()
    stack.bring("acme")
    assert not stack.records.empty()
