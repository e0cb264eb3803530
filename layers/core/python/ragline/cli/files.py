"""Which files a person means, and what the API must know of each before it is sent."""

from __future__ import annotations

import hashlib
import math
import mimetypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from json import JSONDecodeError, loads
from pathlib import Path

import typer

from ragline.domain.documents import Scalar
from ragline.domain.errors import EmptyFile, InvalidRequest

# Only the standard library's own table: what a machine's /etc/mime.types says differs by machine.
_TYPES = mimetypes.MimeTypes()
for _type, _ending in (
    ("text/markdown", ".md"),
    ("text/x-rst", ".rst"),
    ("application/x-ndjson", ".jsonl"),
    ("application/epub+zip", ".epub"),
    ("message/rfc822", ".eml"),
):
    _TYPES.add_type(_type, _ending)


@dataclass(frozen=True, slots=True)
class Measured:
    size: int
    checksum: str
    content_type: str


def expand(paths: Sequence[Path]) -> list[Path]:
    """The files meant, each once, in the order given; folders in the order of their names.

    What is named is taken as named, even if hidden or absent. Within a folder hidden entries and
    links that lead out of it are left out.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _within(path) if path.is_dir() else (path,):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _within(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for entry in _sorted(folder):
        if entry.name.startswith(".") or not _inside(entry, root):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _within(entry)
        elif entry.is_file():
            yield entry


def _sorted(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidRequest(f"folder {folder} cannot be read: {error.strerror}.") from error


def _inside(entry: Path, root: Path) -> bool:
    if not entry.is_symlink():
        return True
    try:
        return entry.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):  # it leads nowhere, or to itself
        return False


def measure(path: Path) -> Measured:
    """Size, SHA-256 in hexadecimal and content type ('' if unknown); reads the file once.

    Raises:
        OSError: it cannot be read.
        EmptyFile: it has no bytes.
        InvalidRequest: it is no regular file, or its name is no text.
    """
    if not is_text(path.name):
        raise InvalidRequest("the file's name is not valid UTF-8; rename the file.")
    if path.exists() and not path.is_file():
        raise InvalidRequest("not a regular file.")
    with path.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        size = stream.tell()
    if not size:
        raise EmptyFile("the file is empty.")
    return Measured(size, checksum, _TYPES.guess_type(path.name)[0] or "")


def is_text(given: str) -> bool:
    """False if it holds bytes that are not UTF-8; Python keeps those as lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in given)


def pairs(given: Sequence[str], option: str) -> dict[str, Scalar]:
    """``name=value`` pairs. A value that is a JSON number, boolean or string is taken as that.

    Raises:
        typer.BadParameter: a pair has no ``=`` or no name, or a name is there twice.
    """
    read: dict[str, Scalar] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{option} wants name=value, got {pair!r}.")
        if name in read:
            raise typer.BadParameter(f"{option} has {name} twice.")
        read[name] = _scalar(value)
    return read


def _scalar(value: str) -> Scalar:
    try:
        parsed = loads(value)
    except (JSONDecodeError, RecursionError, ValueError):
        return value
    if isinstance(parsed, float) and not math.isfinite(parsed):
        return value
    return parsed if isinstance(parsed, str | int | float | bool) else value
