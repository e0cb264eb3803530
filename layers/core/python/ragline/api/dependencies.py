"""What routes are given: the ports, each built when first asked for, and who is asking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from ragline.domain.documents import Partition, check_name
from ragline.domain.errors import InvalidRequest, SetupError
from ragline.ports import Embedder, Indexes, Ledger, Objects, Queues, Reranker, VectorIndex
from ragline.settings import Settings
from ragline.usecases.search import SearchResult

DEFAULT_TENANT = "default"
DEFAULT_COLLECTION = "default"


class Model(Protocol):
    """What is known of the embedding model without loading it."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def precision(self) -> str: ...

    @property
    def dimensions(self) -> int: ...


class Dependencies(Protocol):
    """``ragline.wiring``, or fakes. Nothing is called before a route needs it."""

    def settings(self) -> Settings: ...

    def ledger(self) -> Ledger: ...

    def objects(self) -> Objects: ...

    def queues(self) -> Queues: ...

    def index(self) -> VectorIndex:
        """That of the deployed model."""

    def indexes(self) -> Indexes: ...

    def embedder(self) -> Embedder: ...

    def reranker(self) -> Reranker | None: ...

    def model(self) -> Model: ...


async def _dependencies(request: Request) -> Dependencies:
    return cast("Dependencies", request.app.state.dependencies)


async def _on_search(request: Request) -> Callable[[SearchResult], None]:
    return cast("Callable[[SearchResult], None]", request.app.state.on_search)


async def _tenant(request: Request) -> str:
    """The tenant that API Gateway's authoriser named; ``default`` where it names none.

    Only the authoriser's word counts: no body, query or header can choose a tenant.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """
    context = request.scope.get("aws.event", {}).get("requestContext", {})
    name = (context.get("authorizer") or {}).get("tenant")
    if name is None:
        return DEFAULT_TENANT
    try:
        return check_name(str(name), "tenant")
    except InvalidRequest as error:
        raise SetupError(f"the authoriser's context is wrong: {error}") from error


async def known_parameters(request: Request) -> None:
    """Refuse unknown query parameters: a misspelt filter must not list everything."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = {parameter.alias for parameter in route.dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise InvalidRequest(f"{name[:80]}: there is no such query parameter.")


Deps = Annotated[Dependencies, Depends(_dependencies)]
Tenant = Annotated[str, Depends(_tenant)]
OnSearch = Annotated[Callable[[SearchResult], None], Depends(_on_search)]


def partition(tenant: str, collection: str) -> Partition:
    return Partition(tenant, check_name(collection, "collection"))
