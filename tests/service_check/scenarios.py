"""What a stack does for its users, a function each: together they need every grant of its policies.

Each ends with an assertion that holds only if all of it was done. They share no document, and each
begins with empty queues.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from ragline.local import aws
from tests.e2e.stack import NAME, texts
from tests.e2e.test_formats import numbered_pdf
from tests.e2e.test_redrive import sections
from tests.samples import encrypted_pdf, zipped
from tests.scans import scan, sheet
from tests.service_check.analysis_scenarios import ANALYSIS_SCENARIOS
from tests.service_check.by_hand import ByHand
from tests.service_check.push_scenarios import PUSH_SCENARIOS

Scenario = Callable[[ByHand], None]

FERRY = b"The ferry leaves at noon from the eastern pier."
TRAIN = b"The train leaves at nine from the western platform."

NEWER = json.dumps({"schema_version": 99})
"""A message of a version that is not deployed yet: returned to its queue until it is."""

POISON = "no message"
"""Kept aside and consumed."""


def fresh(prefix: str) -> str:
    """A collection that nothing else is in."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def a_document_is_found_listed_and_shown(hand: ByHand) -> None:
    collection = fresh("found")
    document_id = hand.ingest(FERRY, collection)
    assert texts(hand.stack.query("ferry", collection)) == [FERRY.decode()]
    assert [one["document_id"] for one in hand.stack.documents(collection)] == [document_id]
    shown = hand.stack.api.get(f"/api/v2/documents/{document_id}/chunks")
    assert [one["text"] for one in shown.json()["chunks"]] == [FERRY.decode()], shown.text
    assert hand.stack.failures(document_id) == []


def the_owner_of_a_fresh_stack_is_known(hand: ByHand) -> None:
    """An authoriser that has just started reads the owner's key; later it remembers."""
    hand.time_out("authorizer", 11)
    try:
        answer = hand.stack.api.get("/api/v2/documents")
        assert answer.status_code == 200, answer.text
    finally:
        hand.time_out("authorizer", 10)


def a_small_file_is_sent_in_one_request(hand: ByHand) -> None:
    answer = hand.stack.api.post(
        "/api/v2/documents/upload",
        files={"file": ("a.md", FERRY, "text/markdown")},
        data={"collection": fresh("direct"), "metadata": '{"year": 2025}'},
    )
    assert answer.status_code == 202, answer.text
    document_id = answer.json()["document_id"]
    hand.split(document_id)
    hand.drain()
    assert hand.stack.document(document_id)["status"] == "indexed"


def a_password_opens_its_document_and_is_forgotten(hand: ByHand) -> None:
    collection = fresh("locked")
    document_id = hand.put(encrypted_pdf(), collection, name="a.pdf", password="user")
    assert [name for name in passwords(hand) if document_id in name]
    hand.split(document_id)
    hand.drain()
    assert hand.stack.document(document_id)["status"] == "indexed"
    late = hand.put(encrypted_pdf(), collection, name="b.pdf", allow_duplicate=True)
    hand.split(late)
    assert hand.stack.document(late)["reason"]["code"] == "encrypted"
    answer = hand.stack.api.post(f"/api/v2/documents/{late}/retry", json={"password": "user"})
    assert answer.status_code == 202, answer.text
    assert hand.feed("PagesQueue") == []
    hand.drain()
    assert hand.stack.document(late)["status"] == "indexed"
    assert not [name for name in passwords(hand) if document_id in name or late in name]


def passwords(hand: ByHand) -> list[str]:
    """The names of those that are kept."""
    url, options = hand.stack.endpoint_url, aws.config()
    ssm = aws.session().client("ssm", endpoint_url=url, config=options)
    pages = ssm.get_paginator("get_parameters_by_path")
    found = pages.paginate(Path=f"/{NAME}/passwords", Recursive=True)
    return [str(one["Name"]) for page in found for one in page["Parameters"]]


