"""Writes docs/api.md from the API's own description: ``python -m tests.api_reference``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ragline.api.access import OPEN, needed
from ragline.api.app import create_app
from tests.unit.api.world import World

PAGE = Path(__file__).parents[1] / "docs/api.md"
METHODS = ("get", "post", "put", "delete")

INTRODUCTION = """\
# API

Made from the OpenAPI document, which the API serves at `/api/v2/openapi.json`, by
`python -m tests.api_reference`; a test compares. Send `x-api-key: KEY`, or `Authorization: Bearer
TOKEN` ([access.md](access.md)). Errors are `application/problem+json`; match on their `code`, which
is stable. Times are ISO 8601, UTC. Ids are opaque. Lists go on with `cursor`.
"""


def page() -> str:
    """The whole page."""
    document = create_app(World()).openapi()
    schemas = document["components"]["schemas"]
    routes = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]
    parts = [INTRODUCTION, "\n".join(_contents(routes))]
    parts += ["\n".join(_route(*route, schemas)) for route in routes]
    parts += ["## Problems", "\n".join(_fields("Problem", schemas))]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _contents(routes: Sequence[tuple[str, str, Any]]) -> Iterator[str]:
    yield "| route | does | role |"
    yield "|---|---|---|"
    for path, method, operation in routes:
        name = operation["operationId"]
        role = "anyone" if name in OPEN else needed(name).value
        yield f"| `{method.upper()} {path}` | {_cell(operation['summary'])} | {role} |"


def _route(path: str, method: str, operation: Any, schemas: Mapping[str, Any]) -> Iterator[str]:
    yield f"## `{method.upper()} {path}`\n"
    yield f"{operation['summary']}. {' '.join(operation.get('description', '').split())}".strip()
    if parameters := operation.get("parameters"):
        yield "\n| parameter | in | type | |"
        yield "|---|---|---|---|"
        for one in parameters:
            name = one["name"] + ("" if one.get("required") else "?")
            told = _cell(one.get("description", ""))
            yield f"| `{name}` | {one['in']} | {_type(one['schema'])} | {told} |"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"\nBody, `{media}`:\n"
        yield from _fields(_name(content["schema"]), schemas)
        yield from _example(content)
    yield "\n| status | |"
    yield "|---|---|"
    for status, answer in operation["responses"].items():
        yield f"| {status} | {_cell(answer['description'])} |"
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/json", {})
        if str(status).startswith("2") and "example" in content:
            yield f"\nAn answer {status}:"
            yield from _example(content)


def _fields(name: str, schemas: Mapping[str, Any]) -> Iterator[str]:
    """A table of a model's fields."""
    schema = schemas.get(name, {})
    if not schema.get("properties"):
        return
    yield "| field | type | |"
    yield "|---|---|---|"
    for field, each in schema["properties"].items():
        mark = "" if field in schema.get("required", ()) else "?"
        yield f"| `{field}{mark}` | {_type(each)} | {_cell(each.get('description', ''))} |"


def _example(content: Mapping[str, Any]) -> Iterator[str]:
    if "example" in content:
        yield "\n```json"
        yield json.dumps(content["example"], indent=2, ensure_ascii=False)
        yield "```"


def _type(schema: Mapping[str, Any]) -> str:
    """A word or two for a type."""
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema:
        return _name(schema)
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type", "any"))


def _name(schema: Mapping[str, Any]) -> str:
    found = [schema, *schema.get("anyOf", ())]
    return next((one["$ref"].rsplit("/", 1)[-1] for one in found if "$ref" in one), "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
