"""`ragline analyse`: ask a vision model about the pages of a document."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field
from rich.table import Table
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.answers import Answer, Reason
from ragline.cli.client import Client
from ragline.cli.outside import Outside
from ragline.cli.push import push_files
from ragline.cli.screen import Screen, line, plain, status_text
from ragline.cli.target import Choice, address
from ragline.domain.analyses import ENDED
from ragline.domain.documents import check_document_id
from ragline.domain.errors import RequestError, TransientError

PAUSE = 1.0
LONGEST = 1_000
"""Pages that one request may name."""

_UNSENT = {"not_sent", "timed_out", "deleted"}
_RUN = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)


class PageAnswer(Answer):
    page: int
    answer: str | None = None
    truncated: bool = False
    reason: Reason | None = None


class Analysis(Answer):
    analysis_id: str
    document_id: str = ""
    status: str = ""
    progress: str = ""
    model: str = ""
    pages_failed: int = 0
    tokens: dict[str, int] = Field(default_factory=dict)
    cost: float | None = None
    reason: Reason | None = None
    advice: str | None = None
    answers: list[PageAnswer] = Field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.status in ENDED


def analyse(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="FILE|DOCUMENT_ID")],
    prompt: Annotated[str, typer.Argument(metavar="PROMPT")],
    pages: Annotated[
        str, typer.Option(help="Only these, as 1-3,7.", show_default="all of them")
    ] = "",
    max_cost: Annotated[
        float | None, typer.Option(help="Dollars: what might cost more is not asked.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until there are answers.")] = True,
    timeout: Annotated[
        float, typer.Option(min=0, help="Give up waiting after this many seconds.")
    ] = 900.0,
    collection: options.Collection = "default",
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Show the pages of a document to a vision model, and ask it about each.

    A file is pushed first, unless the collection has it. The stack needs a
    model: see docs/analyses.md.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    body = {
        "prompt": prompt,
        **({"pages": numbers(pages)} if pages else {}),
        **({"max_cost": max_cost} if max_cost is not None else {}),
    }
    with Client(address(Choice(stack, profile, endpoint, region), outside), outside) as client:
        document_id = _document(target, collection, timeout, client, outside, screen)
        place = f"/api/v2/documents/{document_id}/analyses"
        found = client.ask(Analysis, "POST", place, json=body)
        place = f"{place}/{found.analysis_id}"
        if wait:
            found = _follow(place, found, timeout, client, outside, screen)
    screen.give(found.raw())
    screen.show(_answers(found), _foot(found))
    if found.status == "failed" or (wait and not found.ended):
        raise typer.Exit(exits.FAILED)


def numbers(text: str) -> list[int]:
    """``1-3,7`` → 1, 2, 3, 7. Raises BadParameter for anything else."""
    found: list[int] = []
    for part in text.split(","):
        run = _RUN.fullmatch(part.strip())
        first, last = (int(run[1]), int(run[2] or run[1])) if run else (0, 0)
        if not 1 <= first <= last or last - first >= LONGEST:
            raise typer.BadParameter(f"--pages {text!r}: give numbers from 1, as 1-3,7.")
        found += range(first, last + 1)
    return sorted(set(found))


def _document(
    target: str, collection: str, timeout: float, client: Client, outside: Outside, screen: Screen
) -> str:
    """The id of what is named; a file is pushed, whatever becomes of its text."""
    path = Path(target)
    if not path.is_file():
        return check_document_id(target)
    (sent,) = push_files(
        [path],
        client=client,
        outside=outside,
        screen=screen,
        collection=collection,
        metadata={},
        timeout=timeout,
    )
    if not sent.document_id or sent.status in _UNSENT:
        raise RequestError(f"{path.name} could not be pushed: {sent.reason}")
    return sent.document_id


def _follow(
    place: str, found: Analysis, timeout: float, client: Client, outside: Outside, screen: Screen
) -> Analysis:
    """Ask until it has ended; a passing failure to ask is no news."""
    deadline, told = outside.clock() + timeout, ""
    while not found.ended and outside.clock() < deadline:
        outside.sleep(PAUSE)
        try:
            found = client.ask(Analysis, "GET", place)
        except TransientError:
            continue
        news = f"{found.status}, {found.progress}"
        if news != told:
            screen.say(news)
        told = news
    return found


def _answers(found: Analysis) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("page", justify="right", no_wrap=True)
    table.add_column("answer", overflow="fold")
    for one in found.answers:
        if one.reason:
            said = Text(f"{line(one.reason.message)} ({one.reason.code})", style="red")
        else:
            said = Text(plain(one.answer or "") + (" …" if one.truncated else ""))
        table.add_row(str(one.page), said)
    return table


def _foot(found: Analysis) -> Text:
    foot = Text.assemble("analysis ", found.analysis_id, ": ", status_text(found.status))
    if found.progress:
        foot.append(f", {found.progress}, {line(found.model)}")
    if found.cost is not None:
        foot.append(f", ${found.cost:.4f}")
    if found.reason:
        foot.append(f"\n{line(found.reason.message)} ({found.reason.code})", style="red")
    if found.advice:
        foot.append(f"\n{line(found.advice)}")
    return foot
