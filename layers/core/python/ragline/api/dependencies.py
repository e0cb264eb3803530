"""What routes are given: the ports, each built when first asked for, and who is asking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from ragline.api.access import OPEN, needed
from ragline.api.problems import TRACE_KEY
from ragline.domain.access import Principal, Role
from ragline.domain.documents import Partition, check_name
from ragline.domain.errors import Forbidden, InvalidRequest, SetupError, Unauthorised
from ragline.ports import (
    Analyses,
    AnalysisOrders,
    Deliveries,
    Embedder,
    Indexes,
    Keys,
    Ledger,
    Objects,
    Passwords,
    Queues,
    Receivers,
    Reranker,
    Tickets,
    UsageBook,
    VectorIndex,
    Webhooks,
    WebhookSecrets,
)
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

    def usage_book(self) -> UsageBook: ...

    def keys(self) -> Keys: ...

    def webhooks(self) -> Webhooks: ...

    def webhook_secrets(self) -> WebhookSecrets: ...

    def receivers(self) -> Receivers: ...

    def deliveries(self) -> Deliveries: ...

    def tickets(self) -> Tickets: ...

    def passwords(self) -> Passwords: ...

    def analyses(self) -> Analyses: ...

    def analysis_orders(self) -> AnalysisOrders: ...


async def _dependencies(request: Request) -> Dependencies:
    return cast("Dependencies", request.app.state.dependencies)


async def _on_search(request: Request) -> Callable[[SearchResult], None]:
    return cast("Callable[[SearchResult], None]", request.app.state.on_search)


async def _principal(request: Request) -> Principal:
    """Who calls, as API Gateway's authoriser said.

    Only the authoriser's word counts: no body, query or header can choose a tenant or a role. Where
    no gateway stands before this app, it is one's own process, and its caller is everyone's admin.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html

    Raises:
        Unauthorised: the gateway asked no authoriser.
        SetupError: its authoriser is not ours.
    """
    event = request.scope.get("aws.event")
    if event is None:
        return Principal(DEFAULT_TENANT, Role.ADMIN, "local")
    told = event.get("requestContext", {}).get("authorizer") or {}
    if not told:
        raise Unauthorised("Say who calls: by x-api-key, or Authorization: Bearer.")
    try:
        tenant = check_name(str(told.get("tenant", "")), "tenant")
        return Principal(tenant, Role(told.get("role", "")), str(told.get("principal", "")))
    except (InvalidRequest, ValueError) as error:
        raise SetupError(f"the authoriser's context is wrong: {error}") from error


async def _tenant(caller: Annotated[Principal, Depends(_principal)]) -> str:
    return caller.tenant


async def allowed(request: Request) -> None:
    """Refuse who may not use this route, before anything is done.

    Raises:
        Unauthorised, SetupError: as ``_principal`` says.
        Forbidden: the caller's role is too low; says which is needed.
    """
    route = request.scope.get("route")
    name = route.name if isinstance(route, APIRoute) else ""
    if name in OPEN:
        return
    caller = await _principal(request)
    if not caller.role.allows(needed(name)):
        raise Forbidden(f"This needs the role {needed(name).value}; yours is {caller.role.value}.")


async def _trace_id(request: Request) -> str:
    return str(request.scope.get(TRACE_KEY, ""))


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
Caller = Annotated[Principal, Depends(_principal)]
Tenant = Annotated[str, Depends(_tenant)]
TraceId = Annotated[str, Depends(_trace_id)]
OnSearch = Annotated[Callable[[SearchResult], None], Depends(_on_search)]


def partition(tenant: str, collection: str) -> Partition:
    return Partition(tenant, check_name(collection, "collection"))
