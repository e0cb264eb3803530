"""Whether Ragline runs, and what of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query

import ragline
from ragline.api import examples, schemas
from ragline.api.boundary import MAX_FILE_BYTES
from ragline.api.dependencies import Dependencies, Deps, Tenant, partition
from ragline.api.openapi import answers
from ragline.domain.documents import Partition
from ragline.domain.errors import InvalidRequest, SetupError, TransientError
from ragline.usecases.search import MAX_LIMIT, MAX_QUERY_CHARACTERS

router = APIRouter(tags=["system"])

NO_DOCUMENT = "ragline-info-probe"


@router.get("/health", summary="Liveness", responses=answers({200: ("It runs.", examples.HEALTH)}))
async def health() -> schemas.system.Health:
    """Touches nothing: it says that the function starts and answers."""
    return schemas.system.Health()


@router.get(
    "/api/v2/info",
    summary="Version, components and limits",
    responses=answers({200: ("What runs here.", examples.INFO)}, InvalidRequest),
)
def info(
    deps: Deps,
    tenant: Tenant,
    collection: Annotated[
        str | None, Query(description="Count this collection's rows.", examples=["reports"])
    ] = None,
) -> schemas.system.Info:
    """The model is described from its card, without being loaded."""
    asked = partition(tenant, collection) if collection is not None else None
    settings = deps.settings()
    return schemas.system.Info(
        version=ragline.__version__,
        components=schemas.system.Components(
            ledger=_ledger(tenant, deps), index=_index(asked, deps), model=_model(deps)
        ),
        limits=schemas.system.LimitsInfo(
            max_file_bytes=settings.max_file_bytes,
            max_direct_upload_bytes=min(MAX_FILE_BYTES, settings.max_file_bytes),
            max_pages=settings.max_pages,
            max_chunks=settings.max_chunks,
            max_query_characters=MAX_QUERY_CHARACTERS,
            max_top_k=MAX_LIMIT,
        ),
    )


def _ledger(tenant: str, deps: Dependencies) -> schemas.system.LedgerInfo:
    return schemas.system.LedgerInfo(state=_state(lambda: deps.ledger().get(tenant, NO_DOCUMENT)))


def _index(asked: Partition | None, deps: Dependencies) -> schemas.system.IndexInfo:
    if asked is None:
        return schemas.system.IndexInfo(state="unchecked")
    found = schemas.system.IndexInfo(state="ok")

    def count() -> None:
        indexes = deps.indexes()
        found.rows = deps.index().count(asked)
        names = indexes.fingerprints(asked)
        found.models = {name: indexes.of(name).count(asked) for name in names}

    found.state = _state(count)
    return found


def _model(deps: Dependencies) -> schemas.system.ModelInfo:
    try:
        card = deps.model()
    except SetupError:
        return schemas.system.ModelInfo(state="misconfigured")
    return schemas.system.ModelInfo(
        state="ok",
        fingerprint=card.fingerprint,
        precision=card.precision,
        dimensions=card.dimensions,
    )


def _state(probe: Callable[[], object]) -> schemas.system.State:
    """One broken component must not hide the state of the others."""
    try:
        probe()
    except TransientError:
        return "unavailable"
    except SetupError:
        return "misconfigured"
    return "ok"
