"""A collection's queries put to a search, and what came back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ragline.domain.errors import InvalidRequest
from ragline.evaluation.building import PARTITION, Built
from ragline.evaluation.datasets import Dataset, Entry
from ragline.ports import Embedder, Reranker
from ragline.usecases.search import MAX_LIMIT, MAX_QUERY_CHARACTERS, Mode, SearchRequest, search

_MODES: Mapping[str, Mode] = {"dense": "dense", "bm25": "bm25", "hybrid": "hybrid"}
_RERANKED = "+rerank"

WARM_UP = "what opens on first use"
"""No query of a collection: what is remembered of this one helps none of them."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to search: which legs, and whether the best of what they find is reranked."""

    mode: Mode
    rerank: bool = False

    @classmethod
    def parse(cls, text: str) -> Variant:
        """``dense``, ``bm25`` or ``hybrid``, each perhaps with ``+rerank`` after it."""
        mode = text.strip().removesuffix(_RERANKED)
        if mode not in _MODES:
            raise InvalidRequest(
                f"mode {text!r} is not known: name some of {', '.join(_MODES)}, and each with "
                f"{_RERANKED} after it if its hits shall be reranked."
            )
        return cls(_MODES[mode], text.strip().endswith(_RERANKED))

    def __str__(self) -> str:
        return self.mode + _RERANKED * self.rerank


@dataclass(frozen=True, slots=True)
class Answer:
    """The entries' ids of the passages found, best first, and whether a reranker ordered them."""

    entries: Sequence[str]
    reranked: bool = False


Ask = Callable[[str, Variant], Answer]


@dataclass(frozen=True, slots=True)
class Making:
    """How a collection came to be searchable.

    ``where``: ``in process`` or a stack. ``ended``: documents by terminal status; ``seconds`` it
    took, by an earlier run if ``kept``. ``reranker`` is its name, '' if there is none.
    """

    where: str
    embedder: str
    chunks: int
    ended: Mapping[str, int]
    seconds: float
    kept: bool = False
    reranker: str = ""


@dataclass(frozen=True, slots=True)
class Searchable:
    """A collection that can be searched; ``notes`` are sentences for the report.

    ``open`` gives a way to ask that remembers nothing of what another one was asked.
    """

    open: Callable[[], Ask]
    making: Making
    notes: Sequence[str] = ()


@dataclass(slots=True)
class Run:
    """What one variant answered. ``found``: query id → documents' ids, each once, best first.

    ``milliseconds`` of each query; ``passages`` found by all queries together; how many queries
    were ``unreranked`` though they should have been.
    """

    variant: Variant
    found: dict[str, list[str]] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    passages: int = 0
    unreranked: int = 0


def run(dataset: Dataset, variant: Variant, ask: Ask, progress: Callable[[int], None]) -> Run:
    """Ask every query once, after one that is not measured and opens what is opened on first use.

    A document's score is that of its best passage: it stands where that one stands.
    """
    done = Run(variant)
    own = _own(dataset)
    ask(WARM_UP, variant)
    for name, query in dataset.queries.items():
        start = time.perf_counter()
        answer = ask(query[:MAX_QUERY_CHARACTERS], variant)
        done.milliseconds.append((time.perf_counter() - start) * 1_000)
        done.passages += len(answer.entries)
        done.unreranked += variant.rerank and not answer.reranked
        best = dict.fromkeys(answer.entries)
        if name in own:
            best.pop(name, None)
        done.found[name] = list(best)
        progress(1)
    return done


def searcher(built: Built, embedder: Embedder, reranker: Reranker | None) -> Ask:
    """The search use case on an index that was built here."""

    def ask(query: str, variant: Variant) -> Answer:
        request = SearchRequest(PARTITION, query, limit=MAX_LIMIT, mode=variant.mode)
        result = search(
            request,
            embedder=embedder,
            index=built.index,
            ledger=built.ledger,
            reranker=reranker if variant.rerank else None,
        )
        found = [built.entries[hit.passage.document_id] for hit in result.hits]
        return Answer(found, bool(result.reranker))

    return ask


def _own(dataset: Dataset) -> set[str]:
    """Queries that are documents themselves, as in ArguAna and Quora: to find those is no merit.

    BEIR leaves out whatever document has the query's id, but where both are merely numbered that
    is another one; here it must say the same too, and not be judged relevant.
    """
    return {
        entry.id
        for entry in dataset.entries
        if entry.id in dataset.queries
        and dataset.qrels[entry.id].get(entry.id, 0) == 0
        and _same(entry, dataset.queries[entry.id])
    }


def _same(entry: Entry, query: str) -> bool:
    asked = " ".join(query.split())
    return asked in (" ".join(entry.text.split()), " ".join(f"{entry.title} {entry.text}".split()))
