"""`ragline search`: a question in, passages with their citations out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from ragline.cli import options
from ragline.cli.answers import Hit, Hits, Mark, Section, placed
from ragline.cli.client import Client
from ragline.cli.files import pairs
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line, plain
from ragline.cli.target import Choice, address


def search(
    ctx: typer.Context,
    question: str,
    collection: options.Collection = "default",
    mode: Annotated[
        options.Mode, typer.Option(help="By meaning (dense), by keyword (bm25), or both.")
    ] = options.Mode.HYBRID,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 5,
    rerank: Annotated[
        bool,
        typer.Option(
            "--rerank", help="Have a model read question and passages together: finer, slower."
        ),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Show whole passages, not only the lines that match.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Add each leg's rank and score, the words that matched, and timings."
        ),
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
    # The marks of a whole passage are part of what the API explains.
    body = query_body(question, collection, mode=mode, limit=limit, explain=explain or full)
    if rerank:
        body["rerank"] = True
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
    show_hits(screen, found, collection, full=full, explain=explain)


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


def show_hits(
    screen: Screen, found: Hits, collection: str, *, full: bool = False, explain: bool = False
) -> None:
    for note in found.notes:
        screen.show(Text(line(note), style="yellow"))
    if not found.hits:
        screen.show(Text(f"no hits in {line(collection)}.", style="dim"))
    for hit in found.hits:
        screen.show(_title(hit, explain), Padding(_passage(hit, full), (0, 0, 0, 3)))
        if explain and hit.matched_terms is not None:
            terms = ", ".join(map(line, hit.matched_terms)) or "no word of the question"
            screen.show(Padding(Text(f"matched: {terms}", style="dim"), (0, 0, 0, 3)))
        if hit.section:
            screen.show(Padding(_section(hit.section, found.hits, full), (0, 0, 0, 3)))
        screen.show(Text())
    if explain:
        screen.show(*(Text(line(told), style="dim") for told in _how(found)))


def citation(hit: Hit) -> str:
    """``file · page 3 · Heading › Sub``: what a person needs to find the passage again."""
    parts = [line(placed(hit.filename, hit.path_in_parent, hit.parent_filename))]
    if hit.page is not None:
        to = hit.page_end if hit.page_end not in (None, hit.page) else None
        parts.append(f"pages {hit.page}–{to}" if to else f"page {hit.page}")
    if hit.headings:
        parts.append(" › ".join(line(heading) for heading in hit.headings))
    return " · ".join(parts)


def _how(found: Hits) -> list[str]:
    """How the search as a whole went: a line each."""
    told = []
    if found.legs:
        told.append("candidates: " + ", ".join(f"{leg} {n}" for leg, n in found.legs.items()))
    if found.reranker:
        told.append(f"reranked by {found.reranker}")
    if found.timings_ms:
        told.append(", ".join(f"{name} {ms:.0f} ms" for name, ms in found.timings_ms.items()))
    return told


def _title(hit: Hit, explain: bool) -> Text:
    title = Text(f"{hit.rank}. ", style="bold")
    title.append(citation(hit), style="bold cyan")
    title.append(f"  {hit.score:.4f}", style="dim")
    if explain:
        for leg, found in (hit.legs or {}).items():
            title.append(f"  {line(leg)} #{found.rank} {found.score:.3f}", style="dim")
        if hit.rerank:
            title.append(f"  rerank #{hit.rerank.rank} {hit.rerank.score:.3f}", style="dim")
    return title


def _passage(hit: Hit, full: bool) -> Text:
    """The snippet as flowing text, with an ellipsis where the passage goes on; or all of it."""
    cut = hit.snippet
    if full or cut is None:
        return _marked(hit.text.rstrip(), hit.highlights or [])
    passage = Text("… " if hit.text[: cut.start].strip() else "")
    passage.append_text(_marked(cut.text, cut.highlights, flowing=True))
    return passage.append(" …" if hit.text[cut.end :].strip() else "")


def _section(section: Section, hits: Sequence[Hit], full: bool) -> Text:
    """The section around a hit, if whole passages are wanted; or that there is one, and where."""
    if section.text is None:
        rank = next((one.rank for one in hits if one.chunk_id == section.carried_by), None)
        return Text(f"section: as of {rank}." if rank else "", style="dim")
    if full:
        return Text(f"section:\n{plain(section.text.rstrip())}", style="dim")
    return Text(f"section: {len(section.text):,} characters; --full shows it.", style="dim")


def _marked(text: str, marks: Sequence[Mark], *, flowing: bool = False) -> Text:
    """Safe to print; ``flowing``: on one line. Marks count characters that this may remove, so the
    text is cut by them first."""
    marked, at = Text(), 0
    for mark in [*marks, Mark(start=len(text), end=len(text))]:
        between, within = text[at : mark.start], text[mark.start : mark.end]
        for piece, style in ((between, ""), (within, "bold yellow")):
            shown = re.sub(r"\s+", " ", plain(piece)) if flowing else plain(piece)
            marked.append(shown, style=style)
        at = mark.end
    return marked