def the_same_bytes_are_registered_again(hand: ByHand) -> None:
    collection = fresh("same")
    fields = {"checksum": hashlib.sha256(FERRY).hexdigest()}
    document_id = hand.ingest(FERRY, collection, **fields)
    again = hand.stack.register("b.md", FERRY, collection, **fields)
    assert (again["document_id"], again["status"]) == (document_id, "indexed")


def a_file_is_dropped_into_the_bucket(hand: ByHand) -> None:
    document_id = hand.drop("notes/a.md", FERRY, fresh("dropped"))
    hand.drain()
    assert hand.stack.document(document_id)["status"] == "indexed"


def an_edited_document_keeps_the_vectors_of_what_stayed(hand: ByHand) -> None:
    """Seen by vectors that no model made: what stayed still has them."""
    collection, document_id = fresh("edited"), f"d{uuid.uuid4().hex}"
    hand.ingest(sections(3), collection, document_id=document_id)
    (key,) = hand.stack.keys(f"vectors/default/{collection}/")
    hand.stack.s3.put_object(Bucket=hand.stack.bucket, Key=key, Body=_marked(hand, key))
    edited = sections(3) + b"\n\n# More\n\n" + TRAIN * 5
    assert hand.put(edited, collection, document_id=document_id) == document_id
    hand.split(document_id)
    hand.drain()
    document = hand.stack.document(document_id)
    assert (document["status"], document["generation"]) == ("indexed", 2)
    (left,) = hand.stack.keys(f"vectors/default/{collection}/")
    assert "/2/" in left and (_vectors(hand, left) == MARK).all(axis=1).sum() == 3


MARK = 0.0625
"""What each dimension of a vector is set to, in a float16 without loss."""


def _vectors(hand: ByHand, key: str) -> Any:
    body = hand.stack.s3.get_object(Bucket=hand.stack.bucket, Key=key)["Body"].read()
    return np.load(io.BytesIO(body))["vectors"]


def _marked(hand: ByHand, key: str) -> bytes:
    """A stored object of vectors, each of them replaced by the mark."""
    body = hand.stack.s3.get_object(Bucket=hand.stack.bucket, Key=key)["Body"].read()
    stored = dict(np.load(io.BytesIO(body)))
    stored["vectors"] = np.full_like(stored["vectors"], MARK)
    marked = io.BytesIO()
    np.savez(marked, **stored)
    return marked.getvalue()


def a_deleted_document_is_gone_everywhere(hand: ByHand) -> None:
    collection = fresh("deleted")
    document_id = hand.ingest(FERRY, collection)
    upload = hand.key_of(document_id)
    assert hand.stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    hand.drain()
    hand.stack.invoke("splitter", hand.event(upload, "ObjectRemoved:Delete"))
    hand.drain()
    for folder in ("uploads", "chunks", "vectors"):
        assert hand.stack.keys(f"{folder}/default/{collection}/") == []
    assert hand.stack.query("ferry", collection)["hits"] == []
    records = hand.stack.dynamodb.query(
        TableName=hand.stack.outputs["LedgerTableName"],
        KeyConditionExpression="PK = :pk AND begins_with(SK, :chunk)",
        ExpressionAttributeValues={
            ":pk": {"S": f"TENANT#default#DOC#{document_id}"},
            ":chunk": {"S": "CHUNK#"},
        },
    )
    assert records["Count"] == 0


def an_object_that_is_removed_takes_its_document_along(hand: ByHand) -> None:
    document_id = hand.ingest(FERRY, fresh("removed"))
    key = hand.key_of(document_id)
    hand.stack.s3.delete_object(Bucket=hand.stack.bucket, Key=key)
    hand.stack.invoke("splitter", hand.event(key, "ObjectRemoved:Delete"))
    assert hand.stack.document(document_id)["status"] == "deleted"
    hand.drain()


def an_event_about_an_object_that_is_gone_is_no_error(hand: ByHand) -> None:
    document_id = hand.put(FERRY, fresh("gone"))
    event = hand.event(hand.key_of(document_id))
    hand.stack.s3.delete_object(Bucket=hand.stack.bucket, Key=hand.key_of(document_id))
    hand.stack.invoke("splitter", event)
    assert hand.taken("ChunksQueue") == []


