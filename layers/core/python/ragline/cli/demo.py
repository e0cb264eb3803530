"""`ragline demo`: from nothing to cited answers, on Ragline's own handbook and your documents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.rule import Rule
from rich.text import Text

from ragline.cli import exits, options
from ragline.cli.client import Client
from ragline.cli.files import expand
from ragline.cli.outside import Outside
from ragline.cli.push import DEFAULT_TIMEOUT, push_files, summary
from ragline.cli.screen import Screen
from ragline.cli.search import query_body, show_hits
from ragline.cli.stack import Keep, Port, find_template, set_up
from ragline.cli.target import DEFAULT_STACK, Choice, address
from ragline.domain.errors import SetupError

COLLECTION = "demo"


@dataclass(frozen=True, slots=True)
class Question:
    """A question that exactly one passage of the handbook answers: the one with ``answer``."""

    text: str
    filename: str
    heading: str
    answer: str
    page: int | None = None


QUESTIONS = (
    Question(
        "How many times is a message received before it goes to a dead-letter queue?",
        "operations.pdf",
        "Dead letters",
        "received five times",
        page=2,
    ),
    Question(
        "What is the largest file that the direct upload route takes?",
        "limits.docx",
        "Uploading",
        "4.5 MB",
    ),
    Question(
        "Can I still find a document after I deleted it?",
        "faq.html",
        "Can a deleted document still be found?",
        "from the moment the delete request is answered",
    ),
)


def demo(
    ctx: typer.Context,
    documents: Annotated[
        list[Path] | None, typer.Argument(metavar="[DOCS]...", help="Your own files or folders.")
    ] = None,
    port: Port = None,
    keep: Keep = None,
    stack: options.StackName = None,
    timeout: Annotated[
        float, typer.Option(min=0, help="Give up waiting after this many seconds.")
    ] = DEFAULT_TIMEOUT,
    as_json: options.AsJson = False,
) -> None:
    """Set everything up, index Ragline's handbook (and DOCS), ask it three questions.

    The stack is left running: ask your own questions next.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    name = stack or outside.environ.get("RAGLINE_STACK") or DEFAULT_STACK
    files = expand([*handbook(find_template(outside.directory()).parent), *(documents or ())])
    _ensure_running(outside, screen, port=port, keep=keep, stack=name)
    with Client(address(Choice(stack=name), _local_only(outside)), outside) as client:
        sent = push_files(
            files,
            client=client,
            outside=outside,
            screen=screen,
            collection=COLLECTION,
            metadata={},
            timeout=timeout,
        )
        directory, width = outside.directory(), screen.out.width
        screen.show(summary(sent, waited=True, directory=directory, width=width))
        answers = []
        for question in QUESTIONS:
            found = client.query(query_body(question.text, COLLECTION, limit=2))
            answers.append({"question": question.text, "hits": found.raw().get("hits", [])})
            screen.show(Rule(style="dim"), Text(question.text, style="bold"), Text())
            show_hits(screen, found, COLLECTION)
    failed = sum(each.failed for each in sent)
    screen.give(
        {"documents": [each.answer() for each in sent], "failed": failed, "answers": answers}
    )
    option = "" if name == DEFAULT_STACK else f" --stack {name}"
    screen.show(Rule(style="dim"), Text("Next:", style="bold"), Text(_next(option)))
    if failed or not all(answer["hits"] for answer in answers):
        raise typer.Exit(exits.FAILED)


def handbook(project: Path) -> list[Path]:
    """The chapters that the repository ships."""
    folder = project / "docs" / "handbook"
    chapters = expand([folder])
    if not folder.is_dir() or not chapters:
        raise SetupError(f"no handbook in {folder}. Run this in a checkout of Ragline.")
    return chapters


def _ensure_running(
    outside: Outside, screen: Screen, *, port: int | None, keep: bool | None, stack: str
) -> None:
    """A running stack is used as it is: `ragline up` is there to deploy changes."""
    directory = find_template(outside.directory()).parent
    if outside.local.running(directory) is not None:
        try:
            found = address(Choice(stack=stack), _local_only(outside))
        except SetupError:
            pass  # the cloud runs, the stack is not on it
        else:
            screen.say(f"using {found.place}")
            return
    set_up(outside, screen, port=port, keep=keep, stack=stack)


def _local_only(outside: Outside) -> Outside:
    """A demo talks to the local cloud, whatever the environment names."""
    ignored = {"AWS_ENDPOINT_URL", "RAGLINE_API_URL", "RAGLINE_API_KEY", "RAGLINE_TOKEN"}
    environ = {name: value for name, value in outside.environ.items() if name not in ignored}
    return replace(outside, environ=environ)


def _next(option: str) -> str:
    return (
        f"  ragline search 'your question' --collection {COLLECTION}{option}\n"
        f"  ragline push your/files --collection mine{option}\n"
        f"  ragline ls --collection {COLLECTION}{option}\n"
        "  ragline down        ends the local cloud"
    )
