"""One search of a Pinecone namespace: a leg of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pinecone.errors import ApiError
from pinecone.index import Index

from ragline.adapters.pinecone.documents import RETURNED, condition, to_candidate
from ragline.domain.chunks import Candidate, Filter

MAX_TOP_K = 10_000
MAX_RESULT_ROWS = 50
"""An answer may hold 4 MB: these many rows of the largest kind fit."""


def search(
    index: Index, namespace: str, clause: Mapping[str, Any], limit: int, where: Filter
) -> list[Candidate]:
    """The best rows by one scoring clause, best first; raises what the client raises."""
    if limit < 1 or where.lets_nothing_through:
        return []
    ask = partial(
        index.documents.search,
        namespace=namespace,
        score_by=[clause],
        top_k=min(limit, MAX_TOP_K),
        filter=condition(where),
    )
    try:
        found = [one.to_dict() for one in ask(include_fields=RETURNED).matches]
    except ApiError as error:
        if error.status_code not in {400, 413} or limit <= MAX_RESULT_ROWS:
            raise
        # Perhaps the answer was too large; if it is not that, this fails as well.
        found = _completed(index, namespace, ask(include_fields=()).matches)
    # Of a score that is no finite number Pinecone gives none.
    return [to_candidate(one, float(one["_score"])) for one in found if one["_score"] is not None]


def _completed(index: Index, namespace: str, matches: Sequence[Any]) -> list[dict[str, Any]]:
    """The matches with their fields; those that are gone by now are left out."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(matches), MAX_RESULT_ROWS):
        some = matches[start : start + MAX_RESULT_ROWS]
        fetched = index.documents.fetch(
            namespace=namespace, ids=[one.id for one in some], include_fields=RETURNED
        ).documents
        found += [
            {**fetched[one.id].to_dict(), "_score": one.score} for one in some if one.id in fetched
        ]
    return found