def bytes_that_come_after_the_deletion_are_cleared_away(hand: ByHand) -> None:
    collection = fresh("late")
    registered = hand.stack.register("a.md", FERRY, collection)
    document_id, target = registered["document_id"], registered["upload"]
    key = hand.key_of(document_id)
    assert hand.stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    put = hand.stack.anyone.put(target["url"], headers=target["headers"], content=FERRY)
    assert put.status_code == 200, put.text
    hand.stack.invoke("splitter", hand.event(key))
    assert hand.stack.keys(f"uploads/default/{collection}/") == []
    hand.drain()


def a_document_that_is_deleted_while_it_is_split_leaves_nothing(hand: ByHand) -> None:
    """The splitter writes its chunks first and learns of the deletion afterwards."""
    collection = fresh("race")
    document_id = hand.put(sections(4_000), collection)
    event, failures = hand.event(hand.key_of(document_id)), []

    def split() -> None:
        try:
            hand.stack.invoke("splitter", event)
        except AssertionError as error:
            failures.append(error)

    worker = threading.Thread(target=split)
    worker.start()
    while worker.is_alive() and not hand.stack.keys(f"chunks/default/{collection}/"):
        time.sleep(0.01)
    assert hand.stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    worker.join()
    assert not failures, failures
    assert hand.stack.keys(f"chunks/default/{collection}/") == []
    assert hand.taken("ChunksQueue") == [], "it was split before it could be deleted"


def a_scanned_page_is_read_once_and_forgotten_with_its_document(hand: ByHand) -> None:
    """Seen by a kept result that says something else: the second upload has that."""
    collection, document_id = fresh("scan"), f"d{uuid.uuid4().hex}"
    page, folder = scan(sheet()), f"ocr/default/{collection}/"
    hand.ingest(page, collection, "scan.pdf", document_id=document_id)
    (key,) = hand.stack.keys(folder)
    line = ["A line that no engine read.", 100, 100, 800, 140, 0.99]
    kept = gzip.compress(json.dumps([line]).encode())
    hand.stack.s3.put_object(Bucket=hand.stack.bucket, Key=key, Body=kept)
    hand.put(page + b"\n", collection, "scan.pdf", document_id=document_id)
    hand.split(document_id)
    hand.drain()
    chunks = hand.stack.api.get(f"/api/v2/documents/{document_id}/chunks").json()["chunks"]
    assert [chunk["text"] for chunk in chunks] == [line[0]]
    assert hand.stack.document(document_id)["progress"]["pages"]["ocr"] == 1
    assert hand.stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    hand.drain()
    assert hand.stack.keys(folder) == []


def a_document_that_is_deleted_while_its_scan_is_read_leaves_nothing(hand: ByHand) -> None:
    """What clears the document away comes before the last of its pages is read."""
    collection = fresh("scan-race")
    pages = [sheet([f"Sheet {number}"]) for number in range(6)]
    document_id = hand.put(scan(*pages), collection, "scan.pdf")
    event, folder = hand.event(hand.key_of(document_id)), f"ocr/default/{collection}/"
    failures: list[AssertionError] = []

    def split() -> None:
        try:
            hand.stack.invoke("splitter", event)
        except AssertionError as error:
            failures.append(error)

    worker = threading.Thread(target=split)
    worker.start()
    while worker.is_alive() and not hand.stack.keys(folder):
        time.sleep(0.01)
    assert hand.stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    hand.drain()
    in_time = worker.is_alive()
    worker.join()
    assert not failures, failures
    assert in_time, "it was read before it could be deleted"
    assert hand.stack.keys(folder) == []


def a_big_document_is_split_by_page_ranges(hand: ByHand) -> None:
    document_id = hand.put(numbered_pdf(102), fresh("big"), "big.pdf")
    event = hand.event(hand.key_of(document_id))
    hand.stack.invoke("splitter", event)
    hand.stack.invoke("splitter", event)  # delivered twice: what was cut already is not cut again
    hand.drain()
    document = hand.stack.document(document_id)
    assert (document["status"], document["progress"]["pages_done"]) == ("indexed", 102)


