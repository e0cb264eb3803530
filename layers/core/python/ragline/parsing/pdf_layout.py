"""Lines of a PDF page to paragraphs and headings, by their geometry. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

from ragline.domain.chunks import Block

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\xad": ""}
)
_HEADING_RATIO = 1.15
_PARAGRAPH_GAP = 1.3
_SAME_SIZE = 1.12
_SHORT_LINE = 0.75
_MAX_HEADING_CHARS = 200
_MAX_HEADING_LINES = 3
_MIN_BOOKMARKS = 3
_NUMBERING_CHARS = 12
_HYPHENS = ("\x02", "\ufffe", "-", "\u2010", "\xad")
_SENTENCE_END = re.compile(r"[.!?:;。！？][\"'”’)\]]*$")
_CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_OPENING = '§“"‘«„([「『【《<#'
_NOISE = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Line:
    """``size`` is the height of its characters in points, 0 if unknown; the page's y goes up."""

    text: str
    size: float = 0.0
    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A bookmark: ``level`` from 1, ``height`` its y on the page if it says so."""

    title: str
    level: int
    page: int
    height: float | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """Bookmarks of the pages read; ``above`` are those that the first page stands under."""

    entries: Sequence[Entry]
    above: Sequence[Entry]

    @classmethod
    def of(cls, entries: Sequence[Entry], wanted: range) -> Outline:
        """Of too few bookmarks nothing is made: they are a cover and its back."""
        if len(entries) < _MIN_BOOKMARKS or not wanted:
            return cls((), ())
        above: list[Entry] = []
        for entry in entries:
            if entry.page < wanted[0]:
                above = [*(held for held in above if held.level < entry.level), entry]
        return cls([entry for entry in entries if entry.page in wanted], above)

    def __bool__(self) -> bool:
        return bool(self.entries or self.above)


def blocks_of(pages: Sequence[tuple[int, list[Line]]], outline: Outline) -> Iterator[list[Block]]:
    """The blocks of each page ``(number, lines)``.

    Headings are the document's own bookmarks; without them, short lines in larger type.
    A range that begins inside a chapter begins with the headings that it stands under.
    """
    sizes = {} if outline else _heading_sizes(line for _, lines in pages for line in lines)
    by_page: dict[int, list[Entry]] = {}
    for entry in outline.entries:
        by_page.setdefault(entry.page, []).append(entry)
    for position, (number, lines) in enumerate(pages):
        blocks = list(_page_blocks(lines, number, by_page.get(number, ()), sizes))
        if not position:
            blocks = [_heading(entry, number) for entry in outline.above] + blocks
        yield blocks


def _heading(entry: Entry, page: int) -> Block:
    return Block("heading", entry.title, level=min(entry.level, 6), page=page)


def _heading_sizes(lines: Iterable[Line]) -> dict[float, int]:
    """Sizes clearly above that of most characters, largest first, to levels 1-6."""
    weights: Counter[float] = Counter()
    for line in lines:
        weights[line.size] += len(line.text)
    weights.pop(0.0, None)
    if not weights:
        return {}
    body = weights.most_common(1)[0][0]
    larger = sorted((size for size in weights if size >= body * _HEADING_RATIO), reverse=True)
    return {size: min(level, 6) for level, size in enumerate(larger, start=1)}


def _page_blocks(
    lines: list[Line], page: int, entries: Sequence[Entry], sizes: dict[float, int]
) -> Iterator[Block]:
    marks, missing = _matched(lines, entries)
    pitch = _pitch(lines)
    group: list[Line] = []
    row = 0
    while row < len(lines):
        for entry in missing.get(row, ()):
            yield from _flush(group, page, sizes)
            yield _heading(entry, page)
        if row in marks:
            yield from _flush(group, page, sizes)
            entry, used = marks[row]
            title = _joined(lines[row : row + used])
            yield Block("heading", title, level=min(entry.level, 6), page=page)
            row += used
            continue
        line = lines[row]
        if group and _parts(group, line, pitch):
            yield from _flush(group, page, sizes)
        group.append(line)
        row += 1
    yield from _flush(group, page, sizes)
    for entry in missing.get(len(lines), ()):
        yield _heading(entry, page)


def _matched(
    lines: list[Line], entries: Sequence[Entry]
) -> tuple[dict[int, tuple[Entry, int]], dict[int, list[Entry]]]:
    """Where bookmarks' titles stand in the text ``{row: (entry, lines used)}``, and for those
    that do not, the row they come before."""
    marks: dict[int, tuple[Entry, int]] = {}
    missing: dict[int, list[Entry]] = {}
    plain = [_plain(line.text) for line in lines] if entries else []
    for entry in entries:
        wanted = _plain(entry.title)
        for row in range(len(lines)):
            if row not in marks and (used := _lines_used(plain, row, wanted)):
                marks[row] = (entry, used)
                break
        else:
            missing.setdefault(_row_below(lines, entry), []).append(entry)
    return marks, missing


def _lines_used(plain: list[str], row: int, wanted: str) -> int:
    """How many lines from here spell the title, a section number before it allowed; 0 if none."""
    text = ""
    for used, line in enumerate(plain[row : row + _MAX_HEADING_LINES], start=1):
        text += line
        extra = len(text) - len(wanted)
        if wanted and 0 <= extra <= _NUMBERING_CHARS and text.endswith(wanted):
            prefix = text[:extra]
            return used if not prefix or any(map(str.isdigit, prefix)) or extra <= 2 else 0
        if extra > _NUMBERING_CHARS:
            return 0
    return 0


def _row_below(lines: list[Line], entry: Entry) -> int:
    if entry.height is None:
        return 0
    return next((row for row, line in enumerate(lines) if 0 < line.bottom < entry.height), 0)


def _plain(text: str) -> str:
    return _NOISE.sub("", text.translate(_LIGATURES)).casefold()


def _pitch(lines: list[Line]) -> float:
    """The usual distance between lines of this page; 0 if it has none."""
    steps = [
        above.bottom - below.bottom
        for above, below in pairwise(lines)
        if above.size and 0 < above.bottom - below.bottom < 3 * above.size
    ]
    return median_low(steps) if steps else 0.0


def _parts(group: list[Line], line: Line, pitch: float) -> bool:
    """Whether ``line`` begins a new paragraph."""
    last = group[-1]
    if not last.size or not line.size:
        return False
    if max(last.size, line.size) > _SAME_SIZE * min(last.size, line.size):
        return True
    step = last.bottom - line.bottom
    if step < -last.size:  # the next column: a sentence may run on
        return bool(_SENTENCE_END.search(last.text)) or not line.text[:1].islower()
    if step > _PARAGRAPH_GAP * max(pitch, last.size):
        return True
    indented = line.left - min(held.left for held in group[-3:]) > line.size
    return indented and bool(_SENTENCE_END.search(last.text))


def _flush(group: list[Line], page: int, sizes: dict[float, int]) -> Iterator[Block]:
    if not group:
        return
    level = sizes.get(group[0].size, 0)
    text = _joined(group)
    if level and len(group) <= _MAX_HEADING_LINES and _titled(text):
        yield Block("heading", " ".join(text.split()), level=level, page=page)
    elif text.strip():
        yield Block("paragraph", text, page=page)
    group.clear()


def _titled(text: str) -> bool:
    """A heading has words; it is no bullet, no formula and no sentence."""
    if len(text) > _MAX_HEADING_CHARS or text.endswith((".", ",", ";")) or text[0].islower():
        return False
    return (text[0].isalnum() or text[0] in _OPENING) and sum(map(str.isalpha, text)) * 2 > len(
        text
    )


def _joined(group: Sequence[Line]) -> str:
    """Lines to running text: words cut by a hyphen are whole again; a line that ends early
    (a verse, an address, a table row) keeps its end."""
    edge = max(line.right for line in group)
    width = edge - min(line.left for line in group)
    parts: list[str] = []
    for above, line in zip([None, *group], group, strict=False):
        if above is not None:
            parts.append(_seam(parts, above, line, above.right < edge - width * (1 - _SHORT_LINE)))
        parts.append(line.text)
    text = "".join(parts).translate(_LIGATURES)
    return text.replace("\x02", "-").replace("\ufffe", "-")


def _tabular(text: str) -> bool:
    """Mostly figures: a row of a table, which keeps its line."""
    return sum(map(str.isdigit, text)) * 3 > len(text) - text.count(" ")


def _seam(parts: list[str], above: Line, line: Line, short: bool) -> str:
    before = parts[-1]
    if before.endswith(_HYPHENS) and before[-2:-1].isalpha() and line.text[:1].islower():
        parts[-1] = before[:-1]
        return ""
    if short or _tabular(above.text) or _tabular(line.text):
        return "\n"
    if _CJK.match(before[-1:]) and _CJK.match(line.text[:1]):
        return ""
    return " "
