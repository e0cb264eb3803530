"""Passwords over HTTP: taken, and never said again."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ragline.domain.documents import Reason
from ragline.domain.ledger import NewDocument
from tests.unit.api.world import World

PASSWORD = "Schnee 42"


def registered(api: TestClient, **fields: Any) -> Any:
    body = {"filename": "a.pdf", "size": 5, "document_id": "doc", **fields}
    return api.post("/api/v2/documents", json=body)


def test_a_password_comes_with_the_registration(api: TestClient, world: World) -> None:
    answer = registered(api, password=PASSWORD)
    assert answer.status_code == 201, answer.text
    assert world.the_passwords.get("default", "doc") == PASSWORD
    assert PASSWORD not in answer.text
    assert PASSWORD not in api.get("/api/v2/documents/doc").text


def test_a_password_comes_with_a_direct_upload(api: TestClient, world: World) -> None:
    answer = api.post(
        "/api/v2/documents/upload",
        files={"file": ("a.pdf", b"bytes")},
        data={"document_id": "doc", "password": PASSWORD},
    )
    assert answer.status_code == 202, answer.text
    assert world.the_passwords.get("default", "doc") == PASSWORD


def test_a_password_comes_with_a_retry(api: TestClient, world: World) -> None:
    registered(api)
    document = world.the_ledger.get("default", "doc")
    assert document
    world.the_objects.put(document.upload_key, b"bytes")
    new = NewDocument(document.partition, "doc", "a.pdf", document.upload_key)
    assert world.the_ledger.begin(new, "1", "fingerprint")
    reason = Reason("encrypted", "it is locked.", "split")
    world.the_ledger.fail("default", "doc", 1, reason)
    refused = api.post("/api/v2/documents/doc/retry")
    assert refused.status_code == 409
    answer = api.post("/api/v2/documents/doc/retry", json={"password": PASSWORD})
    assert answer.status_code == 202, answer.text
    assert answer.json()["split_again"]
    assert PASSWORD not in answer.text
    assert world.the_passwords.get("default", "doc") == PASSWORD


def test_a_document_without_a_password_asks_nothing_of_where_they_are_kept(
    api: TestClient, world: World
) -> None:
    registered(api)
    assert "passwords" not in world.asked


@pytest.mark.parametrize("password", ["S" * 256, "Schnee\n42", 42, None])
def test_a_refused_password_is_not_repeated(
    api: TestClient, caplog: pytest.LogCaptureFixture, password: object
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = registered(api, password=password)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "invalid_request"
    assert "password" in answer.json()["detail"]
    for said in (answer.text, caplog.text):
        assert "Schnee" not in said
        assert "SSSS" not in said


def test_no_example_and_no_answer_of_the_api_has_a_password(api: TestClient) -> None:
    described = api.get("/api/v2/openapi.json").json()
    answers = {
        name
        for name, schema in described["components"]["schemas"].items()
        if "password" in schema.get("properties", {})
    }
    assert {name for name in answers if not name.startswith("Body_")} == {
        "RegisterBody",
        "RetryBody",
    }
    shown = json.dumps(list(described["paths"].values()))
    assert '"password":' not in shown
