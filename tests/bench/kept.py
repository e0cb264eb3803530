"""Indexes that take long to build, kept for the next run: one of a million rows takes minutes.

They lie in the user's cache folder, each under a name that stands for all that it is made of: a
change of the rows, of how tables are made, or of LanceDB makes another, and removes the old one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from importlib.metadata import version
from pathlib import Path

from ragline.adapters.lance import rows, upkeep
from tests.bench import corpus, material
from tests.bench.figures import Plan

FROM_ROWS = 500_000
DISK_BYTES = 6_000
MEMORY_BYTES = 3_000
"""Of a row while it is indexed: its files before and after the fold, and the sorting of words."""


def root(plan: Plan, size: int) -> Path:
    """Where the table of ``size`` rows is, or is to be built."""
    parts = [str(size), str(plan.real), version("lancedb"), plan.model.name, *material.sentences()]
    parts += [Path(str(module.__file__)).read_text() for module in (rows, upkeep, corpus)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "ragline" / "bench" / f"{size}-{digest}"


def is_built(folder: Path) -> bool:
    return (folder / "built").exists()


def begin(folder: Path) -> None:
    """An empty folder; others of the same size, and what a run left half built, are removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob(f"{folder.name.partition('-')[0]}-*"):
        shutil.rmtree(old)
    folder.mkdir()


def end(folder: Path) -> None:
    """Say that it is whole."""
    (folder / "built").touch()


def lacks(folder: Path, size: int) -> str:
    """What is too little here to build ``size`` rows in; '' if nothing is."""
    there = next(one for one in folder.parents if one.exists())
    have = {"disk": shutil.disk_usage(there).free, "memory": _memory()}
    need = {"disk": size * DISK_BYTES, "memory": size * MEMORY_BYTES}
    short = [
        f"{need[what] / 1e9:.1f} GB of {what}, and {have[what] / 1e9:.1f} GB are free"
        for what in need
        if have[what] < need[what]
    ]
    return f"building it in {folder.parent} takes " + "; ".join(short) if short else ""


def _memory() -> int:
    """What may be used without swapping: Linux says it, other systems give what is free."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except FileNotFoundError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    found = dict(line.split(":") for line in lines)
    return int(found["MemAvailable"].split()[0]) * 1024