def a_big_file_is_brought_in_parts(hand: ByHand) -> None:
    collection = fresh("parts")
    registered = hand.stack.register("a.md", FERRY, collection, upload="multipart")
    document_id, upload_id = registered["document_id"], registered["upload"]["upload_id"]
    parts = f"/api/v2/documents/{document_id}/parts"
    number = {"number": 1, "checksum": hashlib.sha256(FERRY).hexdigest()}
    answer = hand.stack.api.post(parts, json={"upload_id": upload_id, "parts": [number]})
    assert answer.status_code == 200, answer.text
    (target,) = answer.json()["parts"]
    put = hand.stack.anyone.put(target["url"], headers=target["headers"], content=FERRY)
    assert put.status_code == 200, put.text
    arrived = hand.stack.api.get(parts, params={"upload_id": upload_id})
    assert [one["number"] for one in arrived.json()["arrived"]] == [1], arrived.text
    complete = f"/api/v2/documents/{document_id}/complete"
    done = hand.stack.api.post(complete, json={"upload_id": upload_id})
    assert done.status_code == 202, done.text
    hand.split(document_id)
    hand.drain()
    assert hand.stack.document(document_id)["status"] == "indexed"


def an_upload_in_parts_is_given_up(hand: ByHand) -> None:
    registered = hand.stack.register("a.md", FERRY, fresh("parts"), upload="multipart")
    document_id, upload_id = registered["document_id"], registered["upload"]["upload_id"]
    parts = f"/api/v2/documents/{document_id}/parts"
    gone = hand.stack.api.delete(parts, params={"upload_id": upload_id})
    assert gone.status_code == 204, gone.text
    left = hand.stack.s3.list_multipart_uploads(Bucket=hand.stack.bucket).get("Uploads", [])
    assert upload_id not in [one["UploadId"] for one in left]


def what_failed_is_told_and_retried(hand: ByHand) -> None:
    document_id = hand.fail_part(FERRY, fresh("retried"))
    (failure,) = hand.stack.failures(document_id)
    assert failure["reason"]["code"] == "retries_exhausted"
    answer = hand.stack.retry(document_id)
    assert (answer.status_code, answer.json()["chunks"]) == (202, 1), answer.text
    hand.drain()
    assert hand.stack.document(document_id)["status"] == "indexed"


def what_failed_is_redriven(hand: ByHand) -> None:
    collection = fresh("redriven")
    document_id = hand.fail_part(FERRY, collection)
    (one,) = hand.stack.redrive(collection=collection)
    assert (one["document_id"], one["skipped"]) == (document_id, None)
    hand.drain()
    assert hand.stack.document(document_id)["status"] == "indexed"


def what_cannot_be_read_is_tried_again_by_force(hand: ByHand) -> None:
    document_id = hand.put(b"%PDF-1.7 cut off", fresh("forced"), "a.pdf")
    hand.split(document_id)
    assert hand.stack.document(document_id)["status"] == "failed"
    forced = hand.stack.retry(document_id, force=True)
    assert (forced.status_code, forced.json()["split_again"]) == (202, True), forced.text
    hand.drain()
    assert hand.stack.failures(document_id)[0]["attempts"] == 2


def chunks_that_are_lost_fail_their_document(hand: ByHand) -> None:
    collection = fresh("lost")
    document_id = hand.put(FERRY, collection)
    hand.split(document_id)
    for key in hand.stack.keys(f"chunks/default/{collection}/"):
        hand.stack.s3.delete_object(Bucket=hand.stack.bucket, Key=key)
    hand.drain()
    document = hand.stack.document(document_id)
    assert (document["status"], document["reason"]["code"]) == ("failed", "stored_data_lost")


