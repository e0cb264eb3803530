"""JSON and JSON Lines: each record as lines of ``path: value``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import CorruptDocument
from ragline.parsing.decoding import decode
from ragline.parsing.limits import MAX_JSON_DEPTH, MAX_ROWS, Source, too_deep, too_many_rows

_CHECK_EVERY = 1_000


def extract_json(source: Source) -> Extraction:
    """Items of the top array are records; a top object's arrays of objects are sections of them."""
    value = _parse(decode(source.data), "The file")
    return Extraction(_bounded(_document(value), source))


def extract_lines(source: Source) -> Extraction:
    """One record a line; blank lines are skipped."""
    return read_lines(decode(source.data), source)


def read_lines(text: str, source: Source, where: str = "") -> Extraction:
    """``where`` says of errors which part of the file the text is."""

    def records() -> Iterator[Block]:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield from _record(_parse(line, f"Line {number}{where and ' '}{where}"))

    return Extraction(_bounded(records(), source))


def _parse(text: str, what: str) -> Any:
    try:
        # Numbers stay as written: no rounding, and no limit on their digits.
        return json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise CorruptDocument(
            f"{what} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise too_deep(MAX_JSON_DEPTH) from error


def _bounded(blocks: Iterator[Block], source: Source) -> list[Block]:
    kept: list[Block] = []
    for block in blocks:
        kept.append(block)
        if len(kept) > MAX_ROWS:
            raise too_many_rows()
        if len(kept) % _CHECK_EVERY == 0:
            source.check_time()
    return kept


def _document(value: Any) -> Iterator[Block]:
    if isinstance(value, list):
        for item in value:
            yield from _record(item)
        return
    if not isinstance(value, dict):
        yield from _record(value)
        return
    sections = {key: item for key, item in value.items() if _is_records(item)}
    yield from _record({key: item for key, item in value.items() if key not in sections})
    for key, items in sections.items():
        if key.strip():
            yield Block("heading", key, level=1)
        for item in items:
            yield from _record(item)


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, dict) for x in value)


def _record(value: Any) -> Iterator[Block]:
    text = "\n".join(_lines(value))
    if text.strip():
        yield Block("paragraph", text)


def _lines(value: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    if depth > MAX_JSON_DEPTH:
        raise too_deep(MAX_JSON_DEPTH)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lines(item, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        if not any(isinstance(item, dict | list) for item in value):
            yield from _line(path, ", ".join(_scalar(item) for item in value))
            return
        for number, item in enumerate(value, start=1):
            yield from _lines(item, f"{path}[{number}]", depth + 1)
    else:
        yield from _line(path, _scalar(value))


def _line(path: str, text: str) -> Iterator[str]:
    if text.strip():
        yield f"{path}: {text}" if path else text


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
