"""Markdown (CommonMark and tables)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ragline.domain.chunks import Block, Extraction
from ragline.parsing import web
from ragline.parsing.decoding import decode
from ragline.parsing.limits import Source
from ragline.parsing.tables import table

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*\n", re.S)
_SECTION = re.compile(r"^(#{1,6}(?=[ \t])|`{3,}|~{3,})", re.M)
_SECTION_CHARS = 200_000
_MAX_NESTING = 100
_MAX_BRACKETS = 5_000
"""That one paragraph may have."""
_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.M)


def extract(source: Source) -> Extraction:
    return read(decode(source.data), source)


def read(text: str, source: Source) -> Extraction:
    blocks: list[Block] = []
    title = ""
    if front := _FRONT_MATTER.match(text):
        text = text[front.end() :]
        blocks.append(Block("paragraph", front.group(1).strip()))
        if named := _TITLE.search(front.group(1)):
            title = named.group(1).strip("'\" \t")
    reader = _Reader(source)
    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).enable("table")
    references: dict[str, Any] = {}
    for section in _sections(text):
        source.check_time()
        reader.read(parser.parse(_with_fewer_brackets(section), references))
    blocks += reader.blocks
    first = next((block.text for block in blocks if block.kind == "heading"), "")
    return Extraction([block for block in blocks if block.text], title=title or first)


def _sections(text: str) -> Iterator[str]:
    """A long document in parts that begin at headings, so that the deadline is seen between them.

    The parser takes seconds per megabyte, and cannot be stopped.
    """
    start = 0
    fence = ""
    for found in _SECTION.finditer(text):
        mark = found.group(1)
        if mark[0] != "#":
            if not fence:
                fence = mark
            elif mark.startswith(fence):
                fence = ""
        elif not fence and found.start() - start >= _SECTION_CHARS:
            yield text[start : found.start()]
            start = found.start()
    yield text[start:]


def _with_fewer_brackets(section: str) -> str:
    """A paragraph of very many brackets has no links: the parser would try each with all others."""
    if section.count("[") <= _MAX_BRACKETS:
        return section
    paragraphs = section.split("\n\n")
    return "\n\n".join(
        one.replace("[", "\\[") if one.count("[") > _MAX_BRACKETS else one for one in paragraphs
    )


class _Reader:
    def __init__(self, source: Source) -> None:
        self.blocks: list[Block] = []
        self._source = source
        self._items: list[str] = []
        self._lists: list[int | None] = []  # the next number of each open list; None for bullets
        self._bullet = ""
        self._level = 0
        self._rows: list[list[str]] | None = None

    def read(self, tokens: Sequence[Token]) -> None:
        for count, token in enumerate(tokens):
            if count % 10_000 == 0:
                self._source.check_time()
            self._take(token)
        self._flush_list()

    def _take(self, token: Token) -> None:
        match token.type:
            case "heading_open":
                self._level = int(token.tag[1])
            case "heading_close":
                self._level = 0
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                del self._lists[-1:]
                if not self._lists:
                    self._flush_list()
            case "list_item_open":
                self._bullet = self._next_bullet()
            case "table_open":
                self._rows = []
            case "table_close":
                self._end_table()
            case "tr_open" if self._rows is not None:
                self._rows.append([])
            case "fence" | "code_block":
                self._add(Block("code", token.content.rstrip()))
            case "html_block":
                for block in web.read(token.content, self._source)[0]:
                    self._add(block)
            case "inline":
                self._inline(_plain(token))

    def _next_bullet(self) -> str:
        number = self._lists[-1] if self._lists else None
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "

    def _inline(self, text: str) -> None:
        if self._rows is not None:
            if self._rows:
                self._rows[-1].append(text)
        elif self._level:
            self._add(Block("heading", " ".join(text.split()), level=self._level))
        elif self._lists:
            self._items.append("  " * (len(self._lists) - 1) + (self._bullet or "  ") + text)
            self._bullet = ""
        else:
            self._add(Block("paragraph", text.strip()))

    def _add(self, block: Block) -> None:
        self._flush_list()
        if block.text.strip():
            self.blocks.append(block)

    def _end_table(self) -> None:
        rows, self._rows = self._rows or [], None
        if block := table(rows):
            self._add(block)

    def _flush_list(self) -> None:
        if self._items:
            self.blocks.append(Block("list", "\n".join(self._items)))
            self._items = []


def _plain(token: Token) -> str:
    parts: list[str] = []
    for child in token.children or []:
        match child.type:
            case "softbreak" | "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(_plain(child))
            case "html_inline":
                parts.append("\n" if child.content.lower().startswith("<br") else "")
            case _:
                parts.append(child.content)
    return "".join(parts)
