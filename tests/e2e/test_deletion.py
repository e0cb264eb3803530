"""Documents that go, and documents that are replaced."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ragline.adapters.dynamodb.ledger import DynamoLedger
from ragline.domain.documents import Partition
from tests.e2e.stack import CommandLine, Stack, texts, until
from tests.samples import corrupt_pdf

pytestmark = pytest.mark.e2e

OLD = b"The old lighthouse burns whale oil."
NEW = b"The new lighthouse has an electric lamp."


def everything_of(stack: Stack, document_id: str) -> list[str]:
    return [key for key in stack.keys("") if f"/{document_id}/" in key]


def wait_until_gone(stack: Stack, collection: str, document_id: str) -> None:
    until(lambda: stack.rows(collection) == 0, "its rows to leave the index")
    until(
        lambda: not everything_of(stack, document_id),
        lambda: f"{everything_of(stack, document_id)} to leave the bucket",
    )


def test_a_deleted_document_is_gone_from_answers_at_once_and_then_everywhere(stack: Stack) -> None:
    document_id = stack.upload("old.txt", OLD, "deletion")
    stack.indexed(document_id)
    assert texts(stack.query("lighthouse", "deletion")) == [OLD.decode()]
    prefixes = {key.split("/")[0] for key in everything_of(stack, document_id)}
    assert prefixes == {"uploads", "chunks", "vectors"}

    assert stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    assert stack.query("lighthouse", "deletion")["hits"] == []
    assert stack.document(document_id)["status"] == "deleted"
    chunks = stack.api.get(f"/api/v2/documents/{document_id}/chunks")
    assert (chunks.status_code, chunks.json()["code"]) == (404, "not_found")
    assert document_id not in [each["document_id"] for each in stack.documents("deletion")]
    wait_until_gone(stack, "deletion", document_id)

    assert stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204, "again"
    assert stack.document(document_id)["status"] == "deleted"


@pytest.mark.parametrize("document_id", ["01JUNKNOWN", "-", "a%20b", "%2e%2e", "x" * 200])
def test_an_unknown_document_is_a_404_on_every_route(stack: Stack, document_id: str) -> None:
    path = f"/api/v2/documents/{document_id}"
    for method, route in (
        ("GET", path), ("DELETE", path), ("GET", f"{path}/chunks"), ("GET", f"{path}/failures"),
        ("GET", f"/api/v2/documents/status/{document_id}"),
    ):  # fmt: skip
        answer = stack.api.request(method, route)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, route)


def test_deleting_the_object_in_the_bucket_deletes_the_document(stack: Stack) -> None:
    document_id = stack.upload("old.txt", OLD, "removal")
    stack.indexed(document_id)
    (key,) = stack.keys(f"uploads/default/removal/{document_id}/")
    stack.s3.delete_object(Bucket=stack.bucket, Key=key)
    until(lambda: stack.document(document_id)["status"] == "deleted", "the deletion to be noticed")
    assert stack.query("lighthouse", "removal")["hits"] == []
    wait_until_gone(stack, "removal", document_id)


def test_a_document_can_be_deleted_before_it_is_indexed(stack: Stack) -> None:
    """The deletion overtakes the work under way, whatever stage it has reached."""
    ids = [stack.upload(f"old-{n}.txt", OLD, "overtaken") for n in range(3)]
    for document_id in ids:
        assert stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    last = stack.upload("new.txt", NEW, "overtaken")
    stack.indexed(last)
    assert texts(stack.query("lighthouse", "overtaken")) == [NEW.decode()]
    assert {each["status"] for each in stack.ended(*ids)} == {"deleted"}
    until(lambda: stack.rows("overtaken") == 1, "only the last document's row to be left")
    for document_id in ids:
        until(
            lambda one=document_id: not everything_of(stack, one),  # type: ignore[misc]
            lambda one=document_id: f"{everything_of(stack, one)} to leave the bucket",  # type: ignore[misc]
        )


def test_new_bytes_under_the_same_id_replace_the_old_text(stack: Stack) -> None:
    stack.upload("lamp.txt", OLD, "replacement", document_id="lamp")
    stack.indexed("lamp")
    stack.upload("lamp.txt", NEW, "replacement", document_id="lamp")
    until(
        lambda: stack.document("lamp")["live_generation"] == 2,
        lambda: f"{stack.document('lamp')} to be replaced",
    )
    for mode in ("dense", "bm25", "hybrid"):
        assert texts(stack.query("lighthouse", "replacement", mode=mode)) == [NEW.decode()]
    assert stack.query("whale oil", "replacement", mode="bm25")["hits"] == []
    until(lambda: stack.rows("replacement") == 1, "the old row to leave the index")
    derived = "chunks/default/replacement/lamp/", "vectors/default/replacement/lamp/"
    for prefix in derived:
        until(
            lambda at=prefix: {key[len(at)] for key in stack.keys(at)} == {"2"},  # type: ignore[misc]
            f"generation 2 alone to be left under {prefix}",
        )


def test_the_same_bytes_again_return_the_document_that_has_them(stack: Stack) -> None:
    checksum = hashlib.sha256(OLD).hexdigest()
    first = stack.upload("old.txt", OLD, "duplicates", checksum=checksum)
    stack.indexed(first)
    again = stack.register("copy.txt", OLD, "duplicates", checksum=checksum)
    assert (again["document_id"], again["duplicate"], again["upload"]) == (first, True, None)
    direct = stack.api.post(
        "/api/v2/documents/upload",
        files={"file": ("copy.txt", OLD)},
        data={"collection": "duplicates"},
    ).json()
    assert (direct["document_id"], direct["duplicate"]) == (first, True)
    elsewhere = stack.register("old.txt", OLD, "duplicates-2", checksum=checksum)
    assert (elsewhere["document_id"] != first, elsewhere["duplicate"]) == (True, False)
    assert len(stack.documents("duplicates")) == 1
    assert texts(stack.query("lighthouse", "duplicates")) == [OLD.decode()]


def replaced(stack: Stack, document_id: str) -> Any:
    """The document, once its second generation has ended."""
    until(
        lambda: stack.document(document_id)["generation"] == 2,
        f"a second generation of {document_id}",
    )
    return stack.ended(document_id)[0]


def test_the_old_version_answers_until_the_new_one_is_complete(stack: Stack) -> None:
    stack.upload("lamp.txt", OLD, "meanwhile", document_id="meanwhile")
    stack.indexed("meanwhile")
    with stack.stopped("embedder"):
        stack.upload("lamp.txt", NEW, "meanwhile", document_id="meanwhile")
        until(
            lambda: stack.document("meanwhile")["status"] == "processing",
            "the new version to be cut",
        )
        document = stack.document("meanwhile")
        assert (document["generation"], document["live_generation"]) == (2, 1)
        assert texts(stack.query("lighthouse", "meanwhile")) == [OLD.decode()]
    assert replaced(stack, "meanwhile")["status"] == "indexed"
    assert texts(stack.query("lighthouse", "meanwhile")) == [NEW.decode()]


def test_a_version_that_cannot_be_read_leaves_the_old_one_answering(stack: Stack) -> None:
    stack.upload("lamp.txt", OLD, "unreadable", document_id="unreadable")
    stack.indexed("unreadable")
    stack.upload("lamp.txt", corrupt_pdf(), "unreadable", document_id="unreadable")
    document = replaced(stack, "unreadable")
    assert (document["status"], document["live_generation"]) == ("failed", 1)
    assert document["reason"]["code"] == "corrupt"
    assert document["advice"].endswith("Generation 1 is still there and answers.")
    assert texts(stack.query("lighthouse", "unreadable")) == [OLD.decode()]


def test_a_version_without_text_takes_the_place_of_the_old_one(stack: Stack) -> None:
    stack.upload("lamp.txt", OLD, "emptied", document_id="emptied")
    stack.indexed("emptied")
    stack.upload("lamp.txt", b" \n", "emptied", document_id="emptied")
    document = replaced(stack, "emptied")
    assert (document["status"], document["live_generation"]) == ("empty", 2)
    assert stack.query("lighthouse", "emptied")["hits"] == []
    until(lambda: stack.rows("emptied") == 0, "the old row to leave the index")


def test_an_edited_document_is_embedded_only_where_it_was_edited(
    stack: Stack, tmp_path: Path
) -> None:
    ragline = CommandLine(tmp_path, stack.endpoint_url)
    sections = [f"# Day {n}\n\n{f'On day {n} the keeper lit the lamp. ' * 20}" for n in range(5)]
    stack.upload("log.md", "\n\n".join(sections).encode(), "edited", document_id="edited")
    stack.indexed("edited")
    assert stack.document("edited")["progress"]["chunks_total"] == 5
    before = chunks_reused(ragline)
    sections[2] = sections[2].replace("lit", "forgot")
    stack.upload("log.md", "\n\n".join(sections).encode(), "edited", document_id="edited")
    assert replaced(stack, "edited")["status"] == "indexed"
    until(lambda: chunks_reused(ragline) == before + 4, "the log to say that four were reused", 20)
    assert len(texts(stack.query("the keeper forgot", "edited", mode="bm25", top_k=1))) == 1
    until(lambda: stack.rows("edited") == 5, "the old rows to leave the index")


def chunks_reused(ragline: CommandLine) -> float:
    """As the embedder's metric says, so far."""
    messages = [entry["message"] for entry in ragline("logs", "embedder", "--since", "1h")]
    return sum(sum(one["ChunksReused"]) for one in messages if "ChunksReused" in one)


