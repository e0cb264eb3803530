"""Hybrid search: the dense and the BM25 leg side by side, fused, live only, reranked if asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from ragline.domain.chunks import Candidate, Filter
from ragline.domain.documents import Document, Origin, Partition
from ragline.domain.errors import InvalidRequest, RaglineError, UnknownField
from ragline.ports import Embedder, Ledger, Objects, Reranker, VectorIndex
from ragline.usecases.fusion import Fused, Hit, below, blend, fuse
from ragline.usecases.sections import Returned, read_sections

logger = logging.getLogger(__name__)

Mode = Literal["hybrid", "dense", "bm25"]

MAX_LIMIT = 100
MAX_QUERY_CHARACTERS = 2_000
DEPTHS = (100, 400, 1_600)
"""How many candidates each leg is asked for; the next only where too few were live."""

HARDLY = 0.1
"""A fluency below which the answer says so."""

A_LITTLE = 0.001

LOOK_AHEAD = 20
RERANKED = 40
"""How many hits a reranker reads: it takes some ten milliseconds each."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """``weights`` are those of the dense and the BM25 leg in the fusion."""

    partition: Partition
    query: str
    limit: int = 10
    mode: Mode = "hybrid"
    where: Filter = field(default_factory=Filter)
    weights: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """``legs``: candidates that each leg returned, of those that were asked; ``timings_ms``:
    milliseconds by stage.

    ``reranker`` is the name of the one that ordered the hits, '' if none did. ``notes`` are
    sentences for who asked: what the search could not do, and why. ``sections``: chunk_id → the
    section around it, of hits whose collection returns sections. ``origins``: document_id → where
    it lies, of documents that came in another one.
    """

    hits: Sequence[Hit]
    legs: Mapping[str, int]
    timings_ms: Mapping[str, float]
    reranker: str = ""
    notes: Sequence[str] = ()
    sections: Mapping[str, Returned] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)


def search(
    request: SearchRequest,
    *,
    embedder: Embedder,
    index: VectorIndex,
    ledger: Ledger,
    reranker: Reranker | None = None,
    objects: Callable[[], Objects] | None = None,
) -> SearchResult:
    """The best live passages of a collection; the first of them put in order by the reranker.

    Sections are read from ``objects``, which is made if there are any; without it there are none.

    A reranker that fails costs its order, not the answer.

    Raises:
        InvalidRequest: the query is empty or too long, or a number is out of bounds.
        UnknownField: a filter names a field that no document of the collection has.
    """
    _check(request)
    if request.where.lets_nothing_through:
        return SearchResult([], {}, {}, notes=["The filter names no document: none was searched."])
    clock = _Clock()
    with clock.measure("total"):
        if request.where.metadata:
            _check_fields(request, ledger)
        wanted = max(request.limit, RERANKED) if reranker else request.limit
        fluency = embedder.fluency(request.query) if request.mode == "hybrid" else 1.0
        asked = _legs(request, embedder, index, clock)
        known: dict[str, Document | None] = {}
        hits, legs = _found(request, wanted, fluency, asked, known, index, ledger, clock)
        notes = _notes(request, legs, fluency)
        by = ""
        if reranker and hits:
            try:
                with clock.measure("rerank"):
                    hits = _reranked(request.query, hits, reranker)
                by = reranker.name
            except RaglineError as error:
                logger.warning("not reranked: %s failed", reranker.name, exc_info=error)
                notes.append(f"Not reranked: {reranker.name} failed.")
        hits = hits[: request.limit]
        sections = _sections(hits, known, request.partition, objects, clock) if objects else {}
        origins = {one.document_id: one.origin for one in known.values() if one and one.origin}
    return SearchResult(hits, legs, clock.milliseconds, by, notes, sections, origins)


def _found(
    request: SearchRequest,
    wanted: int,
    fluency: float,
    asked: Mapping[str, Callable[[int], list[Candidate]]],
    known: dict[str, Document | None],
    index: VectorIndex,
    ledger: Ledger,
    clock: _Clock,
) -> tuple[list[Hit], dict[str, int]]:
    """The live hits, at most ``wanted``, in fused order; and how many candidates each leg gave.

    The dense leg counts as far as the model reads the query: what a vector says of a text in a
    language that the model never learnt is noise, which would bury what the keywords find. It
    still orders what no keyword finds.
    """
    dense, bm25 = request.weights
    weights = {"dense": dense * max(fluency, A_LITTLE), "bm25": bm25}
    with ThreadPoolExecutor(max_workers=len(asked)) as pool:
        for depth in DEPTHS:
            running = {name: pool.submit(leg, depth) for name, leg in asked.items()}
            legs = {name: leg.result() for name, leg in running.items()}
            fused = fuse(legs, weights)
            live = _live(fused, wanted, request.partition.tenant, known, ledger, clock)
            hits = _hits(live, wanted, request.partition, index, clock)
            if len(hits) == wanted or all(len(leg) < depth for leg in legs.values()):
                break
    return hits, {name: len(leg) for name, leg in legs.items()}


def _sections(
    hits: Sequence[Hit],
    known: Mapping[str, Document | None],
    partition: Partition,
    objects: Callable[[], Objects],
    clock: _Clock,
) -> dict[str, Returned]:
    documents = {name: document for name, document in known.items() if document}
    start = time.perf_counter()
    found = read_sections(hits, documents, partition, objects)
    if found:
        clock.add("sections", start)
    return found


def _reranked(query: str, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    first, others = hits[:RERANKED], hits[RERANKED:]
    scores = reranker.scores(query, [hit.passage.chunk.searched for hit in first])
    return [*blend(first, scores, reranker.weight(query)), *below(others)]


def _notes(request: SearchRequest, legs: Mapping[str, int], fluency: float) -> list[str]:
    """What a person should know of how the search went."""
    if fluency < HARDLY and legs.get("bm25") and request.weights[1]:
        return [
            "The embedding model hardly reads the language of this query: these were found by its "
            "keywords. For other languages deploy a multilingual model."
        ]
    if any(legs.values()) and legs.get("bm25") == 0:
        return ["No passage holds a keyword of the query: these were found by meaning alone."]
    if legs == {"bm25": 0}:
        return ["No passage holds a keyword of the query; words like 'the' and 'of' are none."]
    return []


def _legs(
    request: SearchRequest, embedder: Embedder, index: VectorIndex, clock: _Clock
) -> dict[str, Callable[[int], list[Candidate]]]:
    """The legs that the mode asks for; each takes how many candidates are wanted."""
    legs: dict[str, Callable[[int], list[Candidate]]] = {}
    if request.mode != "bm25":
        with clock.measure("embed"):
            vector = embedder.embed_query(request.query)

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


def _hits(
    live: Iterator[Fused], wanted: int, partition: Partition, index: VectorIndex, clock: _Clock
) -> list[Hit]:
    """The first ``wanted``, with their passages; others come in for rows that have just gone."""
    hits: list[Hit] = []
    while some := list(islice(live, wanted - len(hits))):
        with clock.measure("passages"):
            read = index.passages(partition, [one.candidate for one in some])
        hits += [
            Hit(read[name], one.score, one.ranks)
            for one in some
            if (name := one.candidate.chunk_id) in read
        ]
    return hits


def _live(
    fused: Sequence[Fused],
    wanted: int,
    tenant: str,
    known: dict[str, Document | None],
    ledger: Ledger,
    clock: _Clock,
) -> Iterator[Fused]:
    """Those that the ledger shows: the index may lag behind it.

    The ledger is asked about as many documents at once as a page takes, and twice as many each time
    that was too few; what it said is ``known`` from then on.
    """
    ahead, step = 0, max(LOOK_AHEAD, wanted)
    for at, one in enumerate(fused):
        if at == ahead:
            ahead, step = at + step, 2 * step
            asked = {each.candidate.document_id for each in fused[at:ahead]} - known.keys()
            with clock.measure("ledger"):
                found = ledger.get_many(tenant, asked) if asked else {}
            known |= {each: found.get(each) for each in asked}
        document = known[one.candidate.document_id]
        if document is not None and document.shows(one.candidate.generation):
            yield one


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
            self.add(stage, start)

    def add(self, stage: str, start: float) -> None:
        took = (time.perf_counter() - start) * 1_000
        self.milliseconds[stage] = round(self.milliseconds.get(stage, 0.0) + took, 2)
