"""PPTX: a slide is a page, its title a heading."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lxml import etree
from pptx import Presentation

from ragline.domain.chunks import Block, Extraction
from ragline.domain.pages import PageKind
from ragline.parsing.archives import office_package
from ragline.parsing.epub import parse_xml
from ragline.parsing.limits import MAX_DEPTH, Source, too_deep
from ragline.parsing.tables import table

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def extract(source: Source) -> Extraction:
    presentation = Presentation(io.BytesIO(office_package(source.data)))
    slides = list(presentation.slides)
    wanted = source.page_range(len(slides))
    authors = _authors(presentation)
    blocks: list[Block] = []
    kinds: dict[int, PageKind] = {}
    for number in wanted:
        source.check_time(number)
        slide = slides[number - 1]
        every = [*_slide(slide, number), *_comments(slide, number, authors)]
        found = [block for block in every if block.text.strip()]
        blocks += found
        kinds[number] = PageKind.TEXT if found else _without_text(slide)
    title = str(presentation.core_properties.title or "").strip()
    return Extraction(blocks, kinds, title)


def page_count(source: Source) -> int:
    return len(Presentation(io.BytesIO(office_package(source.data))).slides)


def _without_text(slide: Any) -> PageKind:
    return PageKind.IMAGE if len(slide.shapes) else PageKind.BLANK


def _slide(slide: Any, number: int) -> Iterator[Block]:
    title = slide.shapes.title
    if title is not None and (text := " ".join(title.text_frame.text.split())):
        yield Block("heading", text, level=1, page=number)
    heading_id = title.shape_id if title is not None else None
    for shape in _ordered(slide.shapes):
        if shape.shape_id != heading_id or not shape.is_placeholder:
            yield from _shape(shape, number)
    if slide.has_notes_slide:
        frame = slide.notes_slide.notes_text_frame
        if frame is not None and frame.text.strip():
            yield Block("paragraph", f"Notes: {_clean(frame.text)}", page=number)


def _ordered(shapes: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """Top to bottom, then left to right; the members of a group in its place."""
    if depth > MAX_DEPTH:
        raise too_deep(MAX_DEPTH)
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _ordered(shape.shapes, depth + 1)
        else:
            yield shape


def _shape(shape: Any, number: int) -> Iterator[Block]:
    if getattr(shape, "has_table", False) and shape.has_table:
        yield from _table(shape.table, number)
    elif getattr(shape, "has_chart", False) and shape.has_chart:
        yield from _chart(shape.chart, number)
    elif shape.has_text_frame:
        yield from _frame(shape.text_frame, number)


def _table(found: Any, number: int) -> Iterator[Block]:
    """A cell merged downwards is repeated in each row; one merged sideways names each of its
    columns in the header, which then has a second row."""
    cells = [list(row.cells) for row in found.rows]
    rows = [[cell.text for cell in row] for row in cells]
    heads = 2 if len(rows) > 2 and any(cell.span_width > 1 for cell in cells[0]) else 1
    for top, row in enumerate(cells):
        for left, cell in enumerate(row):
            if not cell.is_merge_origin:
                continue
            right = cell.span_width if top < heads else 1
            for down in rows[top : top + cell.span_height]:
                down[left : left + right] = [cell.text] * len(down[left : left + right])
    if block := table(rows, page=number, heads=heads):
        yield block


def _frame(frame: Any, number: int) -> Iterator[Block]:
    lines: list[str] = []
    counts: dict[int, int] = {}
    for paragraph in frame.paragraphs:
        text = " ".join(paragraph.text.split())
        if text:
            lines.append(f"{'  ' * paragraph.level}{_bullet(paragraph, counts)}{text}")
    if len(lines) == 1:
        yield Block("paragraph", lines[0].removeprefix("- "), page=number)
    elif lines:
        yield Block("list", "\n".join(lines), page=number)


def _bullet(paragraph: Any, counts: dict[int, int]) -> str:
    """``counts``: how far the numbering of each level has come in this frame."""
    properties = paragraph._p.pPr
    for deeper in [level for level in counts if level > paragraph.level]:
        del counts[deeper]
    numbered = properties.find(f"{_A}buAutoNum") if properties is not None else None
    if numbered is None:
        counts.pop(paragraph.level, None)
        return "" if properties is not None and properties.find(f"{_A}buNone") is not None else "- "
    start = numbered.get("startAt", "1")
    first = int(start) if start.isdecimal() and len(start) < 9 else 1
    counts[paragraph.level] = counts.get(paragraph.level, first - 1) + 1
    return f"{counts[paragraph.level]}. "


def _comments(slide: Any, number: int, authors: Mapping[str, str]) -> Iterator[Block]:
    """Of the old kind and the new, whose answers stand within."""
    for root in _related(slide.part, "/comments"):
        for comment in root.iter("{*}cm", "{*}reply"):
            said = comment.find("{*}text")
            holder = said if said is not None else comment.find("{*}txBody")
            text = "".join(map(str, holder.itertext())) if holder is not None else ""
            name = authors.get(comment.get("authorId", ""), "")
            if text.strip():
                by = f" by {name}" if name else ""
                yield Block("paragraph", f"Comment{by}: {_clean(text)}", page=number)


def _authors(presentation: Any) -> dict[str, str]:
    """Names of those who commented, by id."""
    return {
        author.get("id", ""): " ".join(author.get("name", "").split())
        for kind in ("/commentAuthors", "/authors")
        for root in _related(presentation.part, kind)
        for author in root.iter("{*}cmAuthor", "{*}author")
    }


def _related(part: Any, kind: str) -> Iterator[etree._Element]:
    for relationship in part.rels.values():
        if relationship.reltype.endswith(kind) and not relationship.is_external:
            target = relationship.target_part
            yield parse_xml(target.blob, str(target.partname))


def _chart(chart: Any, number: int) -> Iterator[Block]:
    """A chart as the table of its values; charts of a kind that has none are left out."""
    try:
        title = chart.chart_title.text_frame.text if chart.has_title else ""
        series = [(str(one.name or ""), list(one.values)) for one in chart.series]
        labels = [str(label) for label in chart.plots[0].categories]
    except (AttributeError, IndexError, KeyError, ValueError, NotImplementedError):
        return
    if title.strip():
        yield Block("paragraph", _clean(title), page=number)
    rows = [["", *(name for name, _ in series)]]
    for position in range(max((len(values) for _, values in series), default=0)):
        label = labels[position] if position < len(labels) else ""
        values = [row[position] if position < len(row) else None for _, row in series]
        rows.append([label, *("" if value is None else f"{value:g}" for value in values)])
    if block := table(rows, page=number):
        yield block


def _clean(text: str) -> str:
    lines = text.replace("\v", "\n").split("\n")
    return "\n".join(line for part in lines if (line := " ".join(part.split())))