def vectors_that_are_lost_fail_their_document(hand: ByHand) -> None:
    collection = fresh("lost")
    document_id = hand.put(FERRY, collection)
    hand.split(document_id)
    hand.drain("ChunksQueue")
    for key in hand.stack.keys(f"vectors/default/{collection}/"):
        hand.stack.s3.delete_object(Bucket=hand.stack.bucket, Key=key)
    hand.drain()
    document = hand.stack.document(document_id)
    assert (document["status"], document["reason"]["code"]) == ("failed", "stored_data_lost")


def a_message_delivered_twice_counts_once(hand: ByHand) -> None:
    document_id = hand.put(FERRY, fresh("twice"))
    hand.split(document_id)
    parts = hand.taken("ChunksQueue")
    assert hand.feed("ChunksQueue", parts) == []
    operations = hand.taken("IndexOpsQueue")
    assert hand.feed("IndexOpsQueue", operations) == []
    assert hand.feed("ChunksQueue", parts, again=True) == []
    assert hand.feed("IndexOpsQueue", operations, again=True) == []
    progress = hand.stack.document(document_id)["progress"]
    assert (progress["indexed"], progress["chunks_total"]) == (1, 1)
    hand.drain()


def a_malformed_message_is_kept_aside(queue: str) -> Scenario:
    def scenario(hand: ByHand) -> None:
        body = f"{POISON} {uuid.uuid4().hex}"
        hand.send(queue, body)
        assert hand.feed(queue) == []
        source = {"PagesQueue": "pages", "ChunksQueue": "chunks"}.get(queue, "index_ops")
        assert body in hand.stack.dead_letters(source)

    return _named(scenario, "a_malformed_message_is_kept_aside", queue)


def a_malformed_message_fails_the_document_that_it_names(queue: str) -> Scenario:
    def scenario(hand: ByHand) -> None:
        document_id = hand.put(FERRY, fresh("poisoned"))
        hand.split(document_id)
        hand.purge()
        ids = {"tenant": "default", "collection": "?", "document_id": document_id, "generation": 1}
        hand.send(queue, json.dumps(ids))
        assert hand.feed(queue) == []
        assert hand.stack.document(document_id)["status"] == "failed"

    return _named(scenario, "a_malformed_message_fails_the_document_that_it_names", queue)


def a_message_of_a_newer_version_comes_back_soon(queue: str) -> Scenario:
    def scenario(hand: ByHand) -> None:
        hand.send(queue, NEWER)
        assert hand.feed(queue) == [NEWER]
        assert hand.returned_soon(queue), f"{queue}: hidden for the whole time-out"

    return _named(scenario, "a_message_of_a_newer_version_comes_back_soon", queue)


def work_is_put_off_when_time_runs_out(queue: str, function: str, timeout: int) -> Scenario:
    """``timeout``: what the template gives the function."""

    def scenario(hand: ByHand) -> None:
        document_id = hand.put(FERRY, fresh("put-off"))
        if queue == "PagesQueue":
            key = hand.key_of(document_id)
            hand.send(queue, json.dumps({"kind": "uploaded", "key": key, "sequencer": "0A"}))
        else:
            hand.split(document_id)
            hand.drain(*(["ChunksQueue"] if queue == "IndexOpsQueue" else []), *_BEFORE[queue])
        records = hand.taken(queue)
        assert records
        hand.time_out(function, 15)
        try:
            assert hand.feed(queue, records) == []
        finally:
            hand.time_out(function, timeout)

    return _named(scenario, "work_is_put_off_when_time_runs_out", queue)


_BEFORE: dict[str, list[str]] = {"ChunksQueue": ["PagesQueue"], "IndexOpsQueue": []}
"""The queues that have to be worked on before one has something to put off."""


def a_dead_letter_of_an_operation_fails_its_document(hand: ByHand) -> None:
    document_id = hand.put(FERRY, fresh("dead"))
    hand.split(document_id)
    hand.drain("ChunksQueue")
    (record,) = hand.taken("IndexOpsQueue")
    hand.discard("IndexOpsQueue", record)
    hand.send("DeadIndexOps", record["body"])
    assert hand.feed("DeadIndexOps") == []
    assert hand.stack.document(document_id)["status"] == "failed"
    assert record["body"] in hand.stack.dead_letters("index_ops")


