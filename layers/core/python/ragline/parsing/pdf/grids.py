"""Tables by their rules: where lines cross, cells are. Pure.

Only what is ruled is taken for a table: of columns that are merely set apart, too many are none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ragline.parsing.pdf.objects import Rule
from ragline.parsing.pdf.runs import Run, Span, is_right_to_left, line_of

_SNAP = 3.0
"""Points: what is drawn as one line often lies a little apart."""

_MAX_LINES = 400
_MAX_RUNS = 5_000
_MAX_SLOTS = 20_000
_MAX_CELL_CHARS = 800
_LEAST_FILLED = 0.25


@dataclass(slots=True)
class Grid:
    """A table: its box, the text of its cells by row, and the x of its columns' edges."""

    left: float
    top: float
    right: float
    bottom: float
    rows: list[list[str]]
    edges: tuple[float, ...]


@dataclass(slots=True)
class _Frame:
    """Rules that hang together: ``xs`` ascending, ``ys`` descending."""

    xs: list[float]
    ys: list[float]
    level: list[Rule]
    plumb: list[Rule]

    def slot(self, x: float, y: float) -> tuple[int, int] | None:
        """``(row, column)`` of a point; None outside."""
        column = bisect_right(self.xs, x) - 1
        row = bisect_right([-one for one in self.ys], -y) - 1
        inside = 0 <= column < len(self.xs) - 1 and 0 <= row < len(self.ys) - 1
        return (row, column) if inside else None


def take_grids(runs: Sequence[Run], rules: Sequence[Rule]) -> tuple[list[Grid], list[Run]]:
    """The tables, and the runs that are in none."""
    grids: list[Grid] = []
    rest = list(runs)
    if len(rest) > _MAX_RUNS:
        return [], rest
    for frame in _frames(rules):
        grid, others = _filled(frame, rest)
        if grid is not None:
            grids.append(grid)
            rest = others
    return grids, rest


def _frames(rules: Sequence[Rule]) -> Iterable[_Frame]:
    level = _joined([rule for rule in rules if rule.level])
    plumb = [_tipped(rule) for rule in _joined([_tipped(one) for one in rules if not one.level])]
    if not 2 <= len(level) <= _MAX_LINES or not 1 <= len(plumb) <= _MAX_LINES:
        return
    for group in _touching(level, plumb):
        across = [rule for rule in group if rule.level]
        down = [rule for rule in group if not rule.level]
        xs = _distinct([(one.left + one.right) / 2 for one in down] + _ends(across))
        ys = _distinct([(one.top + one.bottom) / 2 for one in across] + _heights(down))
        if len(xs) > 2 and len(ys) > 2 and len(xs) * len(ys) <= _MAX_SLOTS:
            yield _Frame(xs, ys[::-1], across, down)


def _ends(across: Sequence[Rule]) -> list[float]:
    """A table open at its sides ends where its level rules do."""
    return [min(one.left for one in across), max(one.right for one in across)] if across else []


def _heights(down: Sequence[Rule]) -> list[float]:
    return [min(one.bottom for one in down), max(one.top for one in down)] if down else []


def _tipped(rule: Rule) -> Rule:
    """x and y changed round."""
    return Rule(rule.bottom, rule.right, rule.top, rule.left)


def _joined(rules: Sequence[Rule]) -> list[Rule]:
    """Level rules at one height that meet or overlap become one."""
    joined: list[Rule] = []
    for rule in sorted(rules, key=lambda one: (round((one.top + one.bottom) / _SNAP), one.left)):
        last = joined[-1] if joined else None
        if last and abs(last.top - rule.top) <= _SNAP and rule.left <= last.right + _SNAP:
            joined[-1] = Rule(last.left, last.top, max(last.right, rule.right), last.bottom)
        else:
            joined.append(rule)
    return joined


def _touching(level: Sequence[Rule], plumb: Sequence[Rule]) -> Iterable[list[Rule]]:
    """Rules in groups that are connected by crossing one another."""
    parents = list(range(len(level) + len(plumb)))

    def root(one: int) -> int:
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = parents[one]
        return one

    for below, down in enumerate(plumb, start=len(level)):
        for index, across in enumerate(level):
            if _cross(across, down):
                parents[root(below)] = root(index)
    groups: dict[int, list[Rule]] = {}
    for index, rule in enumerate([*level, *plumb]):
        groups.setdefault(root(index), []).append(rule)
    return groups.values()


