"""Plain text, and reStructuredText read as such with its section titles."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragline.domain.chunks import Block, Extraction
from ragline.parsing.decoding import decode
from ragline.parsing.limits import Source

_BLANK = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")
_MAX_LEVEL = 6


def extract(source: Source) -> Extraction:
    return read(decode(source.data), source)


def read(text: str, source: Source) -> Extraction:
    text = text.replace("\f", "\n\n")
    if source.filename.lower().endswith(".rst"):
        return _restructured(text, source)
    return Extraction(list(paragraphs(text)))


def paragraphs(text: str) -> Iterator[Block]:
    """What blank lines set apart."""
    for part in _BLANK.split(text):
        if stripped := part.strip("\n").rstrip():
            yield Block("paragraph", stripped)


def _restructured(text: str, source: Source) -> Extraction:
    """Titles are underlined; their levels follow from the order in which rules first appear.

    https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html#sections
    """
    blocks: list[Block] = []
    styles: list[str] = []
    pending: list[str] = []

    def flush() -> None:
        blocks.extend(paragraphs("\n".join(pending)))
        pending.clear()

    lines = text.split("\n")
    row = 0
    while row < len(lines):
        if row % 10_000 == 0:
            source.check_time()
        style, title, used = _title(lines, row)
        if not used:
            pending.append(lines[row])
            row += 1
            continue
        flush()
        if style not in styles:
            styles.append(style)
        level = min(styles.index(style) + 1, _MAX_LEVEL)
        blocks.append(Block("heading", title, level=level))
        row += used
    flush()
    title = next((block.text for block in blocks if block.kind == "heading"), "")
    return Extraction(blocks, title=title)


def _title(lines: list[str], row: int) -> tuple[str, str, int]:
    """``(rule style, title, lines used)`` of a title that begins at this line; 0 used if none."""
    here = lines[row].rstrip()
    below = lines[row + 1].rstrip() if row + 1 < len(lines) else ""
    if _RULE.fullmatch(here):
        third = lines[row + 2].rstrip() if row + 2 < len(lines) else ""
        if below.strip() and third == here and len(here) >= len(below.strip()):
            return here[0] * 2, below.strip(), 3
        return "", "", 0
    if not here.strip() or here[0].isspace() or not _RULE.fullmatch(below):
        return "", "", 0
    before = lines[row - 1].strip() if row else ""
    if before or len(below) < len(here):
        return "", "", 0
    return below[0], here.strip(), 2