def a_failed_invocation_fails_its_document(hand: ByHand) -> None:
    document_id = hand.put(FERRY, fresh("invocation"))
    hand.send("DeadInvocations", _invocation(hand.event(hand.key_of(document_id))))
    assert hand.feed("DeadInvocations") == []
    assert hand.stack.document(document_id)["status"] == "failed"


def a_failed_invocation_about_an_object_that_is_gone_is_no_error(hand: ByHand) -> None:
    document_id = hand.put(FERRY, fresh("invocation"))
    event = hand.event(hand.key_of(document_id))
    hand.stack.s3.delete_object(Bucket=hand.stack.bucket, Key=hand.key_of(document_id))
    hand.send("DeadInvocations", _invocation(event))
    assert hand.feed("DeadInvocations") == []
    assert hand.stack.document(document_id)["status"] == "awaiting_upload"


def a_failed_invocation_about_a_removal_deletes_the_document(hand: ByHand) -> None:
    document_id = hand.ingest(FERRY, fresh("invocation"))
    key = hand.key_of(document_id)
    hand.stack.s3.delete_object(Bucket=hand.stack.bucket, Key=key)
    hand.send("DeadInvocations", _invocation(hand.event(key, "ObjectRemoved:Delete")))
    assert hand.feed("DeadInvocations") == []
    assert hand.stack.document(document_id)["status"] == "deleted"
    hand.drain()


def an_archive_comes_and_goes_with_all_that_is_in_it(hand: ByHand) -> None:
    collection = fresh("archive")
    document_id, children = _archive(hand, collection)
    hand.split(document_id)  # the same bytes again: what came out stays
    hand.drain()
    assert {one["generation"] for one in _children(hand, document_id)} == {1}
    assert hand.stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    assert {hand.stack.document(one)["status"] for one in children} == {"deleted"}
    hand.drain()
    assert hand.stack.keys(f"uploads/default/{collection}/") == []


def a_failed_invocation_about_the_removal_of_an_archive_deletes_what_came_in_it(
    hand: ByHand,
) -> None:
    document_id, children = _archive(hand, fresh("archive"))
    key = hand.key_of(document_id)
    hand.stack.s3.delete_object(Bucket=hand.stack.bucket, Key=key)
    hand.send("DeadInvocations", _invocation(hand.event(key, "ObjectRemoved:Delete")))
    assert hand.feed("DeadInvocations") == []
    assert {hand.stack.document(one)["status"] for one in children} == {"deleted"}
    hand.drain()


def _archive(hand: ByHand, collection: str) -> tuple[str, list[str]]:
    """An archive of two files that are documents and indexed; its id, and theirs."""
    document_id = hand.put(zipped({"a.md": FERRY, "b.md": FERRY + b" Again."}), collection, "z.zip")
    hand.split(document_id)
    children = [str(one["document_id"]) for one in _children(hand, document_id)]
    assert len(children) == 2
    for child in children:
        hand.split(child)
    hand.drain()
    assert {one["status"] for one in _children(hand, document_id)} == {"indexed"}
    return document_id, children


def _children(hand: ByHand, document_id: str) -> list[dict[str, Any]]:
    found = hand.stack.api.get("/api/v2/documents", params={"parent": document_id})
    assert found.status_code == 200, found.text
    return list(found.json()["documents"])


def _invocation(event: Any) -> str:
    """What Lambda sends where an asynchronous call failed for good."""
    context = {"condition": "RetriesExhausted", "approximateInvokeCount": 3}
    said = {"errorMessage": "out of memory", "errorType": "MemoryError"}
    return json.dumps({"requestContext": context, "requestPayload": event, "responsePayload": said})


