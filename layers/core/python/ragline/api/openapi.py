"""How routes declare what they answer: an example each, and their errors as problem+json."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from ragline.api import problems
from ragline.api.access import OPEN, needed
from ragline.domain import errors

Responses = dict[int | str, dict[str, Any]]

_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def answers(
    examples: dict[int, tuple[str, dict[str, Any]]], *refusals: type[errors.RaglineError]
) -> Responses:
    """``examples``: status → description and example; ``refusals``: what this route may raise."""
    found: Responses = {
        status: {"description": text, "content": {"application/json": {"example": example}}}
        for status, (text, example) in examples.items()
    }
    return {**found, **_problems(*refusals)}


def request(example: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    """An example of the request's body, for ``openapi_extra``."""
    return {"requestBody": {"content": {media_type: {"example": example}}}}


def _problems(*refusals: type[errors.RaglineError]) -> Responses:
    by_status: dict[int, list[type[errors.RaglineError]]] = {}
    for kind in (*refusals, errors.ServiceUnavailable):
        by_status.setdefault(problems.status_of(kind), []).append(kind)
    found: Responses = {}
    for status, kinds in sorted(by_status.items()):
        codes = ", ".join(f"`{kind.code}`" for kind in kinds)
        found[status] = _problem(f"Refused: {codes}.", status, kinds[0].code)
    # Declared, also, so that FastAPI does not add the 422 of its own that we never send.
    found["default"] = _problem("Any other problem.", 500, errors.RaglineError.code)
    return found


def _problem(description: str, status: int, code: str) -> dict[str, Any]:
    example = {
        "type": f"urn:ragline:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": "One sentence that says what is wrong, and what is allowed.",
        "trace_id": "1-679cc2a1-0123456789abcdef01234567",
    }
    content = {problems.MEDIA_TYPE: {"schema": _PROBLEM, "example": example}}
    return {"description": description, "content": content}


SECURITY = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}


def _say_who_may(operation: dict[str, Any]) -> None:
    """Which role it needs, and the two refusals of whoever has it not."""
    name = operation["operationId"]
    if name in OPEN:
        operation["security"] = []
        return
    role = f"Needs the role `{needed(name).value}`."
    operation["description"] = " ".join(filter(None, [operation.get("description"), role]))
    for kind in (errors.Unauthorised, errors.Forbidden):
        status = problems.status_of(kind)
        operation["responses"][str(status)] = _problem(
            f"Refused: `{kind.code}`.", status, kind.code
        )


class DocumentedApp(FastAPI):
    """FastAPI knows response models as application/json only: Problem is added by hand.

    So is who may call, which the gateway's authoriser and one table decide.
    """

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema:
            return self.openapi_schema
        document = super().openapi()
        document["security"] = [{name: []} for name in SECURITY]
        document.setdefault("components", {})["securitySchemes"] = SECURITY
        for methods in document["paths"].values():
            for operation in methods.values():
                _say_who_may(operation)
        problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(problem.pop("$defs", {}), Problem=problem)
        return document
