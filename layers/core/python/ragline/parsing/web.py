"""HTML: pages, the chapters of books, the bodies of mails."""

from __future__ import annotations

import re

from lxml import etree

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import LimitExceeded
from ragline.parsing.decoding import decode
from ragline.parsing.limits import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    Source,
    check_elements,
    too_deep,
)
from ragline.parsing.web_chrome import strip_chrome
from ragline.parsing.web_tables import data_table, mark_tables

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "menu", "dir", "dl"})
_BLOCK_NAMES = """
    address article aside blockquote body caption center dd details dialog div dl dt fieldset
    figcaption figure footer form header hr html legend li main p section summary table tbody td
    tfoot th thead tr ul ol menu dir h1 h2 h3 h4 h5 h6
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_DECLARED = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)""", re.I)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]+encoding\s*=\s*["']([\w-]+)""")
_LONG_TAG = re.compile(r"<[^<>]{20000,}")
"""One that could have too many attributes: each takes two characters at least."""
_HEAD = 4096
_MAX_HEADING = 400
_CHECK_EVERY = 5_000
_LEAF = "ragline-leaf"


def extract(source: Source) -> Extraction:
    blocks, title = read(markup_text(source.data), source)
    return Extraction(blocks, title=title)


def markup_text(data: bytes) -> str:
    """Decoded by its mark, as UTF-8, or as the page declares, in that order."""
    declared = _DECLARED.search(data[:_HEAD]) or _XML_ENCODING.search(data[:_HEAD])
    return decode(data, declared.group(1).decode("ascii") if declared else "")


def _check(markup: str) -> None:
    """Refuse what the parser, which cannot be stopped, would take too long or too much room for."""
    check_elements(markup.count("<") - markup.count("</"), "This page")
    for found in _LONG_TAG.finditer(markup):
        tag = found[0]
        if max(len(tag.split()), tag.count("=")) > MAX_ATTRIBUTES:
            raise LimitExceeded(
                f"An element of this page has more than {MAX_ATTRIBUTES:,} attributes; "
                "save the page again without them."
            )


def read(markup: str, source: Source) -> tuple[list[Block], str]:
    """Blocks and title of a page. Nothing is fetched and no entity but HTML's is expanded.

    Raises:
        LimitExceeded: it nests too deep, has too much of something, or the deadline passed.
    """
    _check(markup)
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=True
    )
    # NUL would end the document for libxml2.
    data = markup.replace("\0", "").encode("utf-8", "replace")
    if not data.strip():
        return [], ""
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:  # nothing in it that is an element or text
        root = None
    if root is None:
        return [], ""
    title = _squeeze(root.findtext(".//title") or "")
    for head in root.findall("head"):
        root.remove(head)
    _check_depth(root)
    strip_chrome(root)
    return _Walk(root, source).blocks, title


class _Walk:
    """One pass over the tree, without recursion: nesting is the author's, the stack is ours."""

    def __init__(self, root: etree._Element, source: Source) -> None:
        self.blocks: list[Block] = []
        self._inline: list[str] = []
        self._items: list[str] = []
        self._lists: list[int | None] = []  # the next number of each open list; None for bullets
        self._heading = 0
        self._bullet = ""
        self._leaves = _take_leaves(root)
        for count, (event, element) in enumerate(etree.iterwalk(root, events=("start", "end"))):
            if count % _CHECK_EVERY == 0:
                source.check_time()
            if event == "start":
                self._start(element)
            else:
                self._end(element)
        self._flush()
        self._flush_list()

    def _start(self, element: etree._Element) -> None:
        tag = element.tag
        if tag in _BLOCKS:
            self._flush()
        leaf = element.get(_LEAF)
        if leaf is not None:
            self._flush()
            self._flush_list()
            self.blocks += self._leaves[int(leaf)]
        elif tag in _HEADINGS:
            self._flush_list()
            self._heading = _HEADINGS[tag]
        elif tag in _LISTS:
            self._lists.append(_number(element.get("start"), 1) if tag == "ol" else None)
        elif tag in ("li", "dt"):
            self._bullet = self._next_bullet(element)
        elif tag == "br":
            self._inline.append("\n")
        if element.text:
            self._inline.append(_spaces(element.text))

    def _end(self, element: etree._Element) -> None:
        tag = element.tag
        if tag in _BLOCKS:
            self._flush()
        if tag in _HEADINGS:
            self._heading = 0
        elif tag in _LISTS:
            del self._lists[-1:]
            if not self._lists:
                self._flush_list()
        if element.tail:
            self._inline.append(_spaces(element.tail))

    def _next_bullet(self, item: etree._Element) -> str:
        number = self._lists[-1] if self._lists else None
        if number is None:
            return "- "
        number = _number(item.get("value"), number)
        self._lists[-1] = number + 1
        return f"{number}. "

    def _flush(self) -> None:
        text = _tidy("".join(self._inline))
        self._inline.clear()
        if not text:
            return
        if self._heading and len(text) <= _MAX_HEADING:
            self._flush_list()
            self.blocks.append(Block("heading", _squeeze(text), level=self._heading))
        elif self._lists:
            indent = "  " * min(len(self._lists) - 1, 6)
            self._items.append(f"{indent}{self._bullet or '  '}{_squeeze(text)}")
            self._bullet = ""
        else:
            self.blocks.append(Block("paragraph", text))

    def _flush_list(self) -> None:
        if self._items:
            self.blocks.append(Block("list", "\n".join(self._items)))
            self._items.clear()


def _check_depth(root: etree._Element) -> None:
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise too_deep(MAX_DEPTH)


def _take_leaves(root: etree._Element) -> list[list[Block]]:
    """Replace data tables and preformatted text by marks: they are read whole, not walked into."""
    leaves: list[list[Block]] = []
    mark_tables(root)
    inside = 0  # of a table that is read whole, until its end
    for event, element in etree.iterwalk(root, events=("start", "end"), tag=("table", "pre")):
        if event == "end":
            inside -= bool(inside)
            continue
        if inside:
            inside += 1
            continue
        if element.tag == "pre":
            text = "".join(map(str, element.itertext())).strip("\n").rstrip()
            blocks = [Block("code", text)] if text.strip() else []
        else:
            blocks = data_table(element)
        if blocks:
            element.set(_LEAF, str(len(leaves)))
            leaves.append(blocks)
            inside = 1
    for element in [one for one in root.iter("table", "pre") if one.get(_LEAF) is not None]:
        element[:] = []
        element.text = None
    return leaves


def _number(value: str | None, default: int) -> int:
    value = (value or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else default


def _spaces(text: str) -> str:
    """Line ends in the source are spaces; those of ``<br>`` are added after this."""
    return re.sub(r"\s+", " ", text)


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _tidy(text: str) -> str:
    return "\n".join(line for part in text.split("\n") if (line := _squeeze(part)))