def maintenance_sets_going_what_a_lost_message_left_behind(hand: ByHand) -> None:
    document_id = hand.put(FERRY, fresh("stuck"))
    hand.split(document_id)
    (record,) = hand.taken("ChunksQueue")
    hand.discard("ChunksQueue", record)
    hand.age(document_id)
    assert hand.stack.invoke("maintenance", {})["repaired"] >= 1
    hand.drain()
    assert hand.stack.document(document_id)["status"] == "indexed"


def maintenance_gives_up_what_stands_still_for_good(hand: ByHand) -> None:
    document_id = hand.put(FERRY, fresh("stuck"))
    hand.split(document_id)
    for _ in range(4):
        hand.purge()
        hand.age(document_id)
        hand.stack.invoke("maintenance", {})
    assert hand.stack.document(document_id)["reason"]["code"] == "stalled"


def maintenance_finds_the_upload_whose_event_was_lost(hand: ByHand) -> None:
    document_id = hand.put(FERRY, fresh("event-lost"))
    hand.age(document_id)
    assert hand.stack.invoke("maintenance", {})["repaired"] >= 1
    hand.drain()
    assert hand.stack.document(document_id)["status"] == "indexed"


def maintenance_ends_an_upload_that_never_came(hand: ByHand) -> None:
    document_id = hand.stack.register("a.md", FERRY, fresh("never"))["document_id"]
    hand.age(document_id)
    assert hand.stack.invoke("maintenance", {})["expired"] >= 1
    assert hand.stack.document(document_id)["reason"]["code"] == "upload_expired"


def maintenance_clears_what_a_deletion_left(hand: ByHand) -> None:
    """The bytes are there again, put by a URL whose event was lost."""
    collection = fresh("left")
    document_id = hand.ingest(FERRY, collection)
    key = hand.key_of(document_id)
    assert hand.stack.api.delete(f"/api/v2/documents/{document_id}").status_code == 204
    hand.purge()
    hand.stack.s3.put_object(Bucket=hand.stack.bucket, Key=key, Body=FERRY)
    hand.age(document_id)
    assert hand.stack.invoke("maintenance", {})["repaired"] >= 1
    assert hand.stack.keys(f"uploads/default/{collection}/") == []
    hand.drain()
    assert hand.stack.keys(f"chunks/default/{collection}/") == []


def maintenance_orders_an_untidy_index_folded(hand: ByHand) -> None:
    collection = fresh("untidy")
    for _ in range(2):
        hand.ingest(FERRY + uuid.uuid4().hex.encode(), collection)
    hand.stack.invoke("maintenance", {})
    hand.drain()
    assert hand.stack.rows(collection) == 2


def the_rows_of_a_model_that_is_given_up_are_removed(hand: ByHand) -> None:
    collection = fresh("dropped-model")
    hand.ingest(FERRY, collection)
    assert hand.stack.keys(f"index/default.{collection}.")
    (vectors,) = hand.stack.keys(f"vectors/default/{collection}/")
    fingerprint = vectors.rsplit("/", 1)[-1].rsplit("-", 1)[0]
    ids = {"tenant": "default", "collection": collection}
    hand.send("IndexOpsQueue", json.dumps({**ids, "op": "drop", "fingerprint": fingerprint}))
    hand.drain()
    assert hand.stack.keys(f"index/default.{collection}.") == []
    assert hand.stack.keys(f"vectors/default/{collection}/") == []


def a_collection_is_cut_anew_and_deleted(hand: ByHand) -> None:
    collection = fresh("cut")
    document_id = hand.ingest(FERRY, collection)
    path = f"/api/v2/collections/{collection}"
    chosen = hand.stack.api.put(path, json={"chunking": {"strategy": "parent_child"}})
    assert (chosen.status_code, chosen.json()["counts"]["behind"]) == (202, 1), chosen.text
    hand.drain()
    assert hand.stack.document(document_id)["live_generation"] == 2
    (hit,) = hand.stack.query("ferry", collection)["hits"]
    assert hit["section"]["text"] == FERRY.decode()
    assert hand.stack.api.delete(path).status_code == 202
    hand.drain()
    assert hand.stack.document(document_id)["status"] == "deleted"


