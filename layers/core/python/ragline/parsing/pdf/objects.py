"""What is drawn on a page besides text, as PDFium lists it: rules and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import byref, c_float
from dataclasses import dataclass
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

_MAX_OBJECTS = 20_000
_MAX_PATHS = 4_000
"""Beyond it a page is a map or a drawing, whose lines rule no table."""

_MAX_POINTS = 400
_MAX_DEPTH = 3
_THIN = 3.0
_SHORTEST = 6.0
_DRAWING = 50
_PICTURE = 0.01

Matrix = tuple[float, float, float, float, float, float]


class Rule(NamedTuple):
    """A thin straight line, level or plumb, as its box."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def level(self) -> bool:
        return self.right - self.left >= self.top - self.bottom


@dataclass(slots=True)
class Pictures:
    """What else there is to see. ``covered``: the share of the page under its largest picture."""

    covered: float = 0.0
    paths: int = 0

    @property
    def drawn(self) -> bool:
        """Whether there is anything in which text may be seen."""
        return self.covered >= _PICTURE or self.paths >= _DRAWING


def look(page: Any, area: float) -> tuple[list[Rule], Pictures]:
    """``area`` is the page's, in square points."""
    rules: list[Rule] = []
    pictures = Pictures()
    for seen, (thing, kind, matrix) in enumerate(_objects(page)):
        if seen > _MAX_OBJECTS or pictures.paths > _MAX_PATHS:
            return [], pictures
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = _bounds(thing, matrix)
            share = (right - left) * (top - bottom) / area if area > 0 else 0.0
            pictures.covered = max(pictures.covered, share)
        elif kind in (pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_SHADING):
            pictures.paths += 1
            rules += _rules(thing, matrix)
    return rules, pictures


def _objects(page: Any) -> Iterator[tuple[Any, int, Matrix | None]]:
    for index in range(pdfium.FPDFPage_CountObjects(page)):
        yield from _unfolded(pdfium.FPDFPage_GetObject(page, index), None, 0)


def _unfolded(
    thing: Any, matrix: Matrix | None, depth: int
) -> Iterator[tuple[Any, int, Matrix | None]]:
    """The object, or those in it if it is a form."""
    kind = pdfium.FPDFPageObj_GetType(thing)
    if kind != pdfium.FPDF_PAGEOBJ_FORM:
        yield thing, kind, matrix
    elif depth < _MAX_DEPTH:
        within = _times(_matrix(thing), matrix)
        for index in range(pdfium.FPDFFormObj_CountObjects(thing)):
            yield from _unfolded(pdfium.FPDFFormObj_GetObject(thing, index), within, depth + 1)


def _rules(path: Any, matrix: Matrix | None) -> Iterator[Rule]:
    left, bottom, right, top = _bounds(path, matrix)
    wide, high = right - left, top - bottom
    if max(wide, high) < _SHORTEST:
        return
    if min(wide, high) <= _THIN:
        yield Rule(left, top, right, bottom)
        return
    count = pdfium.FPDFPath_CountSegments(path)
    if count <= _MAX_POINTS:
        yield from _sides(path, count, _times(_matrix(path), matrix))


def _sides(path: Any, count: int, matrix: Matrix | None) -> Iterator[Rule]:
    """The level and plumb lines of a path: a box, or a whole grid."""
    start = last = (0.0, 0.0)
    x, y = c_float(), c_float()
    for index in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(path, index)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = _moved(x.value, y.value, matrix)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            yield from _straight(last, point)
        last = point
        if pdfium.FPDFPathSegment_GetClose(segment):
            yield from _straight(point, start)


def _straight(one: tuple[float, float], other: tuple[float, float]) -> Iterator[Rule]:
    (left, right), (bottom, top) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    if min(right - left, top - bottom) <= 1 and max(right - left, top - bottom) >= _SHORTEST:
        yield Rule(left, top, right, bottom)


def _bounds(thing: Any, matrix: Matrix | None) -> tuple[float, float, float, float]:
    left, bottom, right, top = c_float(), c_float(), c_float(), c_float()
    if not pdfium.FPDFPageObj_GetBounds(thing, left, bottom, right, top):
        return 0.0, 0.0, 0.0, 0.0
    one = _moved(left.value, bottom.value, matrix)
    other = _moved(right.value, top.value, matrix)
    (x0, x1), (y0, y1) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    return x0, y0, x1, y1


def _matrix(thing: Any) -> Matrix | None:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(thing, byref(found)):
        return None
    return found.a, found.b, found.c, found.d, found.e, found.f


def _moved(x: float, y: float, matrix: Matrix | None) -> tuple[float, float]:
    if matrix is None:
        return x, y
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _times(inner: Matrix | None, outer: Matrix | None) -> Matrix | None:
    """First the inner, then the outer."""
    if inner is None or outer is None:
        return inner or outer
    a, b = _moved(inner[0], inner[1], (*outer[:4], 0.0, 0.0))
    c, d = _moved(inner[2], inner[3], (*outer[:4], 0.0, 0.0))
    e, f = _moved(inner[4], inner[5], outer)
    return a, b, c, d, e, f
