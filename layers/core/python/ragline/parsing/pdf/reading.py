"""What PDFium says of one page: its characters in runs, its rules, its pictures."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from statistics import median_low
from typing import Any

import pypdfium2.raw as pdfium
from pypdfium2 import PdfiumError

from ragline.domain.errors import LimitExceeded
from ragline.domain.pages import PageKind
from ragline.parsing.limits import MAX_PAGE_CHARS
from ragline.parsing.pdf.objects import Pictures, Rule, look
from ragline.parsing.pdf.runs import CUT, Run, Span, is_right_to_left

_LAST_CODE_POINT = 0x10FFFF
_LINE = re.compile(r"[^\r\n\x02\ufffe]+[\x02\ufffe]?")
"""PDFium ends a line by a line feed, or by U+0002 (once U+FFFE) where a hyphen cuts a word."""
_WORD, _CHARACTER = re.compile(r"\S+"), re.compile(r".", re.DOTALL)
_SHOWN, _LOST = (
    re.compile(r"\S"),
    re.compile("[\x00\x01\x03-\x08\x0e-\x1f\ue000-\uf8ff\ufffd\U0010ffff]"),
)
_CUTS = (CUT, "\ufffe")
_GAP = 2.0
_BOLD = 600
_MAX_GARBAGE = 0.5
_SAMPLES = 48
_COVERED = 0.6
_FEW_CHARS = 100
_KNOWN = str.maketrans("\uf0b7\uf0a7\uf0d8\uf0fc\uf02d", "•▪➢✓-")
"""Symbol fonts' own code points: https://www.unicode.org/charts/PDF/UE000.pdf names none."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Page:
    """One page, turned so that most of its text is upright. ``height`` and ``foot``: its extent.

    ``kind`` is FAILED for a page that cannot be loaded, IMAGE where text is drawn and not written.
    """

    number: int
    kind: PageKind
    runs: Sequence[Run] = ()
    rules: Sequence[Rule] = ()
    head: float = 0.0
    foot: float = 0.0


def read_page(document: Any, number: int) -> Page:
    """Raises LimitExceeded: more characters than any page has."""
    try:
        page = document[number - 1]
    except PdfiumError:
        return Page(number, PageKind.FAILED)
    try:
        text_page = page.get_textpage()
    except PdfiumError:
        page.close()
        return Page(number, PageKind.FAILED)
    try:
        return _read(page, text_page, number)
    except PdfiumError:
        return Page(number, PageKind.FAILED)
    finally:
        text_page.close()
        page.close()


def _read(page: Any, text_page: Any, number: int) -> Page:
    raw, count = text_page.raw, text_page.count_chars()
    if count > MAX_PAGE_CHARS:
        raise LimitExceeded(
            f"Page {number} holds {count:,} characters, more than the limit of "
            f"{MAX_PAGE_CHARS:,} for one page.",
            page=number,
        )
    # One code point at a time: PDFium's bulk call cuts characters to 16 bits.
    codes = list(map(pdfium.FPDFText_GetUnicode, repeat(raw), range(count)))
    text = _characters(codes)
    turn = _turn(raw, text)
    left, bottom, right, top = page.get_bbox()
    extent = _turned((left, top, right, bottom), turn)
    rules, pictures = look(page.raw, (right - left) * (top - bottom))
    runs = [] if _garbage(text) else list(_runs(raw, text, turn))
    kind = _kind(runs, pictures)
    if kind is PageKind.BLANK and _SHOWN.search(text):
        kind = PageKind.IMAGE  # written with letters that only the eye can tell
    rules = [_turned_rule(rule, turn) for rule in rules]
    return Page(number, kind, runs, rules, extent[1], extent[3])


def _characters(codes: Sequence[int]) -> str:
    """One character for one code, so that positions in the text are PDFium's."""
    try:
        return "".join(map(chr, codes)).translate(_KNOWN)
    except (ValueError, OverflowError):
        return "".join(chr(min(code, _LAST_CODE_POINT)) for code in codes).translate(_KNOWN)


def _kind(runs: Sequence[Run], pictures: Pictures) -> PageKind:
    if sum(len(run.text) for run in runs) < _FEW_CHARS and pictures.covered >= _COVERED:
        return PageKind.IMAGE  # a scan with a stamp
    if runs:
        return PageKind.TEXT
    return PageKind.IMAGE if pictures.drawn else PageKind.BLANK


