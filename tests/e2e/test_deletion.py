"""Documents that go, and documents that are replaced."""

from __future__ import annotations

import hashlib

import pytest

from tests.e2e.stack import Stack, texts, until

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
