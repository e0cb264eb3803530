"""A document's own bookmarks, and where in the text of a page they stand. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragline.parsing.pdf.runs import Line

MAX_HEADING_LINES = 3
LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\xad": ""}
)
_MIN_BOOKMARKS = 3
_NUMBERING_CHARS = 12
_NOISE = re.compile(r"[\W_]+")


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


def matched(
    lines: Sequence[Line], entries: Sequence[Entry]
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
    for used, line in enumerate(plain[row : row + MAX_HEADING_LINES], start=1):
        text += line
        extra = len(text) - len(wanted)
        if wanted and 0 <= extra <= _NUMBERING_CHARS and text.endswith(wanted):
            prefix = text[:extra]
            return used if not prefix or any(map(str.isdigit, prefix)) or extra <= 2 else 0
        if extra > _NUMBERING_CHARS:
            return 0
    return 0


def _row_below(lines: Sequence[Line], entry: Entry) -> int:
    if entry.height is None:
        return 0
    return next((row for row, line in enumerate(lines) if 0 < line.bottom < entry.height), 0)


def _plain(text: str) -> str:
    return _NOISE.sub("", text.translate(LIGATURES)).casefold()