def _garbage(text: str) -> bool:
    """Whether most characters have no meaning, because their fonts do not say what they show."""
    return len(_LOST.findall(text)) > _MAX_GARBAGE * len(_SHOWN.findall(text))


def _turn(raw: Any, text: str) -> int:
    """Quarter turns, counter-clockwise, by which most characters stand off upright.

    PDFium counts angles clockwise.
    """
    sample = range(0, len(text), max(1, len(text) // _SAMPLES))
    angles = (pdfium.FPDFText_GetCharAngle(raw, at) for at in sample if not text[at].isspace())
    turns = Counter(-round(angle / (math.pi / 2)) % 4 for angle in angles if angle >= 0)
    return turns.most_common(1)[0][0] if turns else 0


def _turned(box: Box, turn: int) -> Box:
    """``(left, top, right, bottom)`` with the page turned clockwise by so many quarters."""
    left, top, right, bottom = box
    if turn == 1:
        return bottom, -left, top, -right
    if turn == 2:
        return -right, -bottom, -left, -top
    if turn == 3:
        return -top, right, -bottom, left
    return box


def _turned_rule(rule: Rule, turn: int) -> Rule:
    left, top, right, bottom = _turned((rule.left, rule.top, rule.right, rule.bottom), turn)
    return Rule(left, top, right, bottom)


def _runs(raw: Any, text: str, turn: int) -> Iterator[Run]:
    """Lines as PDFium ends them, parted where a wide gap or a leap is."""
    box_at = _Boxes(raw, turn)
    for line in _LINE.finditer(text):
        if _garbage(line.group()):
            continue
        words: list[tuple[int, int, Box]] = []
        pattern = _CHARACTER if is_right_to_left(line.group()) else _WORD
        for word in pattern.finditer(text, *line.span()):
            start, end = word.span()
            box = box_at.word(start, end - (text[end - 1] in _CUTS and end - start > 1))
            if box is None:
                continue
            if words and _apart(words[-1][2], box):
                yield _run(raw, text, words)
                words = []
            words.append((start, end, box))
        if words and not text[words[0][0] : words[-1][1]].isspace():
            yield _run(raw, text, words, line.end())


class _Boxes:
    """Where characters stand. One rectangle serves all of them: there are thousands on a page."""

    def __init__(self, raw: Any, turn: int) -> None:
        self._raw, self._turn = raw, turn
        self._rectangle = pdfium.FS_RECTF()

    def word(self, start: int, end: int) -> Box | None:
        """Of the characters ``start`` to ``end``, by the first and the last."""
        first = self._one(start)
        last = self._one(end - 1) if end - start > 1 else first
        if first is None or last is None:
            return first or last
        if first[1] == last[1] and first[3] == last[3] and first[0] <= last[0]:
            return first[0], first[1], last[2], first[3]
        left, bottom = min(first[0], last[0]), min(first[3], last[3])
        return left, max(first[1], last[1]), max(first[2], last[2]), bottom

    def _one(self, index: int) -> Box | None:
        """``(left, top, right, bottom)`` of a character cell, which is as high as its font."""
        found = self._rectangle
        if not pdfium.FPDFText_GetLooseCharBox(self._raw, index, found):
            return None
        box = (found.left, found.top, found.right, found.bottom)
        return _turned(box, self._turn) if self._turn else box


def _apart(last: Box, box: Box) -> bool:
    gap = box[0] - last[2] if box[0] > last[0] else last[0] - box[2]
    return gap > _GAP * max(box[1] - box[3], last[1] - last[3])


def _run(raw: Any, text: str, words: Sequence[tuple[int, int, Box]], end: int = 0) -> Run:
    start = words[0][0]
    end = end or words[-1][1]
    boxes = [box for _, _, box in words if box[1] > box[3]] or [words[0][2]]
    return Run(
        text[start:end],
        [Span(first - start, last - start, box[0], box[2]) for first, last, box in words],
        max(box[1] for box in boxes),
        min(box[3] for box in boxes),
        median_low([box[1] - box[3] for box in boxes]),
        _is_bold(raw, start) and _is_bold(raw, words[-1][0]),
    )


def _is_bold(raw: Any, index: int) -> bool:
    if pdfium.FPDFText_GetFontWeight(raw, index) >= _BOLD:
        return True
    name = ctypes.create_string_buffer(96)
    pdfium.FPDFText_GetFontInfo(raw, index, name, len(name), None)
    lowered = name.value.lower()
    return any(word in lowered for word in (b"bold", b"black", b"heavy", b"cmbx"))
