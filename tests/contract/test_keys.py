"""What every keeper of keys and plans promises: the one in memory, and the one in DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ragline.adapters.dynamodb.keys import DynamoKeys
from ragline.adapters.memory.keys import MemoryKeys
from ragline.domain.access import KeyRecord, Plan, Rates, Role
from ragline.domain.errors import Conflict
from ragline.ports import Keys
from ragline.usecases.keys import create
from tests.contract import aws
from tests.contract.ledgers import Clock


@pytest.fixture(params=["memory", "dynamodb"])
def keys(request: pytest.FixtureRequest) -> Iterator[Keys]:
    if request.param == "memory":
        yield MemoryKeys()
        return
    with aws.in_process_aws():
        dynamodb = aws.client("dynamodb")
        yield DynamoKeys(aws.make_table(dynamodb), client=dynamodb)


def record(number: int = 1, tenant: str = "acme", **fields: Any) -> KeyRecord:
    known: dict[str, Any] = {
        "digest": f"{number:064x}", "tenant": tenant, "role": Role.WRITER, "name": "för Zoë",
        "hint": "wxyz", "created_at": f"2026-01-01T00:00:{number:02d}.000Z",
    }  # fmt: skip
    return KeyRecord(**{**known, **fields})


def test_a_record_comes_back_as_it_was_kept(keys: Keys) -> None:
    kept = record(role=Role.ADMIN, expires_at="2027-01-01T00:00:00.000Z")
    keys.add(kept)
    assert keys.find(kept.digest) == kept
    assert keys.find(record(2).digest) is None


def test_no_two_records_are_of_one_key(keys: Keys) -> None:
    keys.add(record())
    with pytest.raises(Conflict):
        keys.add(record(tenant="rival"))
    found = keys.find(record().digest)
    assert found
    assert found.tenant == "acme"


def test_a_tenant_s_keys_are_listed_newest_first_and_nobody_else_s(keys: Keys) -> None:
    for number in (2, 1, 3):
        keys.add(record(number))
    keys.add(record(4, tenant="acme-2"))
    assert list(keys.of("acme")) == [record(3), record(2), record(1)]
    assert list(keys.of("nobody")) == []


def test_a_tenant_may_have_more_keys_than_one_read_brings(keys: Keys) -> None:
    for number in range(120):
        keys.add(record(number, created_at="2026-01-01T00:00:00.000Z"))
    assert len({one.digest for one in keys.of("acme")}) == 120


def test_a_key_is_revoked_once(keys: Keys) -> None:
    keys.add(record())
    for time in ("2026-02-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z"):
        revoked = keys.revoke(record().digest, time)
        assert revoked == record(revoked_at="2026-02-01T00:00:00.000Z")
    assert keys.find(record().digest) == revoked
    assert list(keys.of("acme")) == [revoked]


def test_a_key_that_is_dropped_is_known_no_more(keys: Keys) -> None:
    keys.add(record())
    keys.add(record(2))
    for _ in range(2):
        keys.drop(record().digest)
    assert keys.find(record().digest) is None
    assert list(keys.of("acme")) == [record(2)]


def test_a_key_that_is_not_there_is_not_made_by_revoking_it(keys: Keys) -> None:
    assert keys.revoke(record().digest, "2026-02-01T00:00:00.000Z") is None
    assert keys.find(record().digest) is None


@pytest.mark.parametrize("rates", [Rates(), Rates(0.5, 2, 10_000), Rates(quota_per_day=7)])
def test_a_plan_comes_back_and_the_last_one_counts(keys: Keys, rates: Rates) -> None:
    assert keys.plan("acme") is None
    keys.keep_plan(Plan("acme", "plan-1", "meter-1", Rates(9, 9, 9)))
    keys.keep_plan(Plan("acme", "plan-2", "meter-2", rates))
    assert keys.plan("acme") == Plan("acme", "plan-2", "meter-2", rates)
    assert keys.plan("rival") is None


def test_a_tenant_is_forgotten_and_no_other(keys: Keys) -> None:
    for number, tenant in enumerate(("acme", "acme", "rival")):
        keys.add(record(number, tenant))
        keys.keep_plan(Plan(tenant, "plan", "meter"))
    for _ in range(2):
        keys.forget("acme")
    assert list(keys.of("acme")) == []
    assert keys.find(record(0).digest) is None
    assert keys.plan("acme") is None
    assert len(keys.of("rival")) == 1
    assert keys.plan("rival")


def test_no_item_of_the_table_holds_the_key(moto: None) -> None:
    dynamodb = aws.client("dynamodb")
    table = aws.make_table(dynamodb)
    keeper = DynamoKeys(table, client=dynamodb)
    made = create("acme", Role.READER, "a test", keys=keeper, now=Clock()())
    keeper.revoke(made.record.digest, "2026-02-01T00:00:00.000Z")
    items = dynamodb.scan(TableName=table)["Items"]
    assert len(items) == 1
    secret = made.key.removeprefix("rag_")
    assert secret not in str(items)
    assert secret[:8] not in str(items)
    assert {item["PK"]["S"].partition("#")[0] for item in items} == {"KEY"}
