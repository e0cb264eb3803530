"""Evaluation through a deployed stack: documents are pushed to it, and its API is asked."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from ragline.cli.client import Client
from ragline.cli.outside import Outside
from ragline.cli.push import push_files
from ragline.cli.screen import Screen
from ragline.cli.target import Choice, address
from ragline.cli.uploads import AT_ONCE, Sent
from ragline.domain.documents import SEARCHABLE
from ragline.domain.errors import InvalidRequest, NotFound, ServiceUnavailable, SetupError
from ragline.evaluation.asking import WARM_UP, Answer, Ask, Making, Searchable, Variant
from ragline.evaluation.datasets import Dataset
from ragline.evaluation.pages import filename, is_page, page
from ragline.usecases.search import MAX_LIMIT

PANEL = "Through a stack"
DEFAULT_TIMEOUT = 3_600.0

Keep = Annotated[
    bool,
    typer.Option(
        "--keep",
        help="Leave the documents there: the next run only searches.",
        rich_help_panel=PANEL,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        min=0, help="Give up waiting for documents after so many seconds.", rich_help_panel=PANEL
    ),
]


def through(
    outside: Outside, screen: Screen, choice: Choice, timeout: float, keep: bool
) -> Callable[[Dataset], AbstractContextManager[Searchable]]:
    """Makes collections searchable there, in one named after the dataset, and then removes them.

    Raises:
        SetupError: there is no stack, or it does not answer.
    """
    where = address(choice, outside)

    @contextmanager
    def prepare(dataset: Dataset) -> Iterator[Searchable]:
        collection = collection_of(dataset.name)
        with Client(where, outside) as client, tempfile.TemporaryDirectory() as scratch:
            start = outside.clock()
            try:
                sent = push_files(
                    _written(dataset, Path(scratch)),
                    client=client,
                    outside=outside,
                    screen=screen,
                    collection=collection,
                    metadata={},
                    timeout=timeout,
                )
                seconds = outside.clock() - start
                yield _searchable(dataset, collection, sent, seconds, client, where.place)
            finally:
                if not keep:
                    screen.say(f"deleting the documents of {collection}")
                    _delete(collection, client)

    return prepare


def collection_of(name: str) -> str:
    """A collection's name that says which dataset it is of."""
    return f"eval-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}"[:63].rstrip("-")


def _written(dataset: Dataset, folder: Path) -> list[Path]:
    files = []
    for position, entry in enumerate(dataset.entries):
        path = folder / filename(position)
        path.write_bytes(page(entry))
        files.append(path)
    return files


def _searchable(
    dataset: Dataset,
    collection: str,
    sent: Sequence[Sent],
    seconds: float,
    client: Client,
    place: str,
) -> Searchable:
    found = [each for each in sent if each.status in SEARCHABLE]
    bad = [each for each in sent if each.reason and each.status != "indexed"]
    if not found:
        why = bad[0].reason if bad else "it says not why."
        raise ServiceUnavailable(f"none of the documents can be searched at {place}: {why}")
    entries = {
        each.document_id: entry.id for each, entry in zip(sent, dataset.entries, strict=True)
    }
    making = Making(
        where=f"through {place}",
        embedder=_embedder(client),
        chunks=sum(each.view.progress.indexed for each in sent if each.view),
        ended=Counter(each.status for each in sent),
        seconds=seconds,
        kept=all(each.duplicate for each in sent),
        reranker=_reranker(collection, client),
    )
    reasons = [f"{entries[each.document_id]}: {each.reason}" for each in bad if each.document_id]
    return Searchable(lambda: _asker(collection, entries, client), making, reasons[:5])


def _asker(collection: str, entries: Mapping[str, str], client: Client) -> Ask:
    def ask(query: str, variant: Variant) -> Answer:
        found = client.query(_body(query, collection, variant))
        strange = [hit for hit in found.hits if hit.document_id not in entries]
        if strange:
            raise SetupError(
                f"collection {collection} holds {strange[0].filename!r} of another run: empty it "
                f"(`ragline rm --help`) and evaluate again."
            )
        named = [entries[hit.document_id] for hit in found.hits]
        return Answer(named, bool(found.reranker))

    return ask


def _body(query: str, collection: str, variant: Variant) -> dict[str, object]:
    return {
        "query": query,
        "collection": collection,
        "mode": variant.mode,
        "rerank": variant.rerank,
        "top_k": MAX_LIMIT,
    }


def _reranker(collection: str, client: Client) -> str:
    """The stack's reranker; '' if it has none, which it says when it is asked to rerank."""
    try:
        answer = client.query(_body(WARM_UP, collection, Variant("hybrid", rerank=True)))
    except InvalidRequest:
        return ""
    return answer.reranker or ""


def _embedder(client: Client) -> str:
    components = client.info().get("components", {})
    return str(components.get("model", {}).get("fingerprint", ""))


def _delete(collection: str, client: Client) -> None:
    """What this or an earlier run put there, and nothing else that may be in it."""

    def one(document_id: str) -> None:
        with suppress(NotFound):  # gone before
            client.delete(document_id)

    there = [one for one in client.documents(collection) if is_page(one.filename)]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="delete") as pool:
        list(pool.map(one, [document.document_id for document in there]))
