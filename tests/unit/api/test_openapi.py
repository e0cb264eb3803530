"""The OpenAPI document: complete, and its examples are true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from ragline.api import examples, schemas, views
from ragline.api.access import needed
from ragline.api.app import create_app
from ragline.domain.chunks import Chunk
from ragline.usecases.highlight import highlight
from tests.unit.api.world import World

DOCUMENT: dict[str, Any] = create_app(World()).openapi()


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


NAMES = [name for name, _ in operations()]
OPERATIONS = dict(operations())

PROMISED = {
    "GET /health",
    "GET /api/v2/info",
    "POST /api/v2/documents",
    "POST /api/v2/documents/upload",
    "POST /api/v2/documents/{document_id}/parts",
    "GET /api/v2/documents/{document_id}/parts",
    "DELETE /api/v2/documents/{document_id}/parts",
    "POST /api/v2/documents/{document_id}/complete",
    "GET /api/v2/documents/status/{job_id}",
    "GET /api/v2/documents/{document_id}",
    "GET /api/v2/documents",
    "GET /api/v2/documents/{document_id}/chunks",
    "GET /api/v2/documents/{document_id}/failures",
    "DELETE /api/v2/documents/{document_id}",
    "POST /api/v2/documents/{document_id}/retry",
    "POST /api/v2/documents/{document_id}/analyses",
    "GET /api/v2/documents/{document_id}/analyses",
    "GET /api/v2/documents/{document_id}/analyses/{analysis_id}",
    "DELETE /api/v2/documents/{document_id}/analyses/{analysis_id}",
    "POST /api/v2/redrive",
    "POST /api/v2/query",
    "GET /api/v2/collections",
    "GET /api/v2/collections/{name}",
    "PUT /api/v2/collections/{name}",
    "DELETE /api/v2/collections/{name}",
    "GET /api/v2/usage",
    "POST /api/v2/keys",
    "GET /api/v2/keys",
    "DELETE /api/v2/keys/{key_id}",
    "POST /api/v2/webhooks",
    "GET /api/v2/webhooks",
    "GET /api/v2/webhooks/{webhook_id}",
    "DELETE /api/v2/webhooks/{webhook_id}",
    "POST /api/v2/webhooks/{webhook_id}/rotate",
    "POST /api/v2/webhooks/{webhook_id}/redrive",
    "POST /api/v2/tickets",
}


def test_the_document_describes_exactly_the_promised_routes() -> None:
    assert set(NAMES) == PROMISED


@pytest.mark.parametrize("name", NAMES)
def test_each_body_parameter_and_answer_has_an_example(name: str) -> None:
    operation = OPERATIONS[name]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        assert content["example"]
    for parameter in operation.get("parameters", []):
        assert parameter["schema"].get("examples") or parameter.get("example"), parameter["name"]
    for status, answer in operation["responses"].items():
        if status != "204":
            assert answer["content"], status
            assert all(content["example"] for content in answer["content"].values()), status


@pytest.mark.parametrize("name", NAMES)
def test_each_declared_error_is_a_problem_and_each_route_declares_some(name: str) -> None:
    declared = {
        status: answer["content"]
        for status, answer in OPERATIONS[name]["responses"].items()
        if not status.startswith("2")
    }
    assert {"503", "default"} <= set(declared)
    assert "422" not in declared
    for content in declared.values():
        assert list(content) == ["application/problem+json"]
        schema = content["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}


@pytest.mark.parametrize("name", NAMES)
def test_each_operation_says_which_role_it_needs_and_how_to_say_who_calls(name: str) -> None:
    operation = OPERATIONS[name]
    if name == "GET /health":
        assert operation["security"] == []
        return
    assert "security" not in operation
    role = needed(operation["operationId"]).value
    assert operation["description"].count("Needs the role") == 1
    assert f"Needs the role `{role}`." in operation["description"]
    assert {"401", "403"} <= set(operation["responses"])


def test_a_caller_says_who_it_is_by_a_key_or_a_token() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert DOCUMENT["security"] == [{name: []} for name in schemes]
    assert [one["type"] for one in schemes.values()] == ["apiKey", "http"]


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    known = DOCUMENT["components"]["schemas"]
    referred = {piece.split('"', 1)[0] for piece in text.split('"#/components/schemas/')[1:]}
    assert "Problem" in referred
    assert referred <= set(known)


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (schemas.collections.CollectionBody, examples.COLLECTION_BODY),
        (schemas.collections.CollectionView, examples.COLLECTION),
        (schemas.collections.CollectionView, examples.COLLECTION_DELETED),
        (schemas.collections.CollectionList, examples.COLLECTIONS),
        (schemas.documents.RegisterBody, examples.REGISTER),
        (schemas.documents.RegisteredView, examples.REGISTERED),
        (schemas.documents.RegisteredView, examples.DUPLICATE),
        (schemas.uploads.PartsTarget, examples.MULTIPART),
        (schemas.uploads.PartsBody, examples.PARTS),
        (schemas.uploads.PartTargets, examples.PART_TARGETS),
        (schemas.uploads.ArrivedParts, examples.ARRIVED),
        (schemas.uploads.CompleteBody, examples.COMPLETE),
        (schemas.documents.Accepted, examples.ACCEPTED),
        (schemas.analyses.AnalysisBody, examples.ANALYSIS_BODY),
        (schemas.analyses.AnalysisAccepted, examples.ANALYSIS_ACCEPTED),
        (schemas.analyses.AnalysisView, examples.ANALYSIS),
        (schemas.analyses.AnalysisList, examples.ANALYSES),
        (schemas.analyses.AnalysisDetail, examples.ANALYSIS_DETAIL),
        (schemas.documents.DocumentView, examples.DOCUMENT),
        (schemas.documents.DocumentList, examples.DOCUMENTS),
        (schemas.documents.ChunkList, examples.CHUNKS),
        (schemas.documents.FailureList, examples.FAILURES),
        (schemas.retries.RetryBody, examples.RETRY),
        (schemas.retries.RetriedView, examples.RETRIED),
        (schemas.retries.RedriveBody, examples.REDRIVE),
        (schemas.retries.RedriveAnswer, examples.REDRIVEN),
        (schemas.queries.QueryBody, examples.QUERY),
        (schemas.queries.QueryAnswer, examples.ANSWER),
        (schemas.keys.KeyBody, examples.KEY_BODY),
        (schemas.keys.KeyCreated, examples.KEY_CREATED),
        (schemas.keys.KeyList, examples.KEYS),
        (schemas.system.Health, examples.HEALTH),
        (schemas.system.Info, examples.INFO),
    ],
)
def test_the_examples_are_what_the_models_say(
    model: type[BaseModel], example: dict[str, Any]
) -> None:
    known = model.model_validate(example, extra="forbid")
    assert known.model_dump(mode="json", exclude_unset=True, by_alias=True) == example


def test_the_example_of_an_answer_is_marked_as_an_answer_would_be() -> None:
    (hit,) = examples.ANSWER["hits"]
    passage = Chunk(0, hit["text"], 13, 1_024, 1_066, tuple(hit["headings"]))
    (seen,) = highlight(examples.QUERY["question"], [passage])
    shown = views._snippet(seen.snippet)
    assert shown.model_dump() == hit["snippet"]
    assert seen.terms == hit["matched_terms"]


def test_the_examples_of_requests_are_accepted_by_the_routes(api: TestClient, world: World) -> None:
    assert api.post("/api/v2/documents", json=examples.REGISTER).status_code == 201
    form = {name: value for name, value in examples.UPLOAD.items() if name != "file"}
    answer = api.post("/api/v2/documents/upload", data=form, files={"file": ("a.md", b"a")})
    assert answer.status_code == 202
    assert api.post("/api/v2/query", json=examples.QUERY).status_code == 200
    assert api.post("/api/v2/redrive", json=examples.REDRIVE).status_code == 200
    world.partial("one", "two", document_id="half", code="throttled")
    answer = api.post("/api/v2/documents/half/retry", json=examples.RETRY)
    assert answer.status_code == 202


def test_the_document_is_served_beside_the_api(api: TestClient) -> None:
    answer = api.get("/api/v2/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.")
