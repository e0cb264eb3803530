"""Files that hold files: zip archives that are no office document, and mails.

What is in them becomes documents of their own; the archive's own text is its list of contents.
"""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from ragline.domain.chunks import Block, Extraction
from ragline.domain.errors import (
    Bomb,
    CorruptDocument,
    EncryptedDocument,
    FileTooLarge,
    UnsupportedType,
)
from ragline.parsing.archives import check_unpacked, encrypted, open_directory
from ragline.parsing.formats import Format
from ragline.parsing.limits import (
    MAX_BYTES_INSIDE,
    MAX_FILE_INSIDE,
    MAX_FILES_INSIDE,
    MAX_PACKING_RATIO,
    RATIO_FREE,
    Source,
)
from ragline.parsing.names import clean_path, decoded, numbered
from ragline.parsing.tables import table
from ragline.ports import Member

_UTF8_NAME = 0x800
_AES = 99
_DOS = frozenset(bytes(range(256)).decode("cp437"))
_LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


def members(source: Source, format: Format) -> Iterator[Member]:
    """The files in an archive or a mail; none for other formats. ``read`` gives one's bytes, once.

    Directories, links, empty and hidden files are left out, and what systems leave behind.
    ``read`` raises a ``PermanentError`` for a file that cannot be had; the others still can.

    Raises:
        CorruptDocument, LimitExceeded, Bomb: as of any archive.
        EncryptedDocument: a password is needed, or is wrong.
    """
    if format is Format.ZIP:
        yield from _zipped(source)
    elif format is Format.EML:
        from ragline.parsing import mail

        yield from mail.attached(source)


def count(source: Source, format: Format) -> int:
    """How many there are."""
    if format is Format.ZIP:
        return len(_listed(source))
    return sum(1 for _ in members(source, format))


def extract(source: Source) -> Extraction:
    """The list of contents: a table for each folder, under its name."""
    folders: dict[str, list[tuple[str, str]]] = {}
    for one in _listed(source):
        folder, _, name = one.path.rpartition("/")
        folders.setdefault(folder, []).append((name, str(one.entry.file_size)))
    blocks: list[Block] = []
    for folder, files in sorted(folders.items()):
        if folder:
            blocks.append(Block("heading", folder, level=1))
        if listed := table([("File", "Bytes"), *files]):
            blocks.append(listed)
    return Extraction(blocks, title=PurePosixPath(source.filename).name)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A file of an archive: where its directory names it, its entry there, and its path.

    The archive is open as long as one of its files is known: to open it for each would take its
    whole directory each time.
    """

    archive: zipfile.ZipFile
    position: int
    entry: zipfile.ZipInfo
    path: str

    @property
    def aes(self) -> bool:
        return self.entry.compress_type == _AES


def _listed(source: Source) -> list[_Packed]:
    """The files worth reading, each with a path of its own, in the archive's order.

    Raises as ``members``.
    """
    archive = open_directory(source.file)
    entries = archive.infolist()
    files = [entry for entry in entries if not entry.is_dir()]
    check_unpacked(files, source.size, most=MAX_BYTES_INSIDE, most_members=MAX_FILES_INSIDE)
    paths = [clean_path(name) for name in _names(entries)]
    wanted = [
        (position, entry, paths[position])
        for position, entry in enumerate(entries)
        if _wanted(entry, paths[position])
    ]
    unique = numbered(path for _, _, path in wanted)
    listed = [
        _Packed(archive, position, entry, path)
        for (position, entry, _), path in zip(wanted, unique, strict=True)
    ]
    _check_password(source, listed)
    return listed


def _check_password(source: Source, listed: Sequence[_Packed]) -> None:
    locked = next((one for one in listed if encrypted(one.entry)), None)
    if locked is None:
        return
    if not source.password:
        raise EncryptedDocument("The archive is encrypted, and no password was given.")
    _read(source, locked, 1)


def _names(entries: Sequence[zipfile.ZipInfo]) -> list[str]:
    """What zipfile took for that of DOS, where the archive does not say, is decoded again."""
    unsaid = [entry.filename.encode("cp437") for entry in entries if not _said(entry)]
    again = iter(decoded(unsaid))
    return [entry.filename if _said(entry) else next(again) for entry in entries]


def _said(entry: zipfile.ZipInfo) -> bool:
    """Whether its name is known to be decoded well: by a flag, or a field that only newer
    versions of zipfile read."""
    if entry.flag_bits & _UTF8_NAME or entry.filename.isascii():
        return True
    return not set(entry.filename) <= _DOS


def _wanted(entry: zipfile.ZipInfo, path: str) -> bool:
    parts = path.lower().split("/")
    hidden = any(part.startswith(".") or part in _LITTER for part in parts)
    link = stat.S_ISLNK(entry.external_attr >> 16)
    return not (hidden or link or entry.is_dir()) and entry.file_size > 0


def _zipped(source: Source) -> Iterator[Member]:
    for one in _listed(source):
        yield Member(one.path, one.entry.file_size, partial(_whole, source, one))


def _whole(source: Source, one: _Packed) -> bytes:
    source.check_time()
    size, packed = one.entry.file_size, one.entry.compress_size
    if size > MAX_FILE_INSIDE:
        raise FileTooLarge(
            f"{one.path} unpacks to {size:,} bytes; the limit of one file in an archive is "
            f"{MAX_FILE_INSIDE:,}."
        )
    if size > max(RATIO_FREE, MAX_PACKING_RATIO * packed):
        raise Bomb(
            f"{one.path} unpacks to {size // max(1, packed):,} times its size, more than the limit "
            f"of {MAX_PACKING_RATIO} times, as decompression bombs do."
        )
    return _read(source, one, size)


def _read(source: Source, one: _Packed, length: int) -> bytes:
    password = source.password.encode() if encrypted(one.entry) else None
    try:
        return (_read_aes if one.aes else _read_plain)(source, one, password, length)
    except NotImplementedError as error:
        raise UnsupportedType(f"{one.path} is packed by a method that is not supported.") from error
    except RuntimeError as error:  # of both libraries, for a password that does not fit
        raise EncryptedDocument(f"The password does not open {one.path}.") from error
    except MemoryError:
        raise
    except Exception as error:  # each method of packing has errors of its own
        if password:  # one in 256 wrong passwords passes ZipCrypto's own check
            raise EncryptedDocument(
                f"{one.path} is damaged in its archive, or the password does not open it."
            ) from error
        raise CorruptDocument(f"{one.path} is damaged in its archive.") from error


def _read_plain(_: Source, one: _Packed, password: bytes | None, length: int) -> bytes:
    with one.archive.open(one.entry, pwd=password) as file:
        return file.read(length)


def _read_aes(source: Source, one: _Packed, password: bytes | None, length: int) -> bytes:
    """AES is not in the standard library, and pyzipper has errors of its own."""
    import pyzipper

    file = io.BytesIO(source.file) if isinstance(source.file, bytes) else source.file
    try:
        with pyzipper.AESZipFile(file) as archive:
            entry = archive.infolist()[one.position]
            with archive.open(entry, pwd=password) as opened:
                return bytes(opened.read(length))
    except pyzipper.BadZipFile as error:
        raise zipfile.BadZipFile(str(error)) from error
