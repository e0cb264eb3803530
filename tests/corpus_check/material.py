"""The files of a folder, as its manifest tells of them, if it has one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MANIFEST = "manifest.tsv"
_NO_PASSWORD = frozenset({"", "(empty)", "see README"})


@dataclass(frozen=True, slots=True)
class Material:
    """``kind`` is the manifest's, or else the file's extension; ``name`` its path in the folder."""

    name: str
    path: Path
    kind: str
    password: str = field(default="", repr=False)


def files_of(folder: Path) -> list[Material]:
    """Those that the manifest lists (columns path, kind, password), or all that are not hidden."""
    manifest = folder / MANIFEST
    found = _listed(folder, manifest) if manifest.exists() else _walked(folder)
    return sorted(found, key=lambda one: one.name)


def _listed(folder: Path, manifest: Path) -> Iterator[Material]:
    with manifest.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            password = row.get("password") or ""
            yield Material(
                row["path"],
                folder / row["path"],
                row.get("kind") or Path(row["path"]).suffix,
                "" if password in _NO_PASSWORD else password,
            )


def _walked(folder: Path) -> Iterator[Material]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield Material(str(name), path, path.suffix.lower() or "no extension")
