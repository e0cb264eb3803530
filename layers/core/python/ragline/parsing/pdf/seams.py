"""Lines to running text: what becomes of a line's end. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ragline.parsing.pdf.outline import LIGATURES
from ragline.parsing.pdf.runs import CUT, Line

_SHORT_LINE = 0.75
_HYPHENS = (CUT, "\ufffe", "-", "\u2010", "\xad")
_SHOWN = str.maketrans({CUT: "-", "\ufffe": "-"})
_CJK = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
_LAST = re.compile(r"([^\W\d_]{1,80})[-\u2010\x02\ufffe\xad]$")
_FIRST = re.compile(r"[^\W\d_]+")
_LEAST_SPACED = 0.1
_WHOLE = 4
_NEAR = 4


@dataclass(frozen=True, slots=True)
class Seams:
    """What the document itself says of its line ends.

    ``words``: those within its lines, lower case, compounds with their hyphens. ``spaced``: lines
    of Korean that end with a word end with a space, so one that does not is cut within a word.
    """

    words: frozenset[str]
    spaced: bool = False

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Seams:
        words: set[str] = set()
        korean = spaced = 0
        cut = False
        for line in lines:
            found = _WORD.findall(line.text.casefold())
            was_cut, cut = cut, line.text.endswith(_HYPHENS)
            words.update(found[was_cut : len(found) - cut])
            if _HANGUL.match(line.text[-1:]):
                korean += 1
                spaced += line.spaced
        return cls(frozenset(words), bool(korean) and spaced > _LEAST_SPACED * korean)

    def joined(self, group: Sequence[Line], turn: int = 0) -> tuple[str, int]:
        """The text of a group of lines, and where in it line ``turn`` begins (0: it has none).

        Words cut by a hyphen are whole again; a line that ends early (a verse, an address, a table
        row) keeps its end.
        """
        text, place = "", 0
        above: Line | None = None
        for row, line in enumerate(group):
            if above is not None:
                text = self._ended(text, above, line, _is_short(group, row - 1))
            if row and row == turn:
                place = len(text)
            text += line.text.translate(LIGATURES)
            above = line
        return text.translate(_SHOWN), place

    def _ended(self, text: str, above: Line, line: Line, short: bool) -> str:
        """The text so far with what stands between it and the next line."""
        if text.endswith(_HYPHENS) and text[-2:-1].isalpha() and line.text[:1].islower():
            return text if self._compound(text, line.text) else text[:-1]
        if short or _tabular(above.text) or _tabular(line.text):
            return text + "\n"
        if _CJK.match(text[-1:]) and _CJK.match(line.text[:1]):
            return text
        if (
            self.spaced
            and not above.spaced
            and _HANGUL.match(text[-1:])
            and _HANGUL.match(line.text[:1])
        ):
            return text
        return text + " "

    def _compound(self, text: str, following: str) -> bool:
        """Whether a hyphen at a line's end is the word's own, by how the document writes it
        elsewhere: ``open-domain`` once, or both its halves as words but never the two as one."""
        last, first = _LAST.search(text), _FIRST.match(following)
        if last is None or first is None:
            return False
        one, other = last.group(1).casefold(), first.group().casefold()
        if len(one) == 1 or f"{one}-{other}" in self.words:
            return True
        if one + other in self.words or min(len(one), len(other)) < _WHOLE:
            return False
        return one in self.words and other in self.words


def _is_short(group: Sequence[Line], row: int) -> bool:
    """Whether a line ends long before its neighbours of the same column do."""
    one = group[row]
    near = group[max(0, row - _NEAR) : row + _NEAR + 1]
    column = [line for line in near if line.left <= one.right and line.right >= one.left]
    right, left = max(line.right for line in column), min(line.left for line in column)
    return one.right < right - (right - left) * (1 - _SHORT_LINE)


def _tabular(text: str) -> bool:
    """Mostly figures: a row of a table, which keeps its line."""
    return sum(map(str.isdigit, text)) * 3 > len(text) - text.count(" ")
