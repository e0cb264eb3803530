"""Collections: their names, settings and counts; and deleting them whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from ragline.api import examples, schemas
from ragline.api.dependencies import Dependencies, Deps, Tenant, partition
from ragline.api.openapi import answers, request
from ragline.domain.chunking import Choice, Chunking, Strategy, Tables
from ragline.domain.collections import Census, CollectionSettings, Walk
from ragline.domain.errors import Conflict, InvalidRequest, NotFound
from ragline.usecases import collections

router = APIRouter(prefix="/api/v2/collections", tags=["collections"])

Name = Annotated[str, Path(examples=["reports"])]


@router.get(
    "",
    summary="List the collections",
    responses=answers({200: ("Their names.", examples.COLLECTIONS)}),
)
def list_collections(deps: Deps, tenant: Tenant) -> schemas.collections.CollectionList:
    """Those that something was uploaded to, or that have settings."""
    names = collections.names(tenant, ledger=deps.ledger(), objects=deps.objects())
    return schemas.collections.CollectionList(collections=list(names))


@router.get(
    "/{name}",
    summary="A collection's settings and counts",
    responses=answers({200: ("As it is now.", examples.COLLECTION)}, InvalidRequest, NotFound),
)
def get_collection(name: Name, deps: Deps, tenant: Tenant) -> schemas.collections.CollectionView:
    return _view(collections.show(partition(tenant, name), ledger=deps.ledger()), deps)


@router.put(
    "/{name}",
    status_code=202,
    summary="Choose how a collection is cut",
    responses=answers(
        {202: ("`walk` and `counts.behind` tell how far it is.", examples.COLLECTION)},
        InvalidRequest,
        Conflict,
    ),
    openapi_extra=request(examples.COLLECTION_BODY),
)
def put_collection(
    name: Name, body: schemas.collections.CollectionBody, deps: Deps, tenant: Tenant
) -> schemas.collections.CollectionView:
    """Documents that were cut otherwise are ingested again, from what was uploaded. Until a
    document's new passages are all there, its old ones answer; `counts.behind` says of how many.
    The same request again changes nothing, and helps a walk that stands still."""
    settings = collections.configure(
        partition(tenant, name),
        _choice(body.chunking) if body.chunking else None,
        _default(deps),
        ledger=deps.ledger(),
        queues=deps.queues(),
        again=body.again,
    )
    return _view(settings, deps)


@router.delete(
    "/{name}",
    status_code=202,
    summary="Delete a collection with all its documents",
    responses=answers(
        {202: ("Under way; it is gone when this route answers 404.", examples.COLLECTION_DELETED)},
        InvalidRequest,
        NotFound,
    ),
)
def delete_collection(name: Name, deps: Deps, tenant: Tenant) -> schemas.collections.CollectionView:
    """Every document that is there now, and the settings. Page by page: answers lose them one
    after the other. What is uploaded meanwhile stays."""
    where = partition(tenant, name)
    return _view(collections.delete(where, ledger=deps.ledger(), queues=deps.queues()), deps)


def _choice(body: schemas.collections.ChunkingBody) -> Choice:
    return Choice(
        Strategy(body.strategy),
        body.max_tokens,
        body.overlap_tokens,
        Tables(body.tables) if body.tables else None,
        body.section_tokens,
    )


def _default(deps: Dependencies) -> Chunking:
    settings = deps.settings()
    return Chunking(max_tokens=settings.chunk_tokens, overlap_tokens=settings.chunk_overlap_tokens)


def _view(settings: CollectionSettings, deps: Dependencies) -> schemas.collections.CollectionView:
    chunking = settings.chunking or _default(deps)
    counts = collections.census(settings.partition, chunking, ledger=deps.ledger())
    return schemas.collections.CollectionView(
        name=settings.partition.collection,
        chunking=schemas.collections.ChunkingView(
            strategy=chunking.strategy.value,
            max_tokens=chunking.max_tokens,
            overlap_tokens=chunking.overlap_tokens,
            tables=chunking.tables.value,
            section_tokens=chunking.section_tokens or None,
        ),
        default=settings.chunking is None,
        counts=_counts(counts),
        walk=_walk(settings.walk) if settings.walk else None,
        updated_at=settings.updated_at or None,
    )


def _counts(found: Census) -> schemas.collections.CountsView:
    return schemas.collections.CountsView(
        documents=found.documents,
        by_status={status.value: count for status, count in found.by_status.items()},
        chunks=found.chunks,
        behind=found.behind,
        complete=found.complete,
    )


def _walk(walk: Walk) -> schemas.collections.WalkView:
    return schemas.collections.WalkView(
        kind=walk.kind.value,
        started_at=walk.started_at,
        ended_at=walk.ended_at or None,
        seen=walk.seen,
        changed=walk.changed,
        left=walk.left,
    )
