"""What the styles and properties of DOCX paragraphs mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lxml import etree

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING = re.compile(r"heading ([1-9])$")
_MAX_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Meaning:
    """A heading's level or 0; whether it is a list; which list numbers it, and at which level."""

    level: int = 0
    listed: bool = False
    number_id: str = ""
    depth: int | None = None


class Styles:
    """What paragraph styles mean."""

    def __init__(self, document: Any) -> None:
        self._elements = {
            element.get(_W + "styleId"): element
            for element in document.styles.element.iterchildren(_W + "style")
        }
        self._known: dict[str | None, Meaning] = {None: Meaning()}

    def meaning(self, style_id: str | None) -> Meaning:
        """Inherited along ``basedOn``."""
        chain: list[str | None] = []
        while style_id not in self._known and style_id not in chain:
            chain.append(style_id)
            element = self._elements.get(style_id)
            own = self._own(element) if element is not None else Meaning()
            if own != Meaning() or element is None:
                self._known[style_id] = own
                break
            style_id = value(element, "basedOn")
        found = self._known.get(style_id, Meaning())
        for link in chain:
            self._known[link] = found
        return found

    def _own(self, style: etree._Element) -> Meaning:
        name = (value(style, "name") or "").lower()
        properties = style.find(_W + "pPr")
        number_id, depth = numbered(properties)
        if heading := _HEADING.match(name):
            return Meaning(min(int(heading.group(1)), _MAX_LEVEL), False, number_id, depth)
        if name == "title":
            return Meaning(1)
        level = outline_level(properties) if properties is not None else 0
        listed = not level and (bool(number_id) or name.startswith("list "))
        return Meaning(level, listed, number_id, depth)


def value(element: etree._Element, child: str) -> str | None:
    found = element.find(_W + child)
    return found.get(_W + "val") if found is not None else None


def outline_level(properties: etree._Element) -> int:
    """1-6; 0 for body text, which Word writes as outline level 9."""
    level = value(properties, "outlineLvl") or ""
    return int(level) + 1 if level.isdecimal() and int(level) < _MAX_LEVEL else 0


def numbered(properties: etree._Element | None) -> tuple[str, int | None]:
    """The list that paragraph properties name, and the level in it; ``0`` says that it is none."""
    numbering = properties.find(_W + "numPr") if properties is not None else None
    if numbering is None:
        return "", None
    depth = value(numbering, "ilvl") or ""
    return value(numbering, "numId") or "", min(int(depth), 8) if depth.isdecimal() else None
