"""The files that are read, and what upstream tools or their maker say stands in them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FORMATS = ("pdf", "docx", "pptx", "xlsx", "html", "epub", "eml", "md", "csv", "txt")
_READABLE = (".md", ".txt", ".native", ".json")
_STRING = re.compile(
    r'\b(?:Str|Code(?:Block)?\s*\([^()]*(?:\([^()]*\)[^()]*)*\))\s*"((?:[^"\\]|\\.)*)"'
)
_NUMBER = re.compile(r"\\(?:(\d+)|&)")


@dataclass(frozen=True, slots=True)
class Case:
    """A file; ``reference`` is None where nobody said what it holds. ``kind`` as in the manifest;
    ``made`` for files whose text is known because they were made for this. ``pages``: 0 if it has
    none, or nobody counted."""

    path: Path
    format: str
    kind: str
    reference: str | None
    pages: int = 0


def real(folder: Path, formats: set[str]) -> Iterator[Case]:
    """The files of ``docs/manifest.tsv`` that ought to be readable."""
    root = folder / "docs"
    with (root / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        format = row["path"].partition("/")[0]
        if format in formats and row["kind"] not in ("corrupt", "encrypted"):
            names = [name for name in row["expected"].split(";") if name]
            reference, pages = _reference(root, names), int(row["pages"] or 0)
            yield Case(root / row["path"], format, row["kind"].split("/")[0], reference, pages)


def _reference(root: Path, names: list[str]) -> str | None:
    """Of several the first that is text: Markdown before JSON."""
    for suffix in _READABLE:
        for name in names:
            if name.endswith(suffix) and (root / name).exists():
                return _text(root / name)
    return None


def _text(path: Path) -> str:
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return "\n\n".join(element["text"] for element in json.loads(content))
    return _of_native(content) if path.suffix == ".native" else content


def _of_native(content: str) -> str:
    """The strings of a syntax tree as pandoc prints it; metadata, attributes, targets left out."""
    body = content[max(0, content.find("\n  [")) :]
    return " ".join(_NUMBER.sub(_character, found.group(1)) for found in _STRING.finditer(body))


def _character(found: re.Match[str]) -> str:
    """Haskell writes characters beyond ASCII as decimal numbers, and ``\\&`` to end one."""
    return chr(int(found.group(1))) if found.group(1) else ""