def test_bytes_that_come_after_their_document_was_deleted_revive_nothing(stack: Stack) -> None:
    """The presigned URL outlives the deletion."""
    registered = stack.register("old.txt", OLD, "late-put")
    document_id, target = registered["document_id"], registered["upload"]
    assert stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    put = stack.anyone.put(target["url"], headers=target["headers"], content=OLD)
    assert put.status_code == 200, put.text
    until(
        lambda: not everything_of(stack, document_id),
        lambda: f"{everything_of(stack, document_id)} to leave the bucket",
    )
    assert stack.document(document_id)["status"] == "deleted"
    assert stack.query("lighthouse", "late-put")["hits"] == []
    again = stack.api.delete(f"/api/v2/documents/{document_id}")
    assert again.status_code == 204
    assert stack.documents("late-put") == []


def test_a_deleted_id_can_be_registered_again(stack: Stack) -> None:
    stack.upload("lamp.txt", OLD, "reborn", document_id="reborn")
    stack.indexed("reborn")
    assert stack.api.delete("/api/v2/documents/reborn").status_code == 204
    stack.upload("lamp.txt", NEW, "reborn", document_id="reborn")
    until(lambda: stack.document("reborn")["status"] == "indexed", "it to be indexed again")
    assert texts(stack.query("lighthouse", "reborn")) == [NEW.decode()]
    until(lambda: stack.rows("reborn") == 1, "the old row to leave the index")


