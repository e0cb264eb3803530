"""What the ledger costs (``python -m tests.write_units``): the meter itself, and one figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ragline.local.template import load
from tests.contract import aws
from tests.metering import Metered, Units
from tests.write_units import BATCH, first_ingest

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
TABLE = "ledger"

pytestmark = pytest.mark.disable_socket


@pytest.fixture
def meter(moto: None) -> Metered:
    dynamodb = aws.client("dynamodb")
    return Metered(dynamodb, aws.make_table(dynamodb, TABLE))


def test_a_chunk_of_160_costs_little_more_than_its_own_two_transactional_writes() -> None:
    used = first_ingest(160)
    assert used.writes["chunks"] == 4 * 160
    assert 4 < used.written / 160 <= 4.25
    assert used.reads / 160 <= 0.2


def test_a_document_of_one_chunk_costs_what_each_of_its_writes_does() -> None:
    assert dict(first_ingest(1).writes) == {
        "collections": 1,
        "claims": 2,  # the API's, and the splitter's, which is refused: it holds these bytes
        "documents": 4,  # created in a transaction; begun, settled
        "indexes": 11,  # in both, as above; by status it moves twice, once so; then it leaves
        "totals": 4,  # of its tenant: with its creation, and with the count of its chunks
        "counts": 6,
        "ranges": 2,
        "chunks": 4,
    }


def test_messages_are_taken_as_many_at_a_time_as_the_template_says() -> None:
    embedder = load(TEMPLATE)["Resources"]["Embedder"]["Properties"]["Events"].values()
    assert [event["Properties"]["BatchSize"] for event in embedder] == [BATCH]


def item(sk: str = "META", **attributes: Any) -> dict[str, Any]:
    return {"PK": {"S": "TENANT#t#DOC#d"}, "SK": {"S": sk}, **attributes}


def put(meter: Metered, sk: str = "META", **attributes: Any) -> Units:
    meter.put_item(TableName=TABLE, Item=item(sk, **attributes))
    return meter.since_last()


def padded(size: int, sk: str = "META") -> dict[str, Any]:
    """Attributes that make an item of so many bytes."""
    bare = sum(len(name) + len(value["S"]) for name, value in item(sk).items())
    return {"x": {"S": "x" * (size - bare - len("x"))}}


def test_a_write_costs_one_unit_per_kilobyte_of_the_item_before_or_after_it(
    meter: Metered,
) -> None:
    assert put(meter, **padded(1_024)).writes["documents"] == 1
    assert put(meter, **padded(1_025)).writes["documents"] == 2
    assert put(meter, **padded(3_000)).writes["documents"] == 3
    meter.update_item(TableName=TABLE, Key=item(), UpdateExpression="REMOVE x")
    assert meter.since_last().writes["documents"] == 3
    assert put(meter).writes["documents"] == 1


def test_a_write_that_is_refused_costs_as_much(meter: Metered) -> None:
    put(meter)
    with pytest.raises(ClientError):
        meter.put_item(
            TableName=TABLE,
            Item=item(**padded(1_500)),
            ConditionExpression="attribute_not_exists(PK)",
        )
    assert meter.since_last().writes["documents"] == 2


def test_a_transaction_costs_twice_and_one_that_is_cancelled_too(meter: Metered) -> None:
    put(meter)
    absent = {"TableName": TABLE, "ConditionExpression": "attribute_not_exists(PK)"}
    count = {
        "TableName": TABLE,
        "Key": item(),
        "UpdateExpression": "ADD seen :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    writes = [{"Update": count}, {"Put": {**absent, "Item": item("CHUNK#1#0")}}]
    meter.transact_write_items(TransactItems=writes)
    assert dict(meter.since_last().writes) == {"counts": 2, "chunks": 2, "indexes": 0}
    with pytest.raises(ClientError):
        meter.transact_write_items(TransactItems=writes)
    assert dict(meter.since_last().writes) == {"counts": 2, "chunks": 2, "indexes": 0}


def test_an_entry_of_an_index_costs_one_to_come_or_go_and_two_to_move(meter: Metered) -> None:
    there: dict[str, Any] = {"GSI1PK": {"S": "a"}, "GSI1SK": {"S": "1"}}
    assert put(meter, **there).writes["indexes"] == 1
    assert put(meter, **there, x={"S": "x"}).writes["indexes"] == 0
    assert put(meter, **{**there, "GSI1SK": {"S": "2"}}).writes["indexes"] == 2
    assert put(meter, GSI1PK={"S": "a"}).writes["indexes"] == 1
    assert put(meter).writes["indexes"] == 0


def test_a_deletion_costs_the_item_and_one_unit_where_there_is_none(meter: Metered) -> None:
    put(meter, "CHUNK#1#0", **padded(1_500, "CHUNK#1#0"))
    meter.since_last()
    keys = [item("CHUNK#1#0"), item("CHUNK#1#1")]
    meter.batch_write_item(RequestItems={TABLE: [{"DeleteRequest": {"Key": key}} for key in keys]})
    assert meter.since_last().writes["chunks"] == 2 + 1


def test_a_read_costs_one_unit_per_four_kilobytes_found_or_not(meter: Metered) -> None:
    for number in range(3):
        sk = f"CHUNK#1#{number}"
        put(meter, sk, **padded(3_000, sk))
    meter.since_last()

    keys = [item(f"CHUNK#1#{number}") for number in range(4)]
    meter.batch_get_item(RequestItems={TABLE: {"Keys": keys, "ConsistentRead": True}})
    assert meter.since_last().reads == 4
    meter.query(
        TableName=TABLE,
        KeyConditionExpression="PK = :pk",
        ExpressionAttributeValues={":pk": item()["PK"]},
        ProjectionExpression="PK",
        ConsistentRead=True,
    )
    assert meter.since_last().reads == 3  # 9,000 bytes, whatever is projected
    meter.get_item(TableName=TABLE, Key=item("CLAIM"), ConsistentRead=True)
    assert meter.since_last().reads == 1