def _cross(across: Rule, down: Rule) -> bool:
    x, y = (down.left + down.right) / 2, (across.top + across.bottom) / 2
    return (
        across.left - _SNAP <= x <= across.right + _SNAP
        and down.bottom - _SNAP <= y <= down.top + _SNAP
    )


def _distinct(values: Iterable[float]) -> list[float]:
    distinct: list[float] = []
    for value in sorted(values):
        if not distinct or value - distinct[-1] > _SNAP:
            distinct.append(value)
    return distinct


def _filled(frame: _Frame, runs: Sequence[Run]) -> tuple[Grid | None, list[Run]]:
    """The frame with its text; None if it is rather a box, a chart or a page's layout."""
    owners = _owners(frame)
    held: dict[tuple[int, int], list[Run]] = {}
    rest: list[Run] = []
    for run in runs:
        rest += _dealt(frame, owners, run, held)
    cells = {slot: _cell_text(parts) for slot, parts in held.items()}
    rows, columns = {row for row, _ in cells}, {column for _, column in cells}
    slots = len(set(owners.values()))
    if len(rows) < 2 or len(columns) < 2 or len(cells) < _LEAST_FILLED * slots:
        return None, list(runs)
    if max(map(len, cells.values())) > _MAX_CELL_CHARS:
        return None, list(runs)
    table = [
        [cells.get((row, column), "") for column in range(len(frame.xs) - 1)]
        for row in range(len(frame.ys) - 1)
    ]
    if is_right_to_left("".join(cells.values())):
        table = [row[::-1] for row in table]
    edges = tuple(round(x) for x in frame.xs)
    return Grid(frame.xs[0], frame.ys[0], frame.xs[-1], frame.ys[-1], table, edges), rest


def _dealt(
    frame: _Frame,
    owners: dict[tuple[int, int], tuple[int, int]],
    run: Run,
    held: dict[tuple[int, int], list[Run]],
) -> list[Run]:
    """Give a run's characters to the cells that they stand in; returns what stands outside."""
    middle = (run.top + run.bottom) / 2
    beside = run.right < frame.xs[0] or run.left > frame.xs[-1]
    if beside or not frame.ys[-1] <= middle <= frame.ys[0]:
        return [run]
    outside: list[Run] = []
    for cell, spans in groupby(run.spans, key=lambda one: _cell_at(frame, owners, one, middle)):
        part = run.part(list(spans))
        if part.text.strip():
            (outside if cell is None else held.setdefault(cell, [])).append(part)
    return outside


def _cell_at(
    frame: _Frame, owners: dict[tuple[int, int], tuple[int, int]], span: Span, y: float
) -> tuple[int, int] | None:
    slot = frame.slot((span.left + span.right) / 2, y)
    return owners[slot] if slot else None


def _owners(frame: _Frame) -> dict[tuple[int, int], tuple[int, int]]:
    """Slot → the first slot of the cell that it belongs to: no rule parts it from its neighbour."""
    owners: dict[tuple[int, int], tuple[int, int]] = {}
    plumb, level = _by_place(frame, plumb=True), _by_place(frame, plumb=False)
    for row in range(len(frame.ys) - 1):
        middle = (frame.ys[row] + frame.ys[row + 1]) / 2
        for column in range(len(frame.xs) - 1):
            center = (frame.xs[column] + frame.xs[column + 1]) / 2
            owner = (row, column)
            if column and not any(one.bottom <= middle <= one.top for one in plumb[column]):
                owner = owners[row, column - 1]
            elif row and not any(one.left <= center <= one.right for one in level[row]):
                owner = owners[row - 1, column]
            owners[row, column] = owner
    return owners


def _by_place(frame: _Frame, *, plumb: bool) -> list[list[Rule]]:
    """The rules at each of ``xs``, or of ``ys``."""
    places = frame.xs if plumb else frame.ys
    found: list[list[Rule]] = [[] for _ in places]
    for rule in frame.plumb if plumb else frame.level:
        at = (rule.left + rule.right) / 2 if plumb else (rule.top + rule.bottom) / 2
        found[min(range(len(places)), key=lambda index: abs(places[index] - at))].append(rule)
    return found


def _cell_text(parts: list[Run]) -> str:
    """A cell's lines, one after the other."""
    lines: list[list[Run]] = []
    for part in sorted(parts, key=lambda one: -one.top):
        if lines and (part.top + part.bottom) / 2 > lines[-1][0].bottom:
            lines[-1].append(part)
        else:
            lines.append([part])
    rows = (sorted(line, key=lambda one: one.left) for line in lines)
    return " ".join(line_of(row).text for row in rows).replace("\x02 ", "").strip()
