"""From a file to a cited passage: every format, every way in, and what cannot be read."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.e2e.stack import Stack, found_in, until
from tests.samples import BAD, HEADING, SAMPLES, SENTENCE, markdown
from tests.scans import scan, sheet

pytestmark = pytest.mark.e2e

QUESTION = "At what level is the mercury column read?"
PAGED = {"handbook.pdf", "handbook.pptx"}
WITHOUT_HEADINGS = {"handbook.txt", "handbook.csv", "handbook.jsonl"}
EMPTY = {name for name, (make, _) in BAD.items() if not make()}


@pytest.fixture(scope="module")
def samples(stack: Stack) -> dict[str, Any]:
    """Every sample, all sent before any is waited for; name → its document at the end."""
    ids = {name: stack.upload(name, make(), "formats") for name, make in SAMPLES.items()}
    return dict(zip(ids, stack.ended(*ids.values()), strict=True))


@pytest.fixture(scope="module")
def refused(stack: Stack) -> dict[str, Any]:
    """Every bad file at its end; what has no bytes comes by S3, since the API does not take it."""
    ids = {}
    for name, (make, _) in BAD.items():
        if name in EMPTY:
            ids[name] = stack.drop(name, b"", "bad")
        else:
            ids[name] = stack.upload(name, make(), "bad")
    until(lambda: len(stack.documents("bad")) == len(BAD), "all of them to be in the ledger")
    return dict(zip(ids, stack.ended(*ids.values()), strict=True))


def cited(stack: Stack, document_id: str, collection: str) -> Any:
    """The one hit within a document that holds the sentence."""
    answer = stack.query(QUESTION, collection, filters={"document_id": document_id})
    (hit,) = found_in(answer, SENTENCE)
    return hit


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_of_every_format_is_indexed_and_cited_by_name_page_and_heading(
    stack: Stack, samples: dict[str, Any], name: str
) -> None:
    document = samples[name]
    assert document["status"] == "indexed", document
    assert document["progress"]["percent"] == "100%"
    assert document["progress"]["indexed"] == document["progress"]["chunks_total"] > 0
    hit = cited(stack, document["document_id"], "formats")
    assert hit["filename"] == name
    assert hit["page"] == (2 if name in PAGED else None)
    assert hit["headings"][-1:] == ([] if name in WITHOUT_HEADINGS else [HEADING])


def test_a_file_dropped_into_the_bucket_is_indexed_without_being_registered(stack: Stack) -> None:
    stack.drop("notes/barometer.md", markdown(), "dropped")
    (document,) = until(lambda: stack.documents("dropped"), "the file to be in the ledger")
    stack.indexed(document["document_id"])
    hit = cited(stack, document["document_id"], "dropped")
    assert (hit["filename"], hit["headings"][-1]) == ("barometer.md", HEADING)


def test_a_small_file_can_be_sent_in_one_request(stack: Stack) -> None:
    answer = stack.api.post(
        "/api/v2/documents/upload",
        files={"file": ("barometer.md", markdown(), "text/markdown")},
        data={"collection": "direct", "metadata": '{"year": 2025}'},
    )
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted"), answer.text
    job = answer.json()["job_id"]
    assert stack.api.get(f"/api/v2/documents/status/{job}").json()["filename"] == "barometer.md"
    stack.indexed(answer.json()["document_id"])
    hit = cited(stack, answer.json()["document_id"], "direct")
    assert (hit["filename"], hit["metadata"]) == ("barometer.md", {"year": 2025})


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_ends_with_its_reason_and_nothing_indexed(
    stack: Stack, refused: dict[str, Any], name: str
) -> None:
    document, code = refused[name], BAD[name][1]
    if code == "empty":
        assert document["status"] == "empty", document
        assert document["advice"]
    else:
        assert (document["status"], document["reason"]["code"]) == ("failed", code)
        told = [failure["reason"]["code"] for failure in stack.failures(document["document_id"])]
        assert code in told
    assert document["progress"]["indexed"] == 0
    chunks = stack.api.get(f"/api/v2/documents/{document['document_id']}/chunks").json()
    assert chunks["chunks"] == []
    found = stack.query(QUESTION, "bad", filters={"document_id": document["document_id"]})
    assert found["hits"] == []


def test_nothing_of_the_files_that_cannot_be_read_reaches_the_index(
    stack: Stack, refused: dict[str, Any]
) -> None:
    assert {document["collection"] for document in refused.values()} == {"bad"}
    assert stack.rows("bad") == 0


def test_a_file_without_bytes_is_refused_when_it_is_registered(stack: Stack) -> None:
    answer = stack.api.post("/api/v2/documents", json={"filename": "nothing.pdf", "size": 0})
    assert (answer.status_code, answer.json()["code"]) == (400, "empty_file")


@pytest.mark.parametrize(
    ("headers", "content"),
    [({}, b"other"), ({}, b""), ({"content-type": "text/html"}, b"four")],
)
def test_what_was_not_registered_so_is_not_taken(
    stack: Stack, headers: dict[str, str], content: bytes
) -> None:
    target = stack.register("short.txt", b"four", "formats")["upload"]
    signed = target["headers"].items()
    sent = {name: value for name, value in signed if name.lower() != "content-length"} | headers
    put = stack.anyone.put(target["url"], headers=sent, content=content)
    assert put.status_code == 403, put.text


def test_bytes_that_do_not_have_the_registered_checksum_are_not_taken(stack: Stack) -> None:
    checksum = hashlib.sha256(b"four").hexdigest()
    registered = stack.register("short.txt", b"four", "checksums", checksum=checksum)
    target = registered["upload"]
    put = stack.anyone.put(target["url"], headers=target["headers"], content=b"five")
    assert put.status_code == 400, put.text
    assert stack.document(registered["document_id"])["status"] == "awaiting_upload"


def test_a_big_document_is_cut_by_page_ranges_and_cited_by_its_page(stack: Stack) -> None:
    document_id = stack.upload("big.pdf", numbered_pdf(130), "big")
    stack.indexed(document_id)
    progress = stack.document(document_id)["progress"]
    assert (progress["pages_total"], progress["pages_done"]) == (130, 130)
    answer = stack.query("station 117", "big", mode="bm25", filters={"page": {"from": 101}})
    best = answer["hits"][0]
    assert (best["page"], best["headings"]) == (117, ["Station 117"])
    pages: set[int] = set()
    ordinals: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        path = f"/api/v2/documents/{document_id}/chunks"
        listed = stack.api.get(path, params={"limit": 50, **cursor}).json()
        pages |= {chunk["page"] for chunk in listed["chunks"]}
        ordinals += [chunk["ordinal"] for chunk in listed["chunks"]]
        if not listed["cursor"]:
            break
        cursor = {"cursor": listed["cursor"]}
    assert pages == set(range(1, 131))
    assert ordinals == sorted(set(ordinals))
    assert len(ordinals) == progress["chunks_total"] == progress["indexed"] == stack.rows("big")


def numbered_pdf(pages: int) -> bytes:
    from fpdf import FPDF

    document = FPDF()
    for number in range(1, pages + 1):
        document.add_page()
        document.set_font("Helvetica", size=20)
        document.multi_cell(0, 12, f"Station {number}", new_x="LMARGIN", new_y="NEXT")
        document.set_font("Helvetica", size=11)
        document.multi_cell(0, 6, "Nothing unusual was seen.", new_x="LMARGIN", new_y="NEXT")
    return bytes(document.output())


def test_a_scan_is_read_by_the_local_engine_and_cited_by_its_page(stack: Stack) -> None:
    pages = scan("A page with a text layer.", sheet(), sheet([]))
    (document,) = stack.ended(stack.upload("scan.pdf", pages, "scans"))
    assert document["status"] == "indexed", document
    counts = {"text": 1, "ocr": 1, "image": 0, "blank": 1, "failed": 0}
    assert document["progress"]["pages"] == counts
    assert document["progress"]["coverage"] == 1
    hit = cited(stack, document["document_id"], "scans")
    assert (hit["page"], hit["headings"][-1:]) == (2, [HEADING])
