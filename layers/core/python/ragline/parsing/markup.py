"""XML of any vocabulary: what its elements say, under their names."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ragline.domain.chunks import Block, Extraction
from ragline.parsing.epub import parse_xml
from ragline.parsing.limits import Source, check_elements

_CHECK_EVERY = 5_000
_SAID = (etree.Element, etree.Entity)
"""Comments and instructions say nothing; an entity is left as it is written (``&name;``)."""


def extract(source: Source) -> Extraction:
    """Neighbouring elements that hold text are a paragraph of lines ``name: text``; an element with
    text of its own around others is a paragraph."""
    data = source.data
    check_elements(data.count(b"<") - data.count(b"</"), "This file")
    root = parse_xml(data, source.filename or "file")
    blocks = list(_blocks(root, source))
    title = root.findtext(".//{*}title") or ""
    return Extraction(blocks, title=" ".join(title.split()))


def _blocks(root: etree._Element, source: Source) -> Iterator[Block]:
    lines: list[str] = []
    stack: list[Iterator[etree._Element]] = [iter([root])]
    count = 0
    while stack:
        element = next(stack[-1], None)
        count += 1
        if count % _CHECK_EVERY == 0:
            source.check_time()
        if element is None:
            stack.pop()
        elif not isinstance(element.tag, str):  # a comment or an instruction
            continue
        elif len(element) and not _is_mixed(element):
            stack.append(element.iterchildren())
        elif text := " ".join("".join(map(str, element.itertext(*_SAID))).split()):
            if not len(element):
                lines.append(f"{etree.QName(element).localname}: {text}")
                continue
            yield from _flushed(lines)
            yield Block("paragraph", text)
            continue
        else:
            continue
        yield from _flushed(lines)
    yield from _flushed(lines)


def _flushed(lines: list[str]) -> Iterator[Block]:
    if lines:
        yield Block("paragraph", "\n".join(lines))
        lines.clear()


def _is_mixed(element: etree._Element) -> bool:
    """Whether text of its own stands around the elements in it."""
    return bool((element.text or "").strip()) or any(
        (child.tail or "").strip() for child in element
    )
