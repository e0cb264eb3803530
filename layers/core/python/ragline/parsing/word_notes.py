"""What stands beside the body of a DOCX: notes, comments, running heads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from docx.opc.constants import RELATIONSHIP_TYPE as RELATED
from lxml import etree

from ragline.domain.chunks import Block
from ragline.parsing.epub import parse_xml

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_P = _W + "p"
_NOTES = (
    (RELATED.FOOTNOTES, "footnote", "Footnote"),
    (RELATED.ENDNOTES, "endnote", "Endnote"),
    (RELATED.COMMENTS, "comment", "Comment"),
)
_WORD = re.compile(r"[^\W\d_]+")
_OF_PAGE_NUMBERS = frozenset({"page", "p", "of", "seite", "s", "von", "pagina", "página", "de"})

Text = Callable[[etree._Element], str]


class Notes:
    """Notes and comments, each given once: after the paragraph that refers to it first."""

    def __init__(self, document: Any, text: Text) -> None:
        self._waiting: dict[tuple[str, str], str] = {}
        for relation, name, label in _NOTES:
            for root in related(document, relation):
                for note in root.iterchildren(_W + name):
                    if note.get(_W + "type") in (None, "normal"):
                        self._waiting[name, note.get(_W + "id", "")] = _said(note, label, text)

    def of(self, element: etree._Element) -> Iterator[Block]:
        """Those that a paragraph or table refers to, in its order."""
        if not self._waiting:
            return
        for _, name, _ in _NOTES:
            for reference in element.iter(f"{_W}{name}Reference"):
                said = self._waiting.pop((name, reference.get(_W + "id", "")), "")
                if said:
                    yield Block("paragraph", said)


def _said(note: etree._Element, label: str, text: Text) -> str:
    said = text(note).strip()
    author = " ".join((note.get(_W + "author") or "").split())
    return f"{label}{f' by {author}' if author else ''}: {said}" if said else ""


def running_heads(document: Any, text: Text) -> Iterator[Block]:
    """Headers and footers, each text once; page numbers alone are left out."""
    seen: set[str] = set()
    for relation, label in ((RELATED.HEADER, "Header"), (RELATED.FOOTER, "Footer")):
        for root in related(document, relation):
            said = "\n".join(line for one in root.iter(_P) if (line := text(one)))
            words = set(_WORD.findall(said.casefold()))
            if said not in seen and words - _OF_PAGE_NUMBERS:
                seen.add(said)
                yield Block("paragraph", f"{label}: {said}")


def related(document: Any, relation: str) -> Iterator[etree._Element]:
    """The XML of the parts that the body stands in this relation to."""
    for relationship in document.part.rels.values():
        if relationship.reltype == relation and not relationship.is_external:
            part = relationship.target_part
            yield parse_xml(part.blob, str(part.partname))
