"""Comma-separated values, and those separated by anything else."""

from __future__ import annotations

import csv
import io
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


def extract(source: Source) -> Extraction:
    """One table, its first row as the header; as plain text if it has no rows and columns."""
    text = decode(source.data).replace("\0", "")
    try:
        block = table(_rows(text, source))
    except csv.Error:  # such as an unclosed quote that swallows more than a field may hold
        return Extraction(list(plain.paragraphs(text)))
    return Extraction([block] if block else [])


def _rows(text: str, source: Source) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)):
        rows.append(row)
        if len(rows) > MAX_ROWS:
            raise too_many_rows()
        if len(rows) % _CHECK_EVERY == 0:
            source.check_time()
    return rows


def _delimiter(text: str) -> str:
    """The one that cuts most sample rows into the same number (> 1) of fields.

    Not csv.Sniffer: it mistakes letters for delimiters, and its regular expressions are slow on
    long quoted fields.
    """
    sample = text[:_SAMPLE_CHARS]

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