def a_collection_is_deleted_with_an_upload_that_is_under_way(hand: ByHand) -> None:
    collection = fresh("cut")
    registered = hand.stack.register("a.md", FERRY, collection, upload="multipart")
    assert hand.stack.api.delete(f"/api/v2/collections/{collection}").status_code == 202
    hand.drain()
    assert hand.stack.document(registered["document_id"])["status"] == "deleted"
    left = hand.stack.s3.list_multipart_uploads(Bucket=hand.stack.bucket).get("Uploads", [])
    assert registered["upload"]["upload_id"] not in [one["UploadId"] for one in left]


def _named(scenario: Scenario, name: str, queue: str) -> Scenario:
    scenario.__name__ = f"{name}[{queue}]"
    return scenario


SCENARIOS: tuple[Scenario, ...] = (
    a_document_is_found_listed_and_shown,
    the_owner_of_a_fresh_stack_is_known,
    a_small_file_is_sent_in_one_request,
    a_password_opens_its_document_and_is_forgotten,
    the_same_bytes_are_registered_again,
    a_file_is_dropped_into_the_bucket,
    an_edited_document_keeps_the_vectors_of_what_stayed,
    a_deleted_document_is_gone_everywhere,
    an_object_that_is_removed_takes_its_document_along,
    an_event_about_an_object_that_is_gone_is_no_error,
    bytes_that_come_after_the_deletion_are_cleared_away,
    a_document_that_is_deleted_while_it_is_split_leaves_nothing,
    a_scanned_page_is_read_once_and_forgotten_with_its_document,
    a_document_that_is_deleted_while_its_scan_is_read_leaves_nothing,
    a_big_document_is_split_by_page_ranges,
    a_big_file_is_brought_in_parts,
    an_upload_in_parts_is_given_up,
    what_failed_is_told_and_retried,
    what_failed_is_redriven,
    what_cannot_be_read_is_tried_again_by_force,
    chunks_that_are_lost_fail_their_document,
    vectors_that_are_lost_fail_their_document,
    a_message_delivered_twice_counts_once,
    a_malformed_message_is_kept_aside("PagesQueue"),
    a_malformed_message_is_kept_aside("ChunksQueue"),
    a_malformed_message_is_kept_aside("IndexOpsQueue"),
    a_malformed_message_fails_the_document_that_it_names("ChunksQueue"),
    a_malformed_message_fails_the_document_that_it_names("IndexOpsQueue"),
    a_message_of_a_newer_version_comes_back_soon("PagesQueue"),
    a_message_of_a_newer_version_comes_back_soon("ChunksQueue"),
    a_message_of_a_newer_version_comes_back_soon("IndexOpsQueue"),
    work_is_put_off_when_time_runs_out("PagesQueue", "splitter", 300),
    work_is_put_off_when_time_runs_out("ChunksQueue", "embedder", 120),
    work_is_put_off_when_time_runs_out("IndexOpsQueue", "indexer", 120),
    a_dead_letter_of_an_operation_fails_its_document,
    a_failed_invocation_fails_its_document,
    a_failed_invocation_about_an_object_that_is_gone_is_no_error,
    a_failed_invocation_about_a_removal_deletes_the_document,
    an_archive_comes_and_goes_with_all_that_is_in_it,
    a_failed_invocation_about_the_removal_of_an_archive_deletes_what_came_in_it,
    maintenance_sets_going_what_a_lost_message_left_behind,
    maintenance_gives_up_what_stands_still_for_good,
    maintenance_finds_the_upload_whose_event_was_lost,
    maintenance_ends_an_upload_that_never_came,
    maintenance_clears_what_a_deletion_left,
    maintenance_orders_an_untidy_index_folded,
    the_rows_of_a_model_that_is_given_up_are_removed,
    a_collection_is_cut_anew_and_deleted,
    a_collection_is_deleted_with_an_upload_that_is_under_way,
    *PUSH_SCENARIOS,
    *ANALYSIS_SCENARIOS,
)
