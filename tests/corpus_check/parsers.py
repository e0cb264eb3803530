"""``python -m tests.corpus_check.parsers FOLDER...``: a folder's files through the parsers alone,
in their process and under its limits, as the splitter runs them; with what they took at most."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ragline.domain.errors import PermanentError
from ragline.domain.pages import PageCounts
from ragline.ports import LocalFile, Reading
from ragline.reading.parent import ChildReader
from ragline.reading.process import peak_of
from tests.corpus_check.material import Material, files_of
from tests.corpus_check.tables import UNENDED, Ending, table

MEGABYTES = 1_200
SECONDS = 240.0
"""As the splitter has them."""


@dataclass(frozen=True, slots=True)
class Read:
    """``peak``: bytes of memory of the child that read it; ``deaths``: of children meanwhile."""

    ending: Ending
    peak: int
    deaths: int


def read_all(files: Sequence[Material], megabytes: int = MEGABYTES) -> list[Read]:
    reader = ChildReader(megabytes)
    try:
        return [_read(file, reader) for file in files]
    finally:
        reader.close()


def _read(file: Material, reader: ChildReader) -> Read:
    _forget_peak(reader)
    begun, deaths = time.monotonic(), len(reader.deaths)
    here = LocalFile(file.path, file.path.stat().st_size, "")
    wanted = Reading(here, file.path.name, begun + SECONDS, password=file.password)
    state, detail, chunks, pages = UNENDED, "", 0, PageCounts()
    try:
        reader.survey(wanted)
        found = reader.extract(wanted)
        state = "indexed" if found.blocks else "empty"
        chunks, pages = len(found.blocks), found.counts
    except PermanentError as error:
        state, detail = f"failed: {error.code}", str(error)
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - begun
    kinds = {kind: getattr(pages, kind) for kind in ("text", "ocr", "image", "blank", "failed")}
    ending = Ending(file.name, file.kind, state, detail, seconds, chunks, kinds)
    return Read(ending, peak_of(reader.pid), len(reader.deaths) - deaths)


def _forget_peak(reader: ChildReader) -> None:
    """So that it is this file's own. https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html"""
    try:
        Path(f"/proc/{reader.pid}/clear_refs").write_text("5")
    except OSError:
        reader.close()


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.corpus_check.parsers")
    asked.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    for folder in asked.parse_args().folders:
        read = read_all(files_of(folder))
        print(f"### {folder.name}\n\n{table([one.ending for one in read])}\n")  # noqa: T201
        widest = max(read, key=lambda one: one.peak)
        deaths = sum(one.deaths for one in read)
        megabytes = widest.peak / 2**20
        most = f"{megabytes:,.0f} MB for {widest.ending.name}"
        print(f"Children that died: {deaths}. Memory at most: {most}.\n")  # noqa: T201


if __name__ == "__main__":
    main()
