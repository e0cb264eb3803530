"""What openpyxl leaves out when it reads a workbook row by row: merged cells and comments."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from ragline.parsing.archives import read_member
from ragline.parsing.epub import parse_xml

_MERGED = re.compile(
    rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"'
)
_LONGEST = 100
_CHUNK = 1024 * 1024
_MAX_MERGED = 100_000
_MAX_WIDTH = 100
_THREADED = re.compile(r"\A\[Threaded comment\].*?\nComment:\s*", re.S)
"""What Excel writes before the text of a comment, for its versions that know no threads."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A range of cells shown as one: rows and columns from 1, inclusive."""

    top: int
    left: int
    bottom: int
    right: int


def merged_cells(archive: zipfile.ZipFile, sheet: str) -> list[Merged]:
    """The merged ranges of a sheet, by the name of its part; they stand behind all of its rows."""
    found: list[Merged] = []
    behind = b""
    with archive.open(sheet) as file:
        while chunk := file.read(_CHUNK):
            window = behind + chunk
            end = 0
            for one in _MERGED.finditer(window):
                left, top, right, bottom = one.groups()
                width = min(_column(right), _column(left) + _MAX_WIDTH)
                found.append(Merged(int(top), _column(left), int(bottom), width))
                end = one.end()
            if len(found) > _MAX_MERGED:
                return []
            behind = window[max(end, len(window) - _LONGEST) :]
    return found


def comments(archive: zipfile.ZipFile, sheet: str) -> Iterator[str]:
    """The comments of a sheet, each with its cell and its author."""
    folder, name = posixpath.split(sheet)
    relations = f"{folder}/_rels/{name}.rels"
    if relations not in archive.namelist():
        return
    for relation in parse_xml(read_member(archive, relations), relations).iter("{*}Relationship"):
        if not relation.get("Type", "").endswith("/comments"):
            continue
        target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target", "")))[1:]
        if target not in archive.namelist():
            continue
        root = parse_xml(read_member(archive, target), target)
        authors = ["".join(map(str, one.itertext())).strip() for one in root.iter("{*}author")]
        for comment in root.iter("{*}comment"):
            text = "".join(one.text or "" for one in comment.iter("{*}t"))
            text = _THREADED.sub("", text.replace("\r\n", "\n")).strip()
            if text:
                author = _author(authors, comment.get("authorId", ""))
                yield f"Comment on {comment.get('ref', '')}{author}: {text}"


def _author(authors: list[str], number: str) -> str:
    name = authors[int(number)] if number.isdecimal() and int(number) < len(authors) else ""
    return f" by {name}" if name and not name.startswith("tc=") else ""


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
