"""Comma-separated values, and those separated by anything else."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from ragline.domain.chunks import Extraction
from ragline.parsing import plain
from ragline.parsing.decoding import decode
from ragline.parsing.limits import MAX_ROWS, Source, too_many_rows
from ragline.parsing.tables import table

_DELIMITERS = ",;\t|:"
_SAMPLE_ROWS = 50
_SAMPLE_CHARS = 64 * 1024
_CHECK_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class Columns:
    """How the rows of a table are told apart into fields; its first row names them."""

    delimiter: str
    header: Sequence[str] = ()

    def fit(self, lines: Sequence[str]) -> bool:
        """Whether the first row of these lines is closed, and has as many fields.

        The end of a quoted field may look like a row, but its quotes do not come in pairs.
        """
        rows = csv.reader(lines, delimiter=self.delimiter, strict=True)
        try:
            row = next(rows, [])
        except csv.Error:
            return False
        quotes = sum(line.count('"') for line in lines[: rows.line_num])
        return len(row) == len(self.header) and quotes % 2 == 0


def extract(source: Source) -> Extraction:
    """One table, its first row as the header; as plain text if it has no rows and columns."""
    text = decode(source.data)
    return read(text, source, columns_of(text[:_SAMPLE_CHARS]))


def read(text: str, source: Source, columns: Columns, *, header: bool = False) -> Extraction:
    """A table, or some of its rows: ``header`` says that the first row is to be put before them."""
    text = text.replace("\0", "")
    try:
        rows = _rows(text, columns.delimiter, source)
    except csv.Error:  # such as an unclosed quote that swallows more than a field may hold
        return Extraction(list(plain.paragraphs(text)))
    block = table([columns.header, *rows] if header and rows else rows)
    return Extraction([block] if block else [])


def columns_of(head: str) -> Columns:
    """The columns of a table, by its first rows."""
    head = head.replace("\0", "")
    delimiter = _delimiter(head)
    rows = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    try:
        return Columns(delimiter, next((row for row in rows if any(row)), []))
    except csv.Error:
        return Columns(delimiter)


def _rows(text: str, delimiter: str, source: Source) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        rows.append(row)
        if len(rows) > MAX_ROWS:
            raise too_many_rows()
        if len(rows) % _CHECK_EVERY == 0:
            source.check_time()
    return rows


def _delimiter(sample: str) -> str:
    """The one that cuts most sample rows into the same number (> 1) of fields.

    Not csv.Sniffer: it mistakes letters for delimiters, and its regular expressions are slow on
    long quoted fields.
    """

    def score(delimiter: str) -> tuple[float, int]:
        rows = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for row in islice(rows, _SAMPLE_ROWS) if row]
        except csv.Error:
            return 0.0, 0
        common = max(set(widths), key=widths.count, default=0)
        return (widths.count(common) / len(widths), common) if common > 1 else (0.0, 0)

    best = max(_DELIMITERS, key=score)
    return best if score(best)[1] else ","
