"""Huge texts, read in slices of bytes by many workers that never meet.

A slice begins and ends at cuts, and where a cut lies depends on its position and the bytes that
follow alone: so whoever reads the slices side by side reads every character exactly once.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise

from ragline.domain.chunks import Extraction
from ragline.domain.errors import FileTooLarge
from ragline.parsing import delimited, plain, records
from ragline.parsing.decoding import decode, encoding_of, strictly, unified
from ragline.parsing.delimited import Columns, columns_of
from ragline.parsing.formats import Format
from ragline.parsing.limits import Source

_HEAD = 64 * 1024
REACH = {
    Format.TEXT: _HEAD,
    Format.MARKDOWN: _HEAD,
    Format.CSV: 4 * _HEAD,
    Format.JSONL: 256 * _HEAD,
}
"""How many bytes after its position a cut may lie; of JSON Lines, how long one record may be."""

_LINE = rb"(?>\r\n?|\n)"
_LINE_END = re.compile(_LINE)
_BLANK_LINE = re.compile(_LINE + rb"[ \t]*" + _LINE)
_HEADING = re.compile(_LINE + rb"[ \t]*" + _LINE + rb"(?=#{1,6}[ \t])")
_ROW_END = re.compile(rb"(?:" + _LINE + rb")")
_SPACE = re.compile(rb"[ \t]+")
_CHARACTER = re.compile(rb"[^\x80-\xbf]")
_ENDS = {
    Format.TEXT: (_BLANK_LINE, _LINE_END, _SPACE),
    Format.MARKDOWN: (_HEADING, _BLANK_LINE, _LINE_END, _SPACE),
    Format.CSV: (_ROW_END, _LINE_END, _SPACE),
    Format.JSONL: (_LINE_END,),
}
"""What ends a slice: the first of the first kind that there is within reach. So does the file."""

_TRIED_ROWS = 1_000
_ROW_LINES = 64
_ROW_REACH = 16 * 1024
"""How many line ends of a table are tried, and how far behind each one a whole row may reach."""

_AHEAD = {Format.TEXT: 1, Format.MARKDOWN: 8, Format.CSV: _ROW_REACH, Format.JSONL: 1}
"""How far behind an end one has to see to know it for one; "\r" may be the half of a line end."""


_WIDTHS = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
_CONTINUED = frozenset({"utf-8", *_WIDTHS})
_LOW_SURROGATES = range(0xDC, 0xE0)


def can_slice(source: Source, format: Format) -> bool:
    """Whether ``read_slice`` takes it: a plain format, in an encoding whose line ends show."""
    if format not in _ENDS:
        return False
    encoding = encoding_of(source.head)
    return encoding in _WIDTHS or codecs.encode("\r\n \t", encoding) == b"\r\n \t"


def read_slice(source: Source, format: Format, start: int, end: int) -> Extraction:
    """What begins in bytes ``start`` to ``end`` (exclusive) of a huge text.

    Paragraphs, and in Markdown sections, are kept whole where one ends within 64 KiB; else lines,
    unless one is longer than that (256 KiB in a table). A table's header is repeated in each slice.

    Raises:
        FileTooLarge: a record of JSON Lines has more than 16 MiB, or a slice too many rows.
        CorruptDocument: a record is no JSON.
    """
    sliced = Sliced.of(source, format)
    text = sliced.text(start, end)
    match format:
        case Format.CSV:
            return delimited.read(text, source, sliced.columns, header=start > 0)
        case Format.JSONL:
            return records.read_lines(text, source, f"after byte {start:,}")
        case Format.MARKDOWN:
            from ragline.parsing import markdown

            return markdown.read(text, source)
        case _:
            return plain.read(text, source)


def spans(format: Format, start: int, end: int) -> list[tuple[int, int]]:
    """All bytes that ``read_slice`` looks at: the file's head, and the slice with some around it.

    Their ends are exclusive, and may lie behind that of the file.
    """
    widest = max(_WIDTHS.values())
    beyond = REACH[format] + (1 + _AHEAD[format]) * widest
    return [(0, _HEAD), (max(0, start - widest), max(start, end) + beyond)]


@dataclass(frozen=True)
class Sliced:
    """A huge text. ``read`` gives bytes by offset and length, fewer where the file ends."""

    read: Callable[[int, int], bytes]
    size: int
    encoding: str
    format: Format

    @classmethod
    def of(cls, source: Source, format: Format) -> Sliced:
        return cls(_reader(source), source.size, encoding_of(source.head), format)

    def text(self, start: int, end: int) -> str:
        r"""The characters between the cuts at two positions, every line end as ``\n``."""
        first, last = self.cut(start), self.cut(end)
        data = self.read(first, last - first)
        text = strictly(data, self.encoding)
        if text is None and self._width > 1:
            text = data.decode(self.encoding, "replace")
        # In a text that changes its encoding on the way, each slice is judged by itself.
        return decode(data, self.encoding) if text is None else unified(text)

    def cut(self, position: int) -> int:
        """Where the slice that ends at this position ends, and the next one begins.

        The later the position, the later the cut, or the same.

        Raises:
            FileTooLarge: there is none within reach, and a part of this format cannot be cut.
        """
        if position <= 0:
            return 0
        position += -position % self._width
        length, reach = min(_HEAD, REACH[self.format]), REACH[self.format]
        while position < self.size:
            found = self._found(position, length, final=length >= reach)
            if found is not None:
                return min(found, self.size)
            length = min(reach, 4 * length)
        return self.size

    def _found(self, position: int, length: int, *, final: bool) -> int | None:
        """The cut within so many bytes; None if more have to be read to know it."""
        start = position - self._width  # a line may end right before the position
        data = self.read(start, length + (1 + _AHEAD[self.format]) * self._width)
        window = self._narrow(data)
        complete = position + length >= self.size
        kinds = _ENDS[self.format]
        for kind in kinds if final and not complete else kinds[:1]:
            for end in self._ends(kind, window):
                if start + end * self._width <= position + length:
                    return start + end * self._width
        if complete:
            return self.size
        if final and _SPACE not in kinds:
            raise FileTooLarge(
                f"The record at byte {position:,} has more than {length:,} bytes, which is the "
                "limit of a record in a file that is read in slices."
            )
        return self._between_characters(position, window) if final else None

    def _ends(self, kind: re.Pattern[bytes], window: bytes) -> Iterator[int]:
        """Ends of this kind, in units from the window's start."""
        ends = (found.end() for found in kind.finditer(window))
        if kind is not _ROW_END:
            return ends
        return (end for end in islice(ends, _TRIED_ROWS) if self._begins_row(window, end))

    def _begins_row(self, window: bytes, start: int) -> bool:
        """Whether a whole row begins here, rather than a line within a quoted field."""
        following = window[start : start + _ROW_REACH]
        ends = [found.end() for found in islice(_LINE_END.finditer(following), _ROW_LINES)]
        lines = [following[one:other].decode("latin-1") for one, other in pairwise([0, *ends])]
        return self.columns.fit(lines)

    @cached_property
    def columns(self) -> Columns:
        """How the table's rows are made, by its first ones."""
        head = self.read(0, _HEAD)
        return columns_of(unified(head.decode(self.encoding, "replace")))

    def _between_characters(self, position: int, window: bytes) -> int:
        """The position, or the next one that is not within a character."""
        found = _CHARACTER.search(window, 1) if self.encoding in _CONTINUED else None
        return position + (found.start() - 1) * self._width if found else position

    @property
    def _width(self) -> int:
        return _WIDTHS.get(self.encoding, 1)

    def _narrow(self, data: bytes) -> bytes:
        """One byte for each unit: ASCII as it is, 0x80 for what continues a character."""
        if self._width == 1:
            return data
        units = [data[at :: self._width] for at in range(self._width)]
        if self.encoding.endswith("-be"):
            units.reverse()
        return bytes(map(_narrowed, *units))


def _narrowed(low: int, high: int, *higher: int) -> int:
    if not high and not any(higher):
        return low if low < 0x80 else 0xFF
    return 0x80 if high in _LOW_SURROGATES and not higher else 0xFF


def _reader(source: Source) -> Callable[[int, int], bytes]:
    def read(offset: int, length: int) -> bytes:
        if isinstance(source.file, bytes):
            return source.file[offset : offset + length]
        with source.file.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    return read
