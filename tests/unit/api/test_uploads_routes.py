"""Uploads by form and in parts, over HTTP; and the caps that refuse them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from starlette.testclient import TestClient

from ragline.api import schemas
from ragline.domain.tenants import Caps
from ragline.usecases.multipart import PART_BYTES, UPLOAD_SECONDS
from tests.unit.api.world import World

SIZE = PART_BYTES + 3
DATA = bytes(PART_BYTES) + b"end"
SUM = hashlib.sha256(DATA).hexdigest()
BODY = {"filename": "big.pdf", "size": SIZE, "checksum": SUM, "content_type": "application/pdf"}


@pytest.fixture
def opened(api: TestClient, world: World) -> dict[str, Any]:
    world.config = world.config.model_copy(update={"max_file_bytes": 2 * SIZE})
    answer = api.post("/api/v2/documents", json={**BODY, "upload": "multipart"})
    assert answer.status_code == 201
    found: dict[str, Any] = answer.json()
    return found


def sign(api: TestClient, opened: dict[str, Any], **parts: Any) -> Any:
    wanted = [{"number": int(name[1:]), "checksum": value} for name, value in parts.items()]
    body = {"upload_id": opened["upload"]["upload_id"], "parts": wanted}
    return api.post(f"/api/v2/documents/{opened['document_id']}/parts", json=body)


def test_a_file_is_brought_in_parts(api: TestClient, world: World, opened: dict[str, Any]) -> None:
    assert opened["status"] == "awaiting_upload"
    upload = opened["upload"]
    assert upload == {
        "method": "MULTIPART",
        "upload_id": upload["upload_id"],
        "part_size": PART_BYTES,
        "parts": 2,
        "expires_in": UPLOAD_SECONDS,
    }
    pieces = {1: DATA[:PART_BYTES], 2: DATA[PART_BYTES:]}
    sums = {f"p{n}": hashlib.sha256(piece).hexdigest() for n, piece in pieces.items()}
    signed = schemas.uploads.PartTargets.model_validate(sign(api, opened, **sums).json())
    assert [(one.number, one.size) for one in signed.parts] == [(1, PART_BYTES), (2, 3)]
    assert signed.expires_in == world.config.upload_expires_seconds
    path = f"/api/v2/documents/{opened['document_id']}"
    body = {"upload_id": upload["upload_id"]}
    refused = api.post(f"{path}/complete", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    for one in signed.parts:
        world.the_objects.receive(one.url, pieces[one.number])
    there = api.get(f"{path}/parts", params=body).json()
    assert [one["number"] for one in there["arrived"]] == [1, 2]
    assert there["arrived"][1]["checksum"] == hashlib.sha256(b"end").hexdigest()
    assert (there["parts"], there["size"]) == (2, SIZE)
    done = api.post(f"{path}/complete", json=body)
    assert (done.status_code, done.json()["document_id"]) == (202, opened["document_id"])
    key = f"uploads/default/default/{opened['document_id']}/big.pdf"
    assert world.the_objects.get(key) == DATA


def test_the_same_registration_gives_the_same_upload(
    api: TestClient, opened: dict[str, Any]
) -> None:
    again = api.post("/api/v2/documents", json={**BODY, "upload": "multipart"})
    assert again.status_code == 200
    assert again.json()["upload"] == opened["upload"]


def test_an_upload_is_given_up(api: TestClient, opened: dict[str, Any]) -> None:
    path = f"/api/v2/documents/{opened['document_id']}/parts"
    params = {"upload_id": opened["upload"]["upload_id"]}
    assert api.delete(path, params=params).status_code == 204
    for answer in (api.get(path, params=params), api.delete(path, params=params)):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_upload_of_another_document_is_as_unknown_as_any(
    api: TestClient, opened: dict[str, Any]
) -> None:
    other = api.post("/api/v2/documents", json={**BODY, "checksum": "", "upload": "multipart"})
    path = f"/api/v2/documents/{other.json()['document_id']}/parts"
    mine, never = opened["upload"]["upload_id"], "never"
    theirs = api.get(path, params={"upload_id": mine})
    unknown = api.get(path, params={"upload_id": never})
    assert theirs.status_code == unknown.status_code == 404
    assert theirs.json()["detail"].replace(mine, never) == unknown.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"parts": []}, "parts"),
        ({"parts": [{"number": 0, "checksum": SUM}]}, "parts"),
        ({"parts": [{"number": 3, "checksum": SUM}]}, "parts"),
        ({"parts": [{"number": 1, "checksum": "abc"}]}, "parts"),
        ({"parts": [{"number": 1, "checksum": SUM}] * 2}, "parts"),
        ({"parts": [{"number": n, "checksum": SUM} for n in range(1, 102)]}, "parts"),
        ({"upload_id": ""}, "upload_id"),
        ({"tenant": "rival"}, "tenant"),
    ],
)
def test_a_wrong_request_for_parts_is_refused_with_its_field(
    api: TestClient, opened: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    body = {
        "upload_id": opened["upload"]["upload_id"],
        "parts": [{"number": 1, "checksum": SUM}],
        **change,
    }
    answer = api.post(f"/api/v2/documents/{opened['document_id']}/parts", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert field in answer.json()["detail"]


def test_a_form_is_given_where_one_is_asked_for(api: TestClient) -> None:
    answer = api.post("/api/v2/documents", json={**BODY, "size": 3, "upload": "post"})
    upload = answer.json()["upload"]
    assert (answer.status_code, upload["method"]) == (201, "POST")
    assert upload["fields"]["Content-Type"] == "application/pdf"
    assert upload["fields"]["key"].startswith("uploads/default/default/")


def test_another_way_is_refused(api: TestClient) -> None:
    answer = api.post("/api/v2/documents", json={**BODY, "upload": "carrier pigeon"})
    assert (answer.status_code, answer.json()["field"]) == (400, "upload")


def test_a_cap_refuses_both_ways_of_bringing_a_document_and_is_named(
    api: TestClient, world: World
) -> None:
    world.the_ledger.cap("default", Caps(bytes=2))
    answers = [
        api.post("/api/v2/documents", json={"filename": "a.md", "size": 3}),
        api.post("/api/v2/documents/upload", files={"file": ("a.md", b"abc")}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")
        assert "max_bytes, 2" in answer.json()["detail"]
