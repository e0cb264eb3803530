"""Documents over HTTP: brought, followed, read, deleted."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from ragline.domain.advice import ADVICE
from ragline.domain.documents import Partition, Reason
from ragline.domain.ledger import ChunkState, Failure, NewDocument
from ragline.domain.pages import PageCounts
from tests.unit.api.world import World

DOCUMENTS = "/api/v2/documents"


def register(api: TestClient, **fields: Any) -> Any:
    return api.post(DOCUMENTS, json={"filename": "guide.md", "size": 9, **fields})


def test_a_registered_document_awaits_its_upload_at_a_url(api: TestClient, world: World) -> None:
    answer = register(api, collection="handbook", content_type="text/markdown")

    body = answer.json()
    assert answer.status_code == 201
    assert body["status"] == "awaiting_upload"
    assert body["job_id"] == body["document_id"]
    assert body["duplicate"] is False
    key = f"uploads/default/handbook/{body['document_id']}/guide.md"
    assert body["upload"]["url"] == f"memory://{key}"
    assert body["upload"]["method"] == "PUT"
    assert body["upload"]["headers"]["Content-Type"] == "text/markdown"
    assert body["upload"]["expires_in"] == world.config.upload_expires_seconds


def test_registering_known_bytes_answers_200_and_duplicate(api: TestClient, world: World) -> None:
    checksum = hashlib.sha256(b"the bytes").hexdigest()
    first = register(api, checksum=checksum)
    new = NewDocument(
        Partition("default", "default"),
        first.json()["document_id"],
        "guide.md",
        f"uploads/default/default/{first.json()['document_id']}/guide.md",
    )
    assert world.the_ledger.begin(new, "1", "parser-1")

    again = register(api, checksum=checksum)

    assert again.status_code == 200
    assert again.json()["document_id"] == first.json()["document_id"]
    assert again.json()["duplicate"] is True
    assert again.json()["upload"] is None


def test_a_direct_upload_stores_the_bytes_and_answers_202_with_the_job(
    api: TestClient, world: World
) -> None:
    answer = api.post(
        f"{DOCUMENTS}/upload",
        files={"file": ("café ☕.md", b"# Hello", "text/markdown")},
        data={"collection": "handbook", "metadata": '{"year": 2025}'},
    )

    body = answer.json()
    assert answer.status_code == 202
    assert body == {
        "job_id": body["document_id"],
        "document_id": body["document_id"],
        "status": "accepted",
    }
    document = world.the_ledger.get("default", body["document_id"])
    assert document
    assert document.filename == "café ☕.md"
    assert document.metadata == {"year": 2025}
    assert world.the_objects.get(document.upload_key) == b"# Hello"


def test_the_same_bytes_uploaded_twice_are_one_document(api: TestClient, world: World) -> None:
    first, again = (
        api.post(f"{DOCUMENTS}/upload", files={"file": (name, b"same", "text/plain")}).json()
        for name in ("a.txt", "b.txt")
    )
    assert again == {**first, "duplicate": True}
    assert len(list(world.the_objects.list("uploads/"))) == 1


def test_a_direct_upload_over_the_limit_is_refused_and_points_to_the_presigned_way(
    api: TestClient, world: World
) -> None:
    answer = api.post(f"{DOCUMENTS}/upload", files={"file": ("a.bin", bytes(4_500_001))})

    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    assert "4,500,000 bytes" in answer.json()["detail"]
    assert "POST /api/v2/documents" in answer.json()["detail"]
    assert list(world.the_objects.list("")) == []


def test_a_direct_upload_of_exactly_the_limit_is_taken(api: TestClient) -> None:
    answer = api.post(f"{DOCUMENTS}/upload", files={"file": ("a.bin", bytes(4_500_000))})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("form", "files", "says"),
    [
        ({}, [], "file: Field required"),
        ({"colection": "x"}, [("file", ("a.md", b"a"))], "colection: there is no such form field"),
        ({}, [("file", ("a.md", b"a")), ("file", ("b.md", b"b"))], "file: give it once"),
        ({"metadata": "[1]"}, [("file", ("a.md", b"a"))], "metadata: give a JSON object"),
        ({"metadata": "{"}, [("file", ("a.md", b"a"))], "metadata: give a JSON object"),
        ({"metadata": '{"a": NaN}'}, [("file", ("a.md", b"a"))], "no finite number"),
    ],
)
def test_a_form_that_would_lose_something_is_refused(
    api: TestClient, form: dict[str, str], files: list[Any], says: str
) -> None:
    # An empty part makes the form multipart even where there is no file.
    parts = files or [("collection", (None, "default"))]
    answer = api.post(f"{DOCUMENTS}/upload", data=form, files=parts)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert says in answer.json()["detail"]


def test_an_empty_file_is_refused_at_the_door_both_ways(api: TestClient) -> None:
    direct = api.post(f"{DOCUMENTS}/upload", files={"file": ("a.md", b"")})
    for answer in (register(api, size=0), direct):
        assert answer.status_code == 400
        assert answer.json()["code"] == "empty_file"


def test_a_file_over_the_installation_s_limit_is_refused_when_registered(api: TestClient) -> None:
    answer = register(api, size=10_000_001)
    assert answer.status_code == 413
    assert answer.json()["code"] == "limit_exceeded"
    assert "10,000,000 bytes" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"size": "9"}, "size"),
        ({"size": None}, "size"),
        ({"allow_duplicate": "yes"}, "allow_duplicate"),
        ({"filename": "a\ud800.md"}, "filename"),
    ],
)
def test_a_wrong_field_of_the_body_is_named(
    api: TestClient, fields: dict[str, Any], field: str
) -> None:
    body = json.dumps({"filename": "guide.md", "size": 9, **fields})
    answer = api.post(DOCUMENTS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert answer.json()["detail"].startswith(f"{field}: ")


def test_status_tells_progress_as_a_percentage_and_as_exact_counts(
    api: TestClient, world: World
) -> None:
    partition = Partition("default", "handbook")
    new = NewDocument(partition, "guide", "guide.md", "uploads/default/handbook/guide/guide.md")
    document = world.the_ledger.begin(new, "1", "parser-1")
    assert document
    world.the_ledger.plan_ranges(document, 1, 40)
    world.the_ledger.record_range(document, 0, 100, PageCounts(text=36, ocr=1, image=1, blank=2))
    world.the_ledger.record_chunks(document, range(50), ChunkState.EMBEDDED)
    world.the_ledger.record_chunks(document, range(19), ChunkState.INDEXED)
    reason = Reason("embedding_failed", "no vector", "embed", page=7, chunk=19)
    world.the_ledger.record_chunks(document, [19], ChunkState.FAILED, reason)

    by_job, by_id = api.get(f"{DOCUMENTS}/status/guide"), api.get(f"{DOCUMENTS}/guide")

    assert by_job.status_code == 200
    assert by_job.json() == by_id.json()
    assert by_id.json()["status"] == "processing"
    assert by_id.json()["progress"] == {
        "percent": "35%",
        "pages_total": 40,
        "pages_done": 40,
        "pages": {"text": 36, "ocr": 1, "image": 1, "blank": 2, "failed": 0},
        "coverage": 0.9736,  # 37 of 38
        "chunks_total": 100,
        "embedded": 30,
        "indexed": 19,
        "failed": 1,
    }


def test_a_failed_document_says_why_where_and_what_to_do(api: TestClient, world: World) -> None:
    partition = Partition("default", "handbook")
    new = NewDocument(partition, "scan", "scan.pdf", "uploads/default/handbook/scan/scan.pdf")
    world.the_ledger.begin(new, "1", "parser-1")
    reason = Reason("corrupt", "page 3 cannot be read.", "split", page=3)
    world.the_ledger.fail("default", "scan", 1, reason)
    world.the_ledger.record_failure("default", "scan", Failure(1, reason))

    status = api.get(f"{DOCUMENTS}/scan").json()
    failures = api.get(f"{DOCUMENTS}/scan/failures").json()["failures"]

    why = {"code": "corrupt", "message": "page 3 cannot be read.", "stage": "split"}
    assert status["status"] == "failed"
    assert status["reason"] == {**why, "page": 3, "chunk": None}
    assert status["advice"] == ADVICE["corrupt"]
    assert [failure["reason"] for failure in failures] == [status["reason"]]
    assert failures[0]["attempts"] == 1
    assert failures[0]["generation"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/unknown"),
        ("GET", "/status/unknown"),
        ("GET", "/unknown/chunks"),
        ("GET", "/unknown/failures"),
        ("DELETE", "/unknown"),
        ("GET", "/not%20an%20id"),
    ],
)
def test_a_document_nobody_knows_is_404(api: TestClient, method: str, path: str) -> None:
    answer = api.request(method, DOCUMENTS + path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_a_listing_is_of_one_collection_and_filters_by_status(
    api: TestClient, world: World
) -> None:
    world.indexed("one", document_id="done")
    world.indexed("one", document_id="elsewhere", collection="other")
    register(api, collection="handbook", document_id="waiting")

    def ids(**params: str) -> list[str]:
        answer = api.get(DOCUMENTS, params={"collection": "handbook", **params})
        assert answer.status_code == 200
        return sorted(one["document_id"] for one in answer.json()["documents"])

    assert ids() == ["done", "waiting"]
    assert ids(status="indexed") == ["done"]
    assert ids(until="2020-01-01") == []
    assert ids(since="2020-01-01T00:00:00Z") == ["done", "waiting"]


def test_a_listing_goes_on_where_its_cursor_points(api: TestClient, world: World) -> None:
    for number in range(5):
        register(api, document_id=f"doc-{number}")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(5):
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = api.get(DOCUMENTS, params=params).json()
        seen += [one["document_id"] for one in page["documents"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert sorted(seen) == [f"doc-{number}" for number in range(5)]


@pytest.mark.parametrize(
    "params",
    [
        {"colection": "x"},
        {"status": "dancing"},
        {"limit": "0"},
        {"limit": "101"},
        {"since": "yesterday"},
        {"cursor": "made-up"},
        {"collection": "No Such Name"},
    ],
)
def test_a_listing_refuses_what_it_does_not_understand(
    api: TestClient, params: dict[str, str]
) -> None:
    answer = api.get(DOCUMENTS, params=params)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert next(iter(params)) in answer.json()["detail"]


def test_chunks_are_told_with_their_text_place_and_span(api: TestClient, world: World) -> None:
    world.indexed("Read the barometer.", "Empty the gauge.", "Close the door.")

    page = api.get(f"{DOCUMENTS}/guide/chunks", params={"limit": 2}).json()
    rest = api.get(
        f"{DOCUMENTS}/guide/chunks", params={"limit": 2, "cursor": page["cursor"]}
    ).json()

    assert page["generation"] == 1
    assert page["chunks"][1] == {
        "chunk_id": "guide:1:1",
        "ordinal": 1,
        "text": "Empty the gauge.",
        "tokens": 5,
        "page": 1,
        "page_end": 1,
        "headings": ["Top"],
        "span": {"start": 10, "end": 26},
    }
    assert [one["ordinal"] for one in rest["chunks"]] == [2]
    assert rest["cursor"] is None


def test_a_deleted_document_is_gone_from_lists_and_tells_so(api: TestClient, world: World) -> None:
    document = world.indexed("Read the barometer.")

    answers = [api.delete(f"{DOCUMENTS}/guide") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert answers[0].content == b""
    assert api.get(f"{DOCUMENTS}/guide").json()["status"] == "deleted"
    assert api.get(f"{DOCUMENTS}/guide/chunks").status_code == 404
    assert api.get(DOCUMENTS, params={"collection": "handbook"}).json()["documents"] == []
    assert world.the_objects.get(document.upload_key) is None
    assert {op.op for op in world.the_queues.ops} == {"delete"}
