"""Which code makes an index: so that one kept from an earlier run is never searched by mistake."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

import ragline

ROOT = Path(ragline.__file__).parent


def digest(module: str) -> str:
    """Of the source of one of Ragline's modules and of all that it imports, directly or not."""
    found: set[Path] = set()
    waiting = _files(module)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in _imported(path) for file in _files(name)]
    sums = (hashlib.sha256(path.read_bytes()).digest() for path in sorted(found))
    return hashlib.sha256(b"".join(sums)).hexdigest()


def _imported(path: Path) -> Iterator[str]:
    """The modules of Ragline that one names in an import, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ragline":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if _files(inner) else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.startswith("ragline."))


def _files(module: str) -> list[Path]:
    """A module's file; all of a package's, since it may import them by name when it needs them."""
    path = ROOT.joinpath(*module.split(".")[1:])
    if path.with_suffix(".py").is_file():
        return [path.with_suffix(".py")]
    if path == ROOT:
        return [ROOT / "__init__.py"]
    return sorted(path.rglob("*.py"))
