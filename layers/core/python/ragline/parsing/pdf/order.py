"""The order in which what stands on a page is read: columns, and what spans them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from ragline.parsing.pdf.grids import Grid
from ragline.parsing.pdf.runs import Run, usual

Row = list[Run] | Grid
"""Runs that stand side by side, from left to right, or a table."""

T = TypeVar("T")

_BIN = 2.0
_GUTTER = 6.0
_MAX_GUTTERS = 8
_MAX_DEPTH = 6
_LEAST_ROWS = 4
_PROSE_WIDTH = 7.0
_MAX_STRIPS = 3_000
"""A dense real page has some hundred lines. Beyond that the file's own order must do: what follows
compares each with many."""

_SAME_ROW = 0.5
_SMALLER, _RAISED = 0.85, 0.2
_NEXT_ROW = 2.2


@dataclass(slots=True)
class _Strip:
    """Runs that are set as one: what is raised or in other type parts no line."""

    runs: list[Run]
    left: float
    top: float
    right: float
    bottom: float
    size: float


_Thing = _Strip | Grid


def in_order(things: Sequence[Run | Grid], *, right_to_left: bool = False) -> list[Row]:
    """``things`` come in the order in which the file draws them; it decides where space does not.

    Columns are where a gutter parts rows of prose; rows across it are read when they come.
    """
    strips = _strips(things)
    if len(strips) > _MAX_STRIPS:
        return [[*one.runs] if isinstance(one, _Strip) else one for one in strips]
    rows: list[Row] = []
    for column in _columns(strips, right_to_left, 0):
        for block in _cut(_blocks(column), right_to_left, 0):
            rows += block
    return rows


def _strips(things: Sequence[Run | Grid]) -> list[_Thing]:
    strips: list[_Thing] = []
    for one in things:
        if isinstance(one, Grid):
            strips.append(one)
            continue
        last = strips[-1] if strips else None
        if isinstance(last, _Strip) and _beside(last.runs[-1], one) and _close(last, one):
            last.runs.append(one)
            last.left, last.right = min(last.left, one.left), max(last.right, one.right)
            last.top, last.bottom = max(last.top, one.top), min(last.bottom, one.bottom)
        else:
            strips.append(_Strip([one], one.left, one.top, one.right, one.bottom, one.size))
    return strips


def _close(strip: _Strip, run: Run) -> bool:
    gap = max(run.left - strip.right, strip.left - run.right)
    return gap < max(strip.size, run.size)


def _columns(things: list[_Thing], right_to_left: bool, depth: int) -> Iterator[list[_Thing]]:
    gutter = _gutter(things) if depth < _MAX_DEPTH else None
    if gutter is None:
        yield things
        return
    for band, one_sided in _bands(things, gutter):
        if one_sided:
            yield from (
                _columns(band, right_to_left, depth + 1) if len(band) < len(things) else [band]
            )
            continue
        sides = [[one for one in band if _middle(one) < gutter]]
        sides.append([one for one in band if _middle(one) >= gutter])
        for side in reversed(sides) if right_to_left else sides:
            yield from _columns(side, right_to_left, depth + 1)


def _gutter(things: Sequence[_Thing]) -> float | None:
    """The x that parts most rows of prose into two columns; None if there are none."""
    best, most = None, 0
    for x in _candidates(things):
        rows = sum(_prose_rows(band, x) for band, one_sided in _bands(things, x) if not one_sided)
        if rows > most:
            best, most = x, rows
    return best


def _candidates(things: Sequence[_Thing]) -> list[float]:
    """Middles of the strips that fewer things cross than stand on either side, widest first."""
    if len(things) < 2 * _LEAST_ROWS:
        return []
    start = min(one.left for one in things)
    bins = int((max(one.right for one in things) - start) / _BIN) + 2
    if bins > 5_000:
        return []
    steps = [0] * (bins + 1)
    for one in things:
        steps[int((one.left - start) / _BIN)] += 1
        steps[int((one.right - start) / _BIN) + 1] -= 1
    cover: list[int] = []
    for step in steps[:bins]:
        cover.append((cover[-1] if cover else 0) + step)
    strips: list[tuple[float, float]] = []
    place = 0
    for count, group in groupby(cover):
        width = len(list(group))
        sides = min(max(cover[:place], default=0), max(cover[place + width :], default=0))
        if count < 0.7 * sides and width * _BIN >= _GUTTER:
            strips.append((width, start + (place + width / 2) * _BIN))
        place += width
    return [x for _, x in sorted(strips, reverse=True)[:_MAX_GUTTERS]]


def _bands(things: Sequence[_Thing], gutter: float) -> list[tuple[list[_Thing], bool]]:
    """From top to bottom: what crosses the gutter ``(things, True)``, what stands beside it."""
    crossing = [one for one in things if one.left < gutter < one.right]
    if not crossing:
        return [(list(things), False)]
    crossing.sort(key=lambda one: -one.top)
    levels = [one.top for one in crossing]
    bands: list[tuple[list[_Thing], bool]] = []
    places: dict[int, list[_Thing]] = {}
    for one in things:
        if not one.left < gutter < one.right:
            middle = (one.top + one.bottom) / 2
            places.setdefault(sum(level > middle for level in levels), []).append(one)
    spanning: list[_Thing] = []
    for index in range(len(crossing) + 1):
        if index in places:
            if spanning:
                bands.append((spanning, True))
                spanning = []
            bands.append((places[index], False))
        if index < len(crossing):
            spanning.append(crossing[index])
    if spanning:
        bands.append((spanning, True))
    return bands


def _prose_rows(band: Sequence[_Thing], gutter: float) -> int:
    """How many rows of prose stand on each side at least; 0 if that is too few for columns."""
    least = 10_000
    extents: list[tuple[float, float]] = []
    for side in (
        [one for one in band if one.right <= gutter],
        [one for one in band if one.left >= gutter],
    ):
        runs = [one for one in side if isinstance(one, _Strip)]
        if len(runs) < _LEAST_ROWS:
            return 0
        if usual([one.right - one.left for one in runs]) < _PROSE_WIDTH * usual(
            [one.size for one in runs]
        ):
            return 0
        least = min(least, len(runs))
        extents.append((min(one.bottom for one in side), max(one.top for one in side)))
    (low, high), (bottom, top) = extents
    beside = min(high, top) - max(low, bottom)
    return least if beside > 0.5 * min(high - low, top - bottom) else 0


def _blocks(things: Sequence[_Thing]) -> list[list[Row]]:
    """Rows that the file draws one below the other."""
    blocks: list[list[Row]] = []
    for thing in things:
        if isinstance(thing, Grid):
            blocks.append([thing])
            continue
        last = blocks[-1][-1] if blocks else None
        runs = sorted(thing.runs, key=lambda one: one.left)
        if isinstance(last, list) and _beside(last[-1], runs[0]):
            last += runs
            last.sort(key=lambda one: one.left)
        elif isinstance(last, list) and _below(last, thing):
            blocks[-1].append(runs)
        else:
            blocks.append([runs])
    return blocks


def _beside(one: Run, other: Run) -> bool:
    """Whether two runs are of one row; what is raised or lowered is set smaller."""
    shared = min(one.top, other.top) - max(one.bottom, other.bottom)
    within = min(one.right, other.right) - max(one.left, other.left)
    if within > _SAME_ROW * min(one.right - one.left, other.right - other.left):
        return False
    unlike = min(one.size, other.size) < _SMALLER * max(one.size, other.size)
    least = _RAISED if unlike else _SAME_ROW
    return shared > least * min(one.top - one.bottom, other.top - other.bottom)


def _below(row: list[Run], run: _Strip) -> bool:
    """Whether a run is drawn as the next row of a paragraph: close, and not beside it."""
    bottom, left, right = _bottom(row), _left(row), _right(row)
    step = bottom - run.bottom
    near = 0 < step < _NEXT_ROW * max(run.size, row[0].size)
    return near and run.left < right and run.right > left


def _cut(blocks: list[list[Row]], right_to_left: bool, depth: int) -> list[list[Row]]:
    """By what is above what, then by what is beside what, then as the file has it."""
    if len(blocks) < 2 or depth > 2 * _MAX_DEPTH:
        return blocks
    stacked = _parted(blocks, lambda one: (-_above(one), -_under(one)))
    if len(stacked) > 1:
        return [block for part in stacked for block in _cut(part, right_to_left, depth + 1)]
    beside = _parted(blocks, lambda one: (min(map(_left, one)) + 1, max(map(_right, one)) - 1))
    if len(beside) > 1:
        if right_to_left:
            beside.reverse()
        return [block for part in beside for block in _cut(part, right_to_left, depth + 1)]
    return blocks


def _parted(
    blocks: list[list[Row]], extent: Callable[[list[Row]], tuple[float, float]]
) -> list[list[list[Row]]]:
    """Groups between which nothing extends, in ascending order; in a group as before."""
    extents = {id(block): extent(block) for block in blocks}
    groups: list[list[list[Row]]] = []
    end = 0.0
    for block in sorted(blocks, key=lambda one: extents[id(one)][0]):
        start, stop = extents[id(block)]
        if not groups or start >= end:
            groups.append([])
            end = stop
        groups[-1].append(block)
        end = max(end, stop)
    places = {id(block): index for index, block in enumerate(blocks)}
    return [sorted(group, key=lambda one: places[id(one)]) for group in groups]


def _middle(one: _Thing) -> float:
    return (one.left + one.right) / 2


def _above(block: list[Row]) -> float:
    return max(_top(row) for row in block) - 1


def _under(block: list[Row]) -> float:
    return min(_bottom(row) for row in block) + 1


def _top(row: Row) -> float:
    return row.top if isinstance(row, Grid) else max(run.top for run in row)


def _bottom(row: Row) -> float:
    return row.bottom if isinstance(row, Grid) else min(run.bottom for run in row)


def _left(row: Row) -> float:
    return row.left if isinstance(row, Grid) else min(run.left for run in row)


def _right(row: Row) -> float:
    return row.right if isinstance(row, Grid) else max(run.right for run in row)
