"""`ragline watch`: what becomes of documents, as it happens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.text import Text

import ragline
from ragline.cli import exits, options
from ragline.cli.outside import Outside
from ragline.cli.screen import Screen, line, status_text
from ragline.cli.target import Address, Choice, address
from ragline.domain.documents import TERMINAL, Status, check_document_id, check_name
from ragline.domain.errors import InvalidRequest, NotFound, ServiceUnavailable, SetupError

RECONNECTS = 5
"""In a row, without having heard anything between."""

OPEN_SECONDS = 30


@dataclass(slots=True)
class Watched:
    """What is followed. ``left``: documents that have not ended; ``troubled``: whether one ended
    badly. A collection never ends."""

    topics: Sequence[Mapping[str, str]]
    left: set[str] = field(default_factory=set)
    troubled: bool = False
    newest: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return not self.left and all("document_id" in topic for topic in self.topics)

    def take(self, message: Mapping[str, Any]) -> bool:
        """Note a message of progress; False if a newer one was there before."""
        name = str(message["document_id"])
        place = (int(message["generation"]), str(message["updated_at"]))
        if place <= self.newest.get(name, (-1, "")):
            return False
        self.newest[name] = place
        if message["status"] in TERMINAL:
            self.left.discard(name)
            self.troubled |= message["status"] in {Status.FAILED, Status.PARTIAL}
        return True


def watch(
    ctx: typer.Context,
    document: Annotated[
        list[str] | None, typer.Option(help="A document (its id); may be repeated.")
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", "-c", help="All of a collection; may be repeated."),
    ] = None,
    as_json: options.AsJson = False,
    stack: options.StackName = None,
    profile: options.Profile = None,
    endpoint: options.Endpoint = None,
    region: options.Region = None,
) -> None:
    """Print a line for every step of documents, until they have ended; of a collection, for ever.

    Exits with 1 if one of them failed, in part or whole.
    """
    outside, screen = Outside.of(ctx), Screen(as_json)
    ids = [check_document_id(one) for one in document or []]
    names = [check_name(one, "collection") for one in collection or []]
    if not ids and not names:
        raise typer.BadParameter("give --document or --collection.")
    topics = [{"document_id": one} for one in ids] + [{"collection": one} for one in names]
    watched = Watched(topics, set(ids))
    url, caller = place(Choice(stack, profile, endpoint, region), outside)
    for message in heard(url, headers_of(caller), watched, outside):
        screen.give_line(message)
        screen.show_line(told(message))
    if watched.troubled:
        raise typer.Exit(exits.FAILED)


def place(choice: Choice, outside: Outside) -> tuple[str, Address]:
    """The WebSocket API's URL, and who calls.

    Raises:
        SetupError: nothing says where it is.
    """
    caller = address(choice, outside)
    given = "" if choice.anything else outside.environ.get("RAGLINE_SOCKETS_URL", "")
    if url := given or caller.sockets:
        return url, caller
    if outside.environ.get("RAGLINE_API_URL") and not choice.anything:
        raise SetupError(
            "set RAGLINE_SOCKETS_URL as well: who runs the stack has it from `ragline env`."
        )
    raise SetupError(f"{caller.place} has no WebSocket API: deploy it anew.")


def headers_of(caller: Address) -> dict[str, str]:
    if caller.token:
        return {"authorization": f"Bearer {caller.token}"}
    return {"x-api-key": caller.key} if caller.key else {}


def heard(
    url: str, headers: Mapping[str, str], watched: Watched, outside: Outside
) -> Iterator[dict[str, Any]]:
    """Messages, until all is over; a connection that ends is made anew, as it has to be by hours.

    Raises:
        SetupError: we are refused.
        NotFound, InvalidRequest: what we want to follow is.
        ServiceUnavailable: nobody answers.
    """
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
    from websockets.sync.client import connect

    failures = 0
    while not watched.over:
        try:
            with connect(
                url,
                additional_headers=dict(headers),
                user_agent_header=f"ragline/{ragline.__version__}",
                open_timeout=OPEN_SECONDS,
            ) as connection:
                for topic in watched.topics:
                    connection.send(json.dumps({"action": "subscribe", **topic}))
                for text in connection:
                    failures = 0
                    yield from _taken(text, watched)
                    if watched.over:
                        return
        except (InvalidHandshake, InvalidURI) as error:
            raise SetupError(
                f"{urlsplit(url).netloc} refused the connection ({type(error).__name__}): is the "
                "key right, and the address?"
            ) from error
        except (ConnectionClosed, OSError):
            pass  # as when it ends by its age
        failures += 1
        if failures > RECONNECTS:
            raise ServiceUnavailable(f"{urlsplit(url).netloc} does not answer; is it running?")
        outside.sleep(min(30.0, 0.5 * 2**failures))


def _taken(text: str | bytes, watched: Watched) -> Iterator[dict[str, Any]]:
    message = json.loads(text)
    if message.get("type") == "error":
        kind = NotFound if message.get("code") == NotFound.code else InvalidRequest
        raise kind(line(str(message.get("message"))))
    if message.get("type") == "progress" and watched.take(message):
        yield message


def told(message: Mapping[str, Any]) -> Text:
    """One line of progress, for people."""
    counts, name = message["progress"], str(message["document_id"])
    said = status_text(str(message["status"]))
    said.pad_right(max(0, 16 - len(said.plain)))
    done = f"{counts['percent']:>5}  {counts['indexed']}/{counts['chunks_total']} chunks"
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    time = line(str(message["updated_at"]))
    return Text.assemble((time, "dim"), "  ", said, f"{done}{failed}  ", line(name))
