"""PPTX: a slide is a page, its title a heading."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from pptx import Presentation

from ragline.domain.chunks import Block, Extraction
from ragline.domain.pages import PageKind
from ragline.parsing.archives import office_package
from ragline.parsing.limits import MAX_DEPTH, Source, too_deep
from ragline.parsing.tables import table


def extract(source: Source) -> Extraction:
    presentation = Presentation(io.BytesIO(office_package(source.data)))
    slides = list(presentation.slides)
    wanted = source.page_range(len(slides))
    blocks: list[Block] = []
    kinds: dict[int, PageKind] = {}
    for number in wanted:
        source.check_time(number)
        found = [block for block in _slide(slides[number - 1], number) if block.text.strip()]
        blocks += found
        kinds[number] = PageKind.TEXT if found else _without_text(slides[number - 1])
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
        rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
        if block := table(rows, page=number):
            yield block
    elif getattr(shape, "has_chart", False) and shape.has_chart:
        yield from _chart(shape.chart, number)
    elif shape.has_text_frame:
        yield from _frame(shape.text_frame, number)


def _frame(frame: Any, number: int) -> Iterator[Block]:
    lines = [
        (paragraph.level, text)
        for paragraph in frame.paragraphs
        if (text := " ".join(paragraph.text.split()))
    ]
    if len(lines) == 1:
        yield Block("paragraph", lines[0][1], page=number)
    elif lines:
        items = [f"{'  ' * level}- {text}" for level, text in lines]
        yield Block("list", "\n".join(items), page=number)


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
