"""Files of tables, fetched into a local folder: in pieces side by side, and whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ragline.adapters.lance.files import Files, RemoteFile

PIECE_BYTES = 8 * 1024 * 1024
"""Of a large file. A function that is frozen between calls goes on with the next piece."""

WORKERS = 4


class Fetcher:
    """Fetches what is missing of tables into ``folder``, where a table is ``{table}.lance``.

    What is not whole yet is in ``{table}.parts``, under names that are this object's own: which
    pieces of it came is known here only. All methods are for who holds the table's lock, so the
    parts of others are never in use: they are what a failure or the end of a process left.
    """

    def __init__(self, files: Files, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._token = uuid.uuid4().hex
        self._came: dict[Path, set[int]] = {}

    def tidy(self, table: str, wanted: Sequence[RemoteFile]) -> None:
        """Remove all parts but ours of the files that are wanted."""
        keep = {self._part(table, file.name) for file in wanted}
        for path in _files_in(self._parts(table)):
            if path not in keep:
                path.unlink(missing_ok=True)
        for part in [part for part in self._came if part.parent == self._parts(table)]:
            if part not in keep or not part.exists():
                del self._came[part]

    def bytes_left(self, table: str, wanted: Sequence[RemoteFile]) -> int:
        """How many bytes the wanted files will yet take on the disk."""
        return sum(_piece(file, start) for file in wanted for start in self._left(table, file))

    def fetch(self, table: str, wanted: Sequence[RemoteFile]) -> None:
        """Put the files in their place, once all have come; a failure keeps the pieces that did.

        Raises:
            OSError: a piece is not as long as it was listed, or the disk is full; and whatever
                reading the storage raises.
        """
        self._parts(table).mkdir(exist_ok=True)
        pieces = []
        for file in wanted:
            part = self._part(table, file.name)
            if not part.exists():
                self._came.pop(part, None)
                part.touch()
            pieces += [(file, start) for start in self._left(table, file)]
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda piece: self._fetch_piece(table, *piece), pieces))
        for file in wanted:
            part = self._part(table, file.name)
            self._came.pop(part, None)
            _move(part, self._folder / f"{table}.lance" / file.name)

    def put(self, table: str, path: Path, content: bytes) -> None:
        """Write a small file, whole."""
        self._parts(table).mkdir(exist_ok=True)
        scratch = self._part(table, "scratch")
        scratch.write_bytes(content)
        _move(scratch, path)

    def clear(self, table: str) -> None:
        """Remove all parts of a table."""
        self.tidy(table, ())
        shutil.rmtree(self._parts(table), ignore_errors=True)

    def _fetch_piece(self, table: str, file: RemoteFile, start: int) -> None:
        part, length = self._part(table, file.name), _piece(file, start)
        data = self._files.read(table, file.name, start, start + length)
        if len(data) != length:
            raise OSError(f"{file.name} of {table} came with another length than was listed")
        with part.open("r+b") as target:
            os.pwrite(target.fileno(), data, start)
        self._came.setdefault(part, set()).add(start)

    def _left(self, table: str, file: RemoteFile) -> list[int]:
        """Where the pieces start that have not come yet."""
        came = self._came.get(self._part(table, file.name), set())
        return [start for start in range(0, file.size, PIECE_BYTES) if start not in came]

    def _part(self, table: str, name: str) -> Path:
        return self._parts(table) / f"{self._token}-{name.replace('/', '-')}"

    def _parts(self, table: str) -> Path:
        return self._folder / f"{table}.parts"


def _piece(file: RemoteFile, start: int) -> int:
    return min(PIECE_BYTES, file.size - start)


def _files_in(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.exists() else iter(())


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
