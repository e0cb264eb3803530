"""Behind API Gateway: recorded events in, what Lambda must return out."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from mangum import Mangum
from mangum.types import LambdaContext

from ragline.api.app import create_app
from ragline.domain.documents import Partition
from tests.unit.api.world import EVENTS, World

CONTEXT = cast("LambdaContext", None)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def gateway(world: World, loop: asyncio.AbstractEventLoop) -> Mangum:
    return Mangum(create_app(world), lifespan="off")


def recorded() -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "api.json").read_text())
    return event


def event_for(
    method: str, resource: str, parameters: dict[str, str] | None = None, body: Any = None
) -> dict[str, Any]:
    """The recorded event, for another route of the same API."""
    path = resource.format(**(parameters or {}))
    event = recorded()
    event.update(resource=resource, path=path, httpMethod=method, pathParameters=parameters)
    event["requestContext"].update(resourcePath=resource, httpMethod=method, path=f"/live{path}")
    event["body"] = None if body is None else base64.b64encode(json.dumps(body).encode()).decode()
    return event


def answered(response: dict[str, Any]) -> Any:
    body = response["body"]
    return json.loads(base64.b64decode(body) if response["isBase64Encoded"] else body)


def test_the_recorded_query_is_answered_through_mangum(gateway: Mangum, world: World) -> None:
    world.indexed("The barometer is read every morning.", "Close the door.")

    response = gateway(recorded(), CONTEXT)

    assert response["statusCode"] == 200
    assert response["isBase64Encoded"] is False
    assert answered(response)["hits"][0]["document_id"] == "guide"


def test_the_trace_id_is_x_ray_s(gateway: Mangum) -> None:
    event = event_for("GET", "/api/v2/documents/{document_id}", {"document_id": "unknown"})
    response = gateway(event, CONTEXT)
    root = "1-690c8c80-5e1b4a4f0c3d2b1a09f8e7d6"
    assert response["statusCode"] == 404
    assert answered(response)["trace_id"] == root
    assert response["headers"]["x-trace-id"] == root


def test_the_tenant_is_the_authoriser_s_and_sees_only_its_own(
    gateway: Mangum, world: World
) -> None:
    world.indexed("one", document_id="guide", tenant="acme")
    event = event_for("GET", "/api/v2/documents/{document_id}", {"document_id": "guide"})
    assert gateway(event, CONTEXT)["statusCode"] == 404

    for tenant, status in (("acme", 200), ("other", 404)):
        event["requestContext"]["authorizer"] = {"tenant": tenant, "role": "reader"}
        assert gateway(event, CONTEXT)["statusCode"] == status


def test_no_body_query_or_header_chooses_a_tenant(gateway: Mangum, world: World) -> None:
    for where in ({"tenant": "acme"}, {}):
        event = event_for(
            "POST", "/api/v2/documents", body={"filename": "a.md", "size": 1, **where}
        )
        event["headers"]["x-tenant"] = "acme"
        event["multiValueHeaders"]["x-tenant"] = ["acme"]
        response = gateway(event, CONTEXT)
        assert response["statusCode"] == (400 if where else 201)
    assert world.the_ledger.list(Partition("acme", "default")).documents == []
    assert len(world.the_ledger.list(Partition("default", "default")).documents) == 1


@pytest.mark.parametrize("name", ["", "a/b", "../default", "UPPER"])
def test_a_malformed_tenant_is_our_trouble_and_never_the_default_one(
    gateway: Mangum, world: World, name: str
) -> None:
    world.indexed("one")
    event = event_for("GET", "/api/v2/documents/{document_id}", {"document_id": "guide"})
    event["requestContext"]["authorizer"] = {"tenant": name, "role": "admin"}
    response = gateway(event, CONTEXT)
    assert response["statusCode"] == 500
    assert answered(response)["code"] == "setup_error"


@pytest.mark.parametrize("role", [None, "", "owner", "ADMIN"])
def test_a_role_that_is_none_of_ours_is_our_trouble_and_never_a_reader_s(
    gateway: Mangum, world: World, role: str | None
) -> None:
    world.indexed("one")
    event = event_for("GET", "/api/v2/documents/{document_id}", {"document_id": "guide"})
    event["requestContext"]["authorizer"] = {"tenant": "default", "role": role}
    response = gateway(event, CONTEXT)
    assert response["statusCode"] == 500
    assert answered(response)["code"] == "setup_error"


@pytest.mark.parametrize("told", [None, {}])
def test_a_gateway_that_asked_no_authoriser_lets_nobody_in(
    gateway: Mangum, world: World, told: Any
) -> None:
    world.indexed("one")
    event = event_for("GET", "/api/v2/documents/{document_id}", {"document_id": "guide"})
    event["requestContext"]["authorizer"] = told
    response = gateway(event, CONTEXT)
    assert response["statusCode"] == 401
    assert answered(response)["code"] == "unauthorised"
    health = event_for("GET", "/health")
    health["requestContext"]["authorizer"] = told
    assert gateway(health, CONTEXT)["statusCode"] == 200


@pytest.mark.parametrize("stage", ["/live", "/api", ""])
def test_under_a_stage_the_openapi_document_names_its_server(gateway: Mangum, stage: str) -> None:
    event = event_for("GET", "/api/v2/openapi.json")
    event["requestContext"]["path"] = f"{stage}/api/v2/openapi.json"
    response = gateway(event, CONTEXT)
    assert response["statusCode"] == 200
    servers = [server["url"] for server in answered(response).get("servers", [])]
    assert servers == ([stage] if stage else [])


def test_under_a_custom_domain_with_a_base_path_routes_are_found(gateway: Mangum) -> None:
    event = event_for("GET", "/health")
    event["path"] = event["requestContext"]["path"] = "/rag/health"
    assert gateway(event, CONTEXT)["statusCode"] == 200


def test_a_greedy_proxy_resource_works_as_well(gateway: Mangum, world: World) -> None:
    world.indexed("one")
    event = event_for("GET", "/api/v2/documents/guide")
    event.update(resource="/{proxy+}", pathParameters={"proxy": "api/v2/documents/guide"})
    assert gateway(event, CONTEXT)["statusCode"] == 200


def test_a_file_reaches_the_bucket_unharmed_through_base64(gateway: Mangum, world: World) -> None:
    data = bytes(range(256)) * 10
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
        + data
        + b"\r\n--x--\r\n"
    )
    event = event_for("POST", "/api/v2/documents/upload")
    event["body"] = base64.b64encode(form).decode()
    event["headers"]["Content-Type"] = "multipart/form-data; boundary=x"
    event["multiValueHeaders"]["Content-Type"] = ["multipart/form-data; boundary=x"]
    response = gateway(event, CONTEXT)
    assert response["statusCode"] == 202
    [key] = world.the_objects.list("uploads/")
    assert world.the_objects.get(key) == data


def test_a_failure_of_ours_is_a_problem_through_mangum_too(gateway: Mangum, world: World) -> None:
    world.broken["index"] = RuntimeError("a secret")
    response = gateway(recorded(), CONTEXT)
    assert response["statusCode"] == 500
    assert answered(response)["code"] == "internal_error"
    assert "secret" not in str(answered(response))
