"""docs/api.md is what the API says of itself."""

from __future__ import annotations

from ragline.api.app import create_app
from tests.api_reference import PAGE, page
from tests.unit.api.world import World


def test_the_reference_is_current() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.api_reference"


def test_every_route_is_in_the_reference_with_its_role() -> None:
    text = PAGE.read_text()
    for path, methods in create_app(World()).openapi()["paths"].items():
        for method in methods:
            assert f"## `{method.upper()} {path}`" in text
            assert f"| `{method.upper()} {path}` | " in text
