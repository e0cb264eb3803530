"""The doctor on a stack of its own: at rest nothing is wrong, and what is wrong can be mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ragline.adapters.lance.index import LanceIndex, LanceIndexes, storage_options
from ragline.domain.documents import Partition
from ragline.embedding.model import read_card
from ragline.embedding.prepare import ensure
from ragline.local import aws
from tests.e2e.stack import CommandLine, Stack, alone, texts, until
from tests.samples import encrypted_pdf

pytestmark = pytest.mark.e2e

KEEPERS = ("ada", "ben", "cleo", "dora", "emil")
COLLECTION = "keepers"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with alone(tmp_path_factory.mktemp("doctor")) as one:
        yield one


@pytest.fixture(scope="module")
def ragline(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("patient"), stack.endpoint_url)


@pytest.fixture(scope="module")
def documents(stack: Stack) -> dict[str, str]:
    """A document for each keeper, one that was replaced, one that failed, one that is gone."""
    ids = {name: stack.upload(f"{name}.txt", said(name), COLLECTION) for name in KEEPERS}
    ids["old"] = stack.upload("old.txt", b"It will be said anew.", COLLECTION, document_id="old")
    ids["gone"] = stack.upload("gone.txt", b"It will be deleted.", COLLECTION)
    stack.indexed(*ids.values())
    ids["locked"] = stack.upload("locked.pdf", encrypted_pdf(), COLLECTION)
    stack.upload("old.txt", b"It was said anew.", COLLECTION, document_id="old")
    until(lambda: stack.document("old")["live_generation"] == 2, "old.txt to be replaced")
    assert stack.api.delete(f"/api/v2/documents/{ids['gone']}").status_code == 204
    (locked,) = stack.ended(ids["locked"])
    assert locked["status"] == "failed"
    until(lambda: stack.rows(COLLECTION) == len(KEEPERS) + 1, "dead rows to leave the index")
    return ids


def said(keeper: str) -> bytes:
    return f"The keeper {keeper} lit the lamp.".encode()


def all_answer(stack: Stack) -> None:
    for keeper in KEEPERS:
        answer = stack.query(keeper, COLLECTION, mode="bm25")
        assert texts(answer) == [said(keeper).decode()], keeper


def test_nothing_is_wrong_at_rest(
    stack: Stack, ragline: CommandLine, documents: dict[str, str]
) -> None:
    told = until(lambda: at_rest(ragline), "the doctor to find nothing", 20)
    assert told == {"healthy": True, "findings": [], "waiting_messages": 0} | {
        "totals": {
            "documents": len(documents),
            "chunks": len(KEEPERS) + 1,
            "uploads": len(documents) - 1,
            "chunks objects": len(KEEPERS) + 1,
            "vectors objects": len(KEEPERS) + 1,
            "rows": len(KEEPERS) + 1,
        }
    }
    assert "agree." in ragline.screen("doctor")
    again = ragline("doctor", "--repair")
    assert again["healthy"] and "repair" not in again
    all_answer(stack)


def at_rest(ragline: CommandLine) -> Any:
    """What the doctor says, if that is nothing: the last bytes of a deletion go a moment later."""
    done = ragline.run("doctor", "--json")
    return json.loads(done.stdout) if done.returncode == 0 else None


def test_what_was_broken_is_named_and_repaired(
    stack: Stack, ragline: CommandLine, documents: dict[str, str]
) -> None:
    ada, ben, cleo, dora, emil = (documents[keeper] for keeper in KEEPERS)
    lose(stack, f"chunks/default/{COLLECTION}/{ada}/")
    index_of(stack).delete(Partition("default", COLLECTION), ben)
    lose(stack, f"vectors/default/{COLLECTION}/{cleo}/")
    (vectors,) = stack.keys(f"vectors/default/{COLLECTION}/{dora}/")
    stack.s3.put_object(Bucket=stack.bucket, Key=vectors, Body=b"no vectors")
    orphan = f"vectors/default/{COLLECTION}/01JNOBODY/1/model-0.npz"
    stack.s3.put_object(Bucket=stack.bucket, Key=orphan, Body=b"of no one")
    miscount(stack, emil)

    found = ragline("doctor", code=1)
    assert {(one["kind"], one["subject"]) for one in found["findings"]} == {
        ("missing_chunks", ada),
        ("missing_rows", ben),
        ("missing_vectors", cleo),
        ("damaged_vectors", dora),
        ("missing_vectors", dora),
        ("orphan_objects", "01JNOBODY"),
        ("miscounted", emil),
        ("false_status", emil),
    }
    shown = ragline.screen("doctor", code=1)
    assert "missing_rows" in shown and ben in shown and "--repair" in shown

    mended = ragline("doctor", "--repair")
    assert (mended["healthy"], mended["findings"]) == (True, [])
    assert len(mended["repair"]["repaired"]) == len(found["findings"])
    assert mended["repair"]["beyond_repair"] == []
    assert stack.keys(orphan) == []
    stack.indexed(ada, ben, cleo, dora, emil)
    all_answer(stack)


def test_bytes_that_the_ledger_has_forgotten_are_taken_in_again(
    stack: Stack, ragline: CommandLine, documents: dict[str, str]
) -> None:
    forgotten = stack.upload("fay.txt", said("fay"), COLLECTION)
    stack.indexed(forgotten)
    forget(stack, forgotten)
    found = ragline("doctor", code=1)
    (upload,) = stack.keys(f"uploads/default/{COLLECTION}/{forgotten}/")
    assert {(one["kind"], one["subject"]) for one in found["findings"]} == {
        ("orphan_upload", upload),
        ("orphan_objects", forgotten),
        ("extra_rows", forgotten),
        ("miscounted_tenant", "default"),
    }
    assert stack.query("fay", COLLECTION, mode="bm25")["hits"] == []
    assert ragline("doctor", "--repair")["healthy"]
    (hit,) = stack.query("fay", COLLECTION, mode="bm25")["hits"]
    assert hit["text"] == said("fay").decode()
    assert hit["document_id"] != forgotten


def lose(stack: Stack, prefix: str) -> None:
    (key,) = stack.keys(prefix)
    stack.s3.delete_object(Bucket=stack.bucket, Key=key)


def index_of(stack: Stack) -> LanceIndex:
    """The index as the indexer writes it."""
    options = storage_options(stack.endpoint_url, aws.REGION)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    indexes = LanceIndexes(f"s3://{stack.bucket}/index", storage_options=options | keys)
    return indexes.of(read_card(ensure("int8")).fingerprint)


def miscount(stack: Stack, document_id: str) -> None:
    """Let the document say that nothing of it was indexed."""
    stack.dynamodb.update_item(
        TableName=stack.outputs["LedgerTableName"],
        Key={"PK": {"S": f"TENANT#default#DOC#{document_id}"}, "SK": {"S": "META"}},
        UpdateExpression="SET #indexed = :none",
        ExpressionAttributeNames={"#indexed": "indexed"},
        ExpressionAttributeValues={":none": {"N": "0"}},
    )


def forget(stack: Stack, document_id: str) -> None:
    """Delete all that the ledger has about a document, as a table restored from a backup would."""
    table, checksum = stack.outputs["LedgerTableName"], stack.document(document_id)["checksum"]
    claim = f"TENANT#default#COLLECTION#{COLLECTION}#SHA#{checksum}"
    for pk in (f"TENANT#default#DOC#{document_id}", claim):
        found = stack.dynamodb.query(
            TableName=table,
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
        )
        assert found["Items"], pk
        for item in found["Items"]:
            stack.dynamodb.delete_item(TableName=table, Key={"PK": item["PK"], "SK": item["SK"]})
