"""`ragline search`: a question in, passages with their citations out."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from ragline.cli import options
from ragline.cli.answers import Hit, Hits
from ragline.cli.client import Client
from ragline.cli.files import pairs
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line, plain
from ragline.cli.target import Choice, address

# Too common in questions to be worth marking; only what is shown depends on this.
_COMMON = """a an and are as at be by can do does for from has have how i if in is it its of on or
that the this to was were what when where which who why will with you"""
_UNMARKED = frozenset(_COMMON.split())


def search(
    ctx: typer.Context,
    question: str,
    collection: options.Collection = "default",
    mode: Annotated[
        options.Mode, typer.Option(help="By meaning (dense), by keyword (bm25), or both.")
    ] = options.Mode.HYBRID,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 5,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add each leg's rank and score, and timings.")
    ] = False,
    document: Annotated[
        list[str] | None, typer.Option(help="Only this document (its id); repeatable.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", "-w", help="Only documents with name=value; repeatable."),
    ] = None,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Find the passages that answer a question, with file, page and heading."""
    outside, screen = Outside.of(ctx), Screen(as_json)
    body = query_body(question, collection, mode=mode, limit=limit, explain=explain)
    filters: dict[str, Any] = {}
    if document:
        filters["document_ids"] = document
    if where:
        filters["metadata"] = pairs(where, "--where")
    if filters:
        body["filters"] = filters
    with Client(address(Choice(stack, profile, endpoint, region), outside), outside) as client:
        found = client.query(body)
    screen.give(found.raw())
    show_hits(screen, question, found, collection)
    if explain and found.timings_ms:
        spent = ", ".join(f"{name} {value:.0f} ms" for name, value in found.timings_ms.items())
        screen.show(Text(line(spent), style="dim"))


def query_body(
    question: str, collection: str, *, mode: str = "hybrid", limit: int = 5, explain: bool = False
) -> dict[str, Any]:
    return {
        "query": question,
        "collection": collection,
        "mode": str(mode),
        "top_k": limit,
        "explain": explain,
    }


def show_hits(screen: Screen, question: str, found: Hits, collection: str) -> None:
    if not found.hits:
        screen.show(Text(f"no hits in {line(collection)}.", style="dim"))
    for hit in found.hits:
        screen.show(_title(hit), Padding(_passage(hit, question), (0, 0, 1, 3)))


def citation(hit: Hit) -> str:
    """``file · page 3 · Heading › Sub``: what a person needs to find the passage again."""
    parts = [line(hit.filename)]
    if hit.page is not None:
        to = hit.page_end if hit.page_end not in (None, hit.page) else None
        parts.append(f"pages {hit.page}–{to}" if to else f"page {hit.page}")
    if hit.headings:
        parts.append(" › ".join(line(heading) for heading in hit.headings))
    return " · ".join(parts)


def _title(hit: Hit) -> Text:
    title = Text(f"{hit.rank}. ", style="bold")
    title.append(citation(hit), style="bold cyan")
    title.append(f"  {hit.score:.4f}", style="dim")
    for leg, found in (hit.legs or {}).items():
        title.append(f"  {line(leg)} #{found.rank} {found.score:.3f}", style="dim")
    return title


def _passage(hit: Hit, question: str) -> Text:
    passage = Text(plain(hit.text).strip())
    words = {word for word in re.findall(r"\w+", question.casefold()) if word not in _UNMARKED}
    if words:
        # A word is marked with its endings: "delete" also in "deleted" and "deletes".
        longest_first = sorted(map(re.escape, words), key=len, reverse=True)
        marked = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})\w{{0,3}}(?!\w)", re.IGNORECASE)
        passage.highlight_regex(marked, style="bold yellow")
    return passage
