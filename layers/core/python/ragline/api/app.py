"""The HTTP API as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

import ragline
from ragline.api import (
    problems,
    routes_analyses,
    routes_collections,
    routes_documents,
    routes_keys,
    routes_query,
    routes_redrive,
    routes_system,
    routes_uploads,
    routes_usage,
    routes_webhooks,
)
from ragline.api.boundary import Boundary, Cors
from ragline.api.dependencies import Dependencies, allowed, known_parameters
from ragline.api.openapi import DocumentedApp
from ragline.domain.errors import RaglineError
from ragline.usecases.search import SearchResult

OPENAPI_URL = "/api/v2/openapi.json"


def create_app(
    dependencies: Dependencies, *, on_search: Callable[[SearchResult], None] = lambda result: None
) -> FastAPI:
    """Nothing of ``dependencies`` is called until a request needs it.

    ``on_search`` is told what every query met, before it is answered: for metrics.
    """
    app = DocumentedApp(
        title="Ragline",
        version=ragline.__version__,
        description="From a dropped file to a cited passage. Errors are problem+json (RFC 9457); "
        "their `code` is stable. Times are ISO 8601, UTC.",
        openapi_url=OPENAPI_URL,
        # The documentation pages load their scripts from elsewhere: no use offline.
        docs_url=None,
        redoc_url=None,
        # A redirect would lose the stage's prefix; a path with one slash too many is a 404.
        redirect_slashes=False,
        dependencies=[Depends(allowed), Depends(known_parameters)],
        generate_unique_id_function=_operation_id,
    )
    app.state.dependencies = dependencies
    app.state.on_search = on_search
    for routes in (
        routes_system,
        routes_documents,
        routes_uploads,
        routes_redrive,
        routes_analyses,
        routes_collections,
        routes_query,
        routes_keys,
        routes_usage,
        routes_webhooks,
    ):
        app.include_router(routes.router)
    app.add_exception_handler(RaglineError, problems.on_ragline_error)
    app.add_exception_handler(HTTPException, problems.on_http_exception)
    app.add_exception_handler(RequestValidationError, problems.on_invalid_request)
    app.add_middleware(Cors, settings=dependencies.settings)
    app.add_middleware(Boundary)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