def test_a_dropped_file_that_was_deleted_by_the_api_comes_back_by_a_new_drop(stack: Stack) -> None:
    document_id = stack.drop("deep/lamp.txt", OLD, "dropped-again")
    until(lambda: stack.api.get(f"/api/v2/documents/{document_id}").status_code == 200, "a drop")
    stack.indexed(document_id)
    assert stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    wait_until_gone(stack, "dropped-again", document_id)
    until(lambda: not stack.keys("uploads/default/dropped-again/"), "its bytes to go")
    assert stack.document(document_id)["status"] == "deleted"

    assert stack.drop("deep/lamp.txt", NEW, "dropped-again") == document_id
    until(
        lambda: stack.document(document_id)["status"] == "indexed",
        lambda: f"{stack.document(document_id)} to come back",
    )
    assert texts(stack.query("lighthouse", "dropped-again")) == [NEW.decode()]
    assert stack.rows("dropped-again") == 1


def test_the_same_bytes_dropped_under_two_names_are_one_document(stack: Stack) -> None:
    ids = [stack.drop(name, OLD, "twice") for name in ("a.txt", "b.txt")]
    for document_id in ids:
        until(lambda one=document_id: stack.api.get(f"/api/v2/documents/{one}").is_success, "drops")  # type: ignore[misc]
    one, other = sorted(stack.ended(*ids), key=lambda each: str(each["status"]))
    assert (one["status"], other["status"]) == ("failed", "indexed")
    assert one["reason"]["code"] == "duplicate"
    assert other["document_id"] in one["reason"]["message"]
    assert texts(stack.query("lighthouse", "twice")) == [OLD.decode()]

    assert stack.api.delete(f"/api/v2/documents/{other['document_id']}").status_code == 204
    assert stack.query("lighthouse", "twice")["hits"] == []
    forced = stack.retry(one["document_id"], force=True)
    assert forced.status_code == 202, json.dumps(forced.json())
    until(lambda: stack.document(one["document_id"])["status"] == "indexed", "the other of the two")
    assert texts(stack.query("lighthouse", "twice")) == [OLD.decode()]


def test_a_registration_that_died_half_way_does_not_hold_its_bytes_for_ever(stack: Stack) -> None:
    """It claimed the bytes, and never recorded the document that was to have them."""
    ledger = DynamoLedger(stack.outputs["LedgerTableName"], client=stack.dynamodb)
    checksum = hashlib.sha256(OLD).hexdigest()
    ledger.claim_content(Partition("default", "half-way"), checksum, "never-recorded")
    document_id = stack.drop("old.txt", OLD, "half-way")
    until(lambda: stack.api.get(f"/api/v2/documents/{document_id}").is_success, "the drop")
    stack.indexed(document_id)
