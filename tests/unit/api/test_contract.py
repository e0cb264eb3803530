"""The API does what its OpenAPI document says, whatever it is sent: no 5xx, nothing undeclared.

Requests are made from the document by schemathesis, right ones and wrong ones, always the same.
``RAGLINE_EXAMPLES`` sets how many for each operation; ``make service-check`` asks for more.
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from ragline.api.app import OPENAPI_URL, create_app
from tests.unit.api.world import World

EXAMPLES = int(os.environ.get("RAGLINE_EXAMPLES", "30"))

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]

LENIENT: dict[str, list[Any]] = {"/api/v2/documents/upload": [negative_data_rejection]}
"""Where all that is sent is text: 0 is no boolean in JSON, but is one in a form."""


def _populated() -> World:
    world = World()
    world.indexed("The ferry leaves at noon.", "The train leaves at nine.", document_id="guide")
    world.partial("one", "two", document_id="half", code="throttled")
    world.corrupt("scan")
    return world


SCHEMA = schemathesis.openapi.from_asgi(OPENAPI_URL, create_app(_populated()))


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_declares(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(checks=CHECKS, excluded_checks=LENIENT.get(case.path, []))
