"""Hybrid search: the dense and the BM25 leg side by side, fused by reciprocal rank fusion."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from ragline.domain.chunks import Candidate, Filter
from ragline.domain.documents import Partition
from ragline.domain.errors import InvalidRequest, UnknownField
from ragline.ports import Embedder, Ledger, VectorIndex

Mode = Literal["hybrid", "dense", "bm25"]

MAX_LIMIT = 100
MAX_QUERY_CHARACTERS = 2_000
RRF_K = 60
DEPTHS = (100, 400, 1_600)
"""How many candidates each leg is asked for; the next only where too few were live."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """``weights`` are those of the dense and the BM25 leg in the fusion."""

    partition: Partition
    query: str
    limit: int = 10
    mode: Mode = "hybrid"
    where: Filter = field(default_factory=Filter)
    weights: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class LegRank:
    """Where one leg put a hit: ``rank`` from 1; ``score`` is the leg's own (cosine or BM25)."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found. ``score`` is the fused score, comparable within one result only."""

    candidate: Candidate
    score: float
    ranks: Mapping[str, LegRank]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """``legs``: candidates that each leg returned; ``timings_ms``: milliseconds by stage."""

    hits: Sequence[Hit]
    legs: Mapping[str, int]
    timings_ms: Mapping[str, float]


def search(
    request: SearchRequest, *, embedder: Embedder, index: VectorIndex, ledger: Ledger
) -> SearchResult:
    """The best live passages of a collection.

    Raises:
        InvalidRequest: the query is empty or too long, or a number is out of bounds.
        UnknownField: a filter names a field that no document of the collection has.
    """
    _check(request)
    clock = _Clock()
    with clock.measure("total"):
        if request.where.metadata:
            _check_fields(request, ledger)
        asked = _legs(request, embedder, index, clock)
        with ThreadPoolExecutor(max_workers=len(asked)) as pool:
            for depth in DEPTHS:
                running = {name: pool.submit(leg, depth) for name, leg in asked.items()}
                legs = {name: leg.result() for name, leg in running.items()}
                with clock.measure("ledger"):
                    live = _live(request.partition.tenant, legs, ledger)
                hits = fuse(live, dict(zip(("dense", "bm25"), request.weights, strict=True)))
                exhausted = all(len(leg) < depth for leg in legs.values())
                if len(hits) >= request.limit or exhausted:
                    break
    counts = {name: len(leg) for name, leg in legs.items()}
    return SearchResult(hits[: request.limit], counts, clock.milliseconds)


def _legs(
    request: SearchRequest, embedder: Embedder, index: VectorIndex, clock: _Clock
) -> dict[str, Callable[[int], list[Candidate]]]:
    """The legs that the mode asks for; each takes how many candidates are wanted."""
    legs: dict[str, Callable[[int], list[Candidate]]] = {}
    if request.mode != "bm25":
        with clock.measure("embed"):
            vector = embedder.embed([request.query])[0]

        def dense(depth: int) -> list[Candidate]:
            with clock.measure("dense"):
                return index.dense(request.partition, vector, depth, request.where)

        legs["dense"] = dense
    if request.mode != "dense":

        def bm25(depth: int) -> list[Candidate]:
            with clock.measure("bm25"):
                return index.bm25(request.partition, request.query, depth, request.where)

        legs["bm25"] = bm25
    return legs


def fuse(
    legs: Mapping[str, Sequence[Candidate]], weights: Mapping[str, float], k: int = RRF_K
) -> list[Hit]:
    """Weighted reciprocal rank fusion: score(d) = Σ weight / (k + rank of d in a leg), best first.

    Cormack, Clarke and Büttcher, SIGIR 2009, https://doi.org/10.1145/1571941.1572114 (k = 60).
    Equal scores are ordered by chunk id, so that the order never depends on chance.
    """
    candidates: dict[str, Candidate] = {}
    ranks: dict[str, dict[str, LegRank]] = {}
    for name, leg in legs.items():
        for rank, candidate in enumerate(leg, start=1):
            candidates.setdefault(candidate.chunk_id, candidate)
            ranks.setdefault(candidate.chunk_id, {})[name] = LegRank(rank, candidate.score)
    hits = [
        Hit(
            candidates[key], sum(weights[leg] / (k + at.rank) for leg, at in places.items()), places
        )
        for key, places in ranks.items()
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.candidate.chunk_id))


def _live(
    tenant: str, legs: Mapping[str, Sequence[Candidate]], ledger: Ledger
) -> dict[str, list[Candidate]]:
    """Only what the ledger shows: the index may lag behind deletes and replacements."""
    wanted = {candidate.document_id for leg in legs.values() for candidate in leg}
    documents = ledger.get_many(tenant, wanted) if wanted else {}

    def shown(candidate: Candidate) -> bool:
        document = documents.get(candidate.document_id)
        return document is not None and document.shows(candidate.generation)

    return {
        name: [candidate for candidate in leg if shown(candidate)] for name, leg in legs.items()
    }


def _check(request: SearchRequest) -> None:
    if not request.query.strip():
        raise InvalidRequest("query is empty: ask a question or give some keywords.")
    if len(request.query) > MAX_QUERY_CHARACTERS:
        raise InvalidRequest(
            f"query has {len(request.query):,} characters; at most {MAX_QUERY_CHARACTERS:,}."
        )
    if not 1 <= request.limit <= MAX_LIMIT:
        raise InvalidRequest(f"top_k is {request.limit}; it must be 1 to {MAX_LIMIT}.")
    if min(request.weights) < 0 or not any(request.weights):
        raise InvalidRequest("weights must not be negative, and one of them must be above 0.")


def _check_fields(request: SearchRequest, ledger: Ledger) -> None:
    known = ledger.metadata_fields(request.partition)
    unknown = sorted(set(request.where.metadata) - known)
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise UnknownField(
            f"no document of collection {request.partition.collection!r} has the metadata field "
            f"{unknown[0]!r}; known fields: {names}."
        )


class _Clock:
    """Adds up how long each stage took."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            took = (time.perf_counter() - start) * 1_000
            self.milliseconds[stage] = round(self.milliseconds.get(stage, 0.0) + took, 2)
