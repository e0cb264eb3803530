"""What the commands write: answers on stdout, everything else on stderr."""

from __future__ import annotations

import codecs
import json
import re
import sys
import unicodedata
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

_STYLES = {
    "indexed": "green",
    "partial": "yellow",
    "empty": "yellow",
    "failed": "red",
    "deleted": "dim",
}


class Screen:
    """With ``as_json``, stdout carries JSON and nothing else."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, emoji=False)
        self.err = Console(stderr=True, highlight=False, emoji=False)

    def say(self, message: str) -> None:
        """A line of progress, for people."""
        self.err.print(Text(plain(message), style="dim"))

    def show(self, *renderables: RenderableType) -> None:
        """Part of the answer, for people; nothing with ``as_json``."""
        if not self.as_json:
            for renderable in renderables:
                self.out.print(renderable)

    def show_line(self, text: Text) -> None:
        """One of many lines, left to the terminal to break."""
        if not self.as_json:
            self.out.print(text, soft_wrap=True)

    def give(self, answer: Any) -> None:
        """The answer, for machines; nothing without ``as_json``."""
        if self.as_json:
            typer.echo(_json(answer, indent=2))

    def give_line(self, answer: Any) -> None:
        """One of many answers, on one line, so that a stream of them can be read as it comes."""
        if self.as_json:
            typer.echo(_json(answer))


def _json(answer: Any, indent: int | None = None) -> str:
    utf8 = codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "utf-8"
    text = json.dumps(answer, ensure_ascii=not utf8, indent=indent, default=str)
    # A file's name may hold bytes that are not UTF-8: as escapes they are still JSON.
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


def plain(text: str) -> str:
    """Text that came from elsewhere, safe to print: no control characters but newline and tab.

    A document may hold escape sequences that would move the cursor or rename the terminal.
    """
    return "".join(
        char for char in text if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"}
    )


def line(text: str) -> str:
    """The same on one line."""
    return " ".join(plain(text).split())


def status_text(status: str) -> Text:
    return Text(plain(status), style=_STYLES.get(status, "cyan"))
