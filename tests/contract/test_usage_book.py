"""The book of use: the same promises in memory and on DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ragline.adapters.dynamodb.usage import DynamoUsageBook
from ragline.adapters.memory.usage import MemoryUsageBook
from ragline.domain.usage import STACK, Usage
from ragline.ports import UsageBook
from tests.contract import aws

pytestmark = pytest.mark.disable_socket


@pytest.fixture(params=["memory", "dynamodb"])
def book(request: pytest.FixtureRequest) -> Iterator[UsageBook]:
    if request.param == "memory":
        yield MemoryUsageBook()
        return
    with aws.in_process_aws():
        dynamodb = aws.client("dynamodb")
        yield DynamoUsageBook(aws.make_table(dynamodb), client=dynamodb)


def test_what_is_added_adds_up_by_function(book: UsageBook) -> None:
    book.add("acme", "2026-11", "embedder", {"chunks": 16, "milliseconds": 100.25})
    book.add("acme", "2026-11", "embedder", {"chunks": 4, "calls": 2})
    book.add("acme", "2026-11", "api", {"api_requests": 1})
    assert book.of("acme", "2026-11") == [
        Usage("api", {"api_requests": 1}),
        Usage("embedder", {"chunks": 20, "milliseconds": 100.25, "calls": 2}),
    ]


def test_months_and_tenants_are_kept_apart(book: UsageBook) -> None:
    book.add("acme", "2026-11", "api", {"calls": 1})
    book.add("acme", "2026-12", "api", {"calls": 2})
    book.add("acme-2", "2026-11", "api", {"calls": 3})
    book.add(STACK, "2026-11", "maintenance", {"calls": 4})
    assert [used["calls"] for used in book.of("acme", "2026-11")] == [1]
    assert [used["calls"] for used in book.of(STACK, "2026-11")] == [4]
    found = {tenant: used["calls"] for tenant, used in book.everyone("2026-11")}
    assert found == {"acme": 1, "acme-2": 3, STACK: 4}


def test_nothing_used_is_nothing_kept(book: UsageBook) -> None:
    book.add("acme", "2026-11", "api", {"calls": 0.0})
    assert book.of("acme", "2026-11") == []
    assert list(book.everyone("2026-11")) == []
