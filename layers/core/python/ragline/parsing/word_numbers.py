"""The numbers and bullets of DOCX paragraphs, which Word does not write into their text.

ECMA-376 part 1, 17.9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxml import etree

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PLACE = re.compile(r"%([1-9])")
_LEVELS = 9
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"))
_ROMAN_LOW = ((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))
_BULLET = "-"


@dataclass(frozen=True, slots=True)
class _Level:
    start: int = 1
    format: str = "decimal"
    text: str = ""
    style: str = ""


@dataclass(slots=True)
class _List:
    """An abstract list: its levels, and how far each has counted."""

    levels: dict[int, _Level]
    counts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Labels of numbered paragraphs, asked for in the order of the document."""

    def __init__(self, root: etree._Element | None) -> None:
        self._lists: dict[str, _List] = {}
        self._abstract: dict[str, str] = {}
        self._overrides: dict[str, dict[int, int]] = {}
        if root is not None:
            self._read(root)

    def label(self, number_id: str, level: int) -> str:
        """``1.``, ``a)``, ``2.1`` ...; ``-`` for a bullet; '' for a list that is not known.

        Counts: each call is one more paragraph of the list.
        """
        found = self._lists.get(self._abstract.get(number_id, ""))
        if found is None:
            return ""
        starts = self._overrides.pop(number_id, {})
        for at, start in starts.items():
            found.counts[at] = start - 1
        here = found.levels.get(level, _Level(format="bullet"))
        found.counts[level] = found.counts.get(level, here.start - 1) + 1
        for deeper in range(level + 1, _LEVELS):
            found.counts.pop(deeper, None)
        if here.format == "bullet":
            return _BULLET
        return _PLACE.sub(lambda place: self._shown(found, int(place[1]) - 1), here.text).strip()

    def level_of(self, number_id: str, style: str) -> int:
        """The level that a list keeps for a paragraph style; 0 if it keeps none."""
        found = self._lists.get(self._abstract.get(number_id, ""))
        levels = found.levels if found else {}
        return next((at for at, level in levels.items() if level.style == style), 0)

    def _shown(self, found: _List, at: int) -> str:
        level = found.levels.get(at, _Level())
        return numeral(found.counts.get(at, level.start), level.format)

    def _read(self, root: etree._Element) -> None:
        linked: dict[str, str] = {}
        named: dict[str, str] = {}
        for abstract in root.iterchildren(_W + "abstractNum"):
            key = abstract.get(_W + "abstractNumId", "")
            self._lists[key] = _List({_at(one): _level(one) for one in abstract.iter(_W + "lvl")})
            if link := _value(abstract, "numStyleLink"):
                linked[key] = link
            if name := _value(abstract, "styleLink"):
                named[name] = key
        for number in root.iterchildren(_W + "num"):
            key = number.get(_W + "numId", "")
            abstract_id = _value(number, "abstractNumId")
            self._abstract[key] = named.get(linked.get(abstract_id, ""), abstract_id)
            self._overrides[key] = {
                _at(one): int(start)
                for one in number.iterchildren(_W + "lvlOverride")
                if (start := _value(one, "startOverride")).isdecimal()
            }


def numeral(number: int, format: str) -> str:
    """A count as Word shows it; formats of other scripts as plain digits."""
    match format:
        case "none":
            return ""
        case "decimalZero":
            return f"{number:02}"
        case "lowerLetter" | "upperLetter" if number > 0:
            letters = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 9)
            return letters.upper() if format == "upperLetter" else letters
        case "lowerRoman" | "upperRoman" if 0 < number < 4000:
            roman = ""
            for value, sign in _ROMAN + _ROMAN_LOW:
                roman += sign * (number // value)
                number %= value
            return roman.upper() if format == "upperRoman" else roman
        case _:
            return str(number)


def _level(element: etree._Element) -> _Level:
    start = _value(element, "start")
    return _Level(
        int(start) if start.isdecimal() and len(start) < 9 else 1,
        _value(element, "numFmt") or "decimal",
        _value(element, "lvlText"),
        _value(element, "pStyle"),
    )


def _at(element: etree._Element) -> int:
    level = element.get(_W + "ilvl", "")
    return int(level) if level.isdecimal() and len(level) == 1 else 0


def _value(element: etree._Element, child: str) -> str:
    found = element.find(_W + child)
    return found.get(_W + "val", "") if found is not None else ""
