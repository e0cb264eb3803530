"""HTML: pages, the chapters of books, the bodies of mails."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
from ragline.parsing.tables import table

_DROPPED = ("script", "style", "nav", "noscript", "template", "svg", "iframe", "object", "select")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset({"ul", "ol", "menu", "dir"})
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
_MAX_SPAN = 100
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
    etree.strip_elements(root, *_DROPPED, with_tail=False)
    return _Walk(root, source).blocks, title


class _Walk:
    """One pass over the tree, without recursion: nesting is the author's, the stack is ours."""

    def __init__(self, root: etree._Element, source: Source) -> None:
        self.blocks: list[Block] = []
        self._inline: list[str] = []
        self._items: list[str] = []
        self._lists = 0
        self._heading = 0
        self._bullet = False
        _check_depth(root)
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
            self._lists += 1
        elif tag == "li":
            self._bullet = True
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
            self._lists = max(0, self._lists - 1)
            if not self._lists:
                self._flush_list()
        if element.tail:
            self._inline.append(_spaces(element.tail))

    def _flush(self) -> None:
        text = _tidy("".join(self._inline))
        self._inline.clear()
        if not text:
            return
        if self._heading and len(text) <= _MAX_HEADING:
            self._flush_list()
            self.blocks.append(Block("heading", _squeeze(text), level=self._heading))
        elif self._lists:
            indent = "  " * min(self._lists - 1, 6)
            self._items.append(f"{indent}{'- ' if self._bullet else '  '}{_squeeze(text)}")
            self._bullet = False
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
    holders = {id(outer) for inner in root.iter("table") if (outer := _above(inner)) is not None}
    for element in list(root.iter("table", "pre")):
        if element.tag == "pre":
            text = "".join(map(str, element.itertext())).strip("\n").rstrip()
            blocks = [Block("code", text)] if text.strip() else []
        else:
            blocks = [] if id(element) in holders else _data_table(element)
        if blocks:
            for child in list(element):
                element.remove(child)
            element.text = None
            element.set(_LEAF, str(len(leaves)))
            leaves.append(blocks)
    return leaves


def _above(element: etree._Element) -> etree._Element | None:
    return next(element.iterancestors("table"), None)


def _data_table(element: etree._Element) -> list[Block]:
    """Its caption and itself; nothing for a table that only lays the page out: one of a single
    column or row, or with headings in its cells."""
    if any(next(element.iter(tag), None) is not None for tag in _HEADINGS):
        return []
    rows = list(_grid(element))
    if len(rows) < 2 or max(map(len, rows)) < 2:
        return []
    captions = [Block("paragraph", _cell(caption)) for caption in element.findall("caption")]
    found = table(rows)
    return [*captions, found] if found else []


def _grid(element: etree._Element) -> Iterator[list[str]]:
    """Rows of cell texts; a cell that spans rows is repeated, one that spans columns is padded."""
    carried: dict[int, tuple[int, str]] = {}
    for row in element.iter("tr"):
        cells: list[str] = []
        still: dict[int, tuple[int, str]] = {}
        for cell in [*row.iterchildren("td", "th"), None]:
            _carry(cells, carried, still)
            if cell is not None:
                text = _cell(cell)
                if (rows := _span(cell, "rowspan")) > 1:
                    still[len(cells)] = (rows - 1, text)
                cells += [text, *[""] * (_span(cell, "colspan") - 1)]
        carried = still
        yield cells


def _carry(
    cells: list[str], carried: dict[int, tuple[int, str]], still: dict[int, tuple[int, str]]
) -> None:
    """Fill the columns that a cell of an earlier row covers; ``still`` collects the next row's."""
    while len(cells) in carried:
        left, text = carried[len(cells)]
        if left > 1:
            still[len(cells)] = (left - 1, text)
        cells.append(text)


def _span(cell: etree._Element, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(max(1, int(value)), _MAX_SPAN) if value.isascii() and value.isdigit() else 1


def _cell(element: etree._Element) -> str:
    parts: list[str] = []
    for event, inner in etree.iterwalk(element, events=("start", "end")):
        if inner.tag in _BLOCKS or inner.tag == "br":
            parts.append(" ")
        if event == "start":
            parts.append(inner.text or "")
        elif inner is not element:
            parts.append(inner.tail or "")
    return _squeeze("".join(parts))


def _spaces(text: str) -> str:
    """Line ends in the source are spaces; those of ``<br>`` are added after this."""
    return re.sub(r"\s+", " ", text)


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _tidy(text: str) -> str:
    return "\n".join(line for part in text.split("\n") if (line := _squeeze(part)))
